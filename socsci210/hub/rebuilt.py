"""Hashes of a study whose rows are not published, and the check that rows built elsewhere are the same.

`python -m socsci210.hub.rebuilt DATASET studies_withheld` compares a dataset that a reader built with the hashes that were published.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any, Final

from ..dataset_folder import DatasetFolder
from ..errors import HubError, SocSciError

FOLDER: Final = "studies_withheld"
"""Where study files and hashes stand in the repository."""
HASHES: Final = "hashes.json"
_AT_ONCE: Final = 10_000


def hashes(folder: DatasetFolder, study: str) -> dict[str, Any]:
    """What tells whether a study built elsewhere is the same: its study file, the files of its deposit, its rows."""
    about = next(row for row in folder.table("studies").to_pylist() if row["study_id"] == study)
    return {
        "study_id": study,
        "study_file_sha256": about["study_file_sha256"],
        "deposit_files": about["files"],
        "rows": about["n_rows"],
        "people": about["n_participants"],
        "rows_sha256": rows_sha256(folder, study),
        "built_with": folder.manifest["version"],
    }


def rows_sha256(folder: DatasetFolder, study: str) -> str:
    """sha256 over the rows of a study as lines of JSON, by sample_id: equal for equal rows, on whatever sides of the splits they stand."""
    digest = hashlib.sha256()
    for batch in folder.rows(studies=[study]).sort_by("sample_id").to_batches(max_chunksize=_AT_ONCE):
        for row in batch.to_pylist():
            digest.update(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def check_rebuilt(dataset: Path, published: Path) -> dict[str, int]:
    """Compare the studies of a dataset with published hashes.

    Args:
        dataset: a dataset folder that somebody built.
        published: the folder `studies_withheld` of a repository.

    Returns:
        Study -> rows, for every study that is in both.

    Raises:
        HubError: no study is in both, or one differs.
        DatasetError: no dataset.
    """
    folder = DatasetFolder(dataset)
    notes = {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(published.glob(f"*/{HASHES}"))}
    both = sorted(notes.keys() & set(folder.studies))
    if not both:
        raise HubError(
            "no study is in both",
            where=f"{dataset} and {published}",
            expected=f"a dataset with some of {', '.join(notes) or 'the studies of the folder'}",
            fix=f"socsci210 build STUDY --studies {published} --deposits DIR --out DATASET",
        )
    for study in both:
        version = notes[study]["built_with"]
        found = hashes(folder, study)
        differing = [name for name, value in found.items() if notes[study].get(name) != value and name != "built_with"]
        if differing:
            raise HubError(
                f"{study}: {', '.join(differing)} differ",
                where=str(dataset),
                expected=f"what socsci210 {version} builds from the published study file and the deposit it names",
                fix=f"build it with --studies {published} and that version, from the files with the sha256 in {HASHES}",
            )
    return {study: int(notes[study]["rows"]) for study in both}


def main(arguments: list[str]) -> int:
    """Compare, and say so."""
    if len(arguments) != 2:
        print("usage: python -m socsci210.hub.rebuilt DATASET studies_withheld", file=sys.stderr)
        return 2
    try:
        for study, n in check_rebuilt(Path(arguments[0]), Path(arguments[1])).items():
            print(f"{study}: {n:,} rows, the same as published")
    except SocSciError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
