"""Run as a script: loads every config of a dataset from the Hub as anybody does, with nothing of this package.

Its input is one JSON object, {repo, revision}; its last line of output is another one, {folder: where the files of that revision lie,
configs: {config: {split: [rows, names of columns]}}}.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    """Load, count, tell."""
    asked = json.loads(sys.stdin.read())
    from datasets import get_dataset_config_names, load_dataset
    from huggingface_hub import snapshot_download

    repo, revision = asked["repo"], asked["revision"]
    found: dict[str, Any] = {"folder": snapshot_download(repo, repo_type="dataset", revision=revision), "configs": {}}
    for config in get_dataset_config_names(repo, revision=revision):
        splits = load_dataset(repo, config, revision=revision)
        found["configs"][config] = {name: [part.num_rows, part.column_names] for name, part in splits.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
