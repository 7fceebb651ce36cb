"""Run as a module: loads one thing from the Hub through the public clients and compares it with what lies here.

Its input is one JSON object, {what, repo, revision, path} and more by `what`; the last line of its output is one too, {how: equal or not}.
Nothing of this package takes part in the loading, but for the person's own way to a model, `socsci210.Socrates`.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ..dataset_folder import DatasetFolder
from ..schema import ROWS, SPLIT_CONFIGS, SPLITS

_KEYS: Final = [("study_id", "ascending"), ("sample_id", "ascending")]
_COLUMNS: Final = ["study_id", "sample_id", "response", "stimuli"]
_APP: Final = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(next(folder.glob("*.whl"))))
from socsci210.space import settings
assert ".whl" in settings.__file__, settings.__file__
answer = settings.Settings.read(folder).load().predict({"age": 34}, sys.argv[2], (1, 7))
print(json.dumps(answer.probabilities))
"""
_QUESTION: Final = "How warm is the tea? Only return an integer from 1 to 7."


def dataset(asked: dict[str, Any]) -> dict[str, bool]:
    """Every split of every config by `load_dataset`; one split as a stream, by columns and by a filter."""
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    folder, at = DatasetFolder(asked["path"]), {"revision": asked["revision"]}
    equal = True
    for config in SPLIT_CONFIGS:
        whole = load_dataset(asked["repo"], config, **at)
        equal = equal and set(whole) == {split for split in SPLITS if folder.files(config, split)}
        equal = equal and all(_same(part.data.table, folder.rows(config, split)) for split, part in whole.items())
    config, local = SPLIT_CONFIGS[0], folder.rows(SPLIT_CONFIGS[0], "test")
    streamed = load_dataset(asked["repo"], config, split="test", streaming=True, **at).with_format("arrow")
    columns = load_dataset(asked["repo"], config, split="test", columns=_COLUMNS, **at)
    study = str(local["study_id"][0])
    kept = load_dataset(asked["repo"], config, split="test", filters=[("study_id", "==", study)], **at)
    return {
        "load_dataset, four configs": equal,
        "streamed": _same(pa.concat_tables(streamed.iter(batch_size=1000)), local),
        "columns=": _same(columns.data.table, local.select(_COLUMNS)),
        "filters=": _same(kept.data.table, local.filter(pc.equal(local["study_id"].cast(pa.string()), study))),
    }


def _same(loaded: pa.Table, local: pa.Table) -> bool:
    """Whether two tables of rows are equal in types and values, in whatever order their files were read."""
    schema = pa.schema([ROWS.field(name) for name in local.column_names])
    found = loaded.select(local.column_names).replace_schema_metadata(None)
    return bool(found.schema == schema and found.sort_by(_KEYS).equals(local.cast(schema).sort_by(_KEYS)))


def model(asked: dict[str, Any]) -> dict[str, bool]:
    """Weights and token ids by `from_pretrained`, and an answer by `Socrates`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from ..socrates import Socrates

    repo, path, at = asked["repo"], asked["path"], {"revision": asked["revision"]}
    both: list[tuple[str, dict[str, Any]]] = [(path, {}), (repo, at)]
    ours, theirs = (AutoModelForCausalLM.from_pretrained(place, **options).state_dict() for place, options in both)
    ids = [AutoTokenizer.from_pretrained(place, **options)(_QUESTION)["input_ids"] for place, options in both]
    answers = [Socrates(place, device="cpu").predict({"age": 34}, _QUESTION, (1, 7)) for place in (path, f"{repo}@{asked['revision']}")]
    return {
        "from_pretrained": ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours),
        "AutoTokenizer": ids[0] == ids[1],
        "socsci210.Socrates": answers[0] == answers[1],
    }


def metric(asked: dict[str, Any]) -> dict[str, bool]:
    """The figures of every config by `evaluate.load`, where nothing of this package can be imported."""
    from .metric import loaded_alone

    ours, theirs = loaded_alone(asked["path"]), loaded_alone(asked["repo"], asked["revision"])
    return {f"evaluate.load, {len(theirs['values'])} configs": ours["values"] == theirs["values"]}


def space(asked: dict[str, Any]) -> dict[str, bool]:
    """An answer of the app's own code, as `snapshot_download` brings it, from the model that it names."""
    import subprocess

    from huggingface_hub import snapshot_download

    from ..socrates import Socrates

    folder = snapshot_download(asked["repo"], repo_type="space", revision=asked["revision"])
    done = subprocess.run([sys.executable, "-c", _APP, folder, _QUESTION], capture_output=True, text=True, check=True)
    ours = Socrates(asked["path"], device="cpu").predict({"age": 34}, _QUESTION, (1, 7))
    return {"the app's own answer": json.loads(done.stdout.splitlines()[-1]) == list(ours.probabilities)}


if __name__ == "__main__":
    request = json.loads(sys.stdin.read())
    found = {"dataset": dataset, "model": model, "metric": metric, "space": space}[request["what"]](request)
    print("\n" + json.dumps(found), flush=True)
