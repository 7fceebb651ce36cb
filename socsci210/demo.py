"""The whole path in one call: deposits -> dataset -> trained models -> exact predictions -> scores -> report."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .dataset_folder import DatasetFolder
from .errors import SocSciError
from .pipeline import Say, built_dataset, simulated_deposits
from .schema import SPLIT_CONFIGS, SPLITS

if TYPE_CHECKING:
    from .hub.round_trip import Leg

COLUMNS: Final[dict[str, str]] = {
    "config": "split",
    "W": "W",
    "chance": "chance",
    "noise_floor": "noise floor",
    "train_lookup": "train lookup",
    "pooled_oracle": "pooled oracle",
    "gap_closed": "gap closed",
    "answer_mass": "answer mass",
}
_MARK: Final = "summary.json"


@dataclass(frozen=True)
class DemoResult:
    """What a demo leaves: the page, the figures of `summary.json`, deposits, dataset and models (one per split), and their results."""

    report: Path
    summary: dict[str, dict[str, float | None]]
    deposits: Path
    dataset: Path
    models: dict[str, Path]
    results: list[Path]

    @property
    def table(self) -> list[dict[str, Any]]:
        """The summary as rows, in the columns of `COLUMNS`."""
        return [{"config": config, **figures} for config, figures in self.summary.items()]


def run_demo(
    out: Path,
    *,
    deposits: Path | None = None,
    extra_studies: Sequence[Path] = (),
    seed: int = 0,
    overrides: Mapping[str, Any] | None = None,
    say: Say = print,
) -> DemoResult:
    """Run everything into `out`, which is emptied first if an earlier demo wrote it.

    Args:
        out: folder for deposits, dataset, model, predictions, results, `summary.json` and `report.html`.
        deposits: real deposits to run on; without it the simulated studies are written and used.
        extra_studies: folders of further study folders.
        seed: of the simulated world and of training.
        overrides: training settings that differ from `train/configs/nano.yaml`.
        say: called with a line about each step.

    Raises:
        SocSciError: `out` holds something else, or a step fails.
    """
    _empty(out)
    deposits = deposits or simulated_deposits(out / "deposits", seed=seed, say=say)
    dataset = built_dataset(deposits, out / "dataset", extra_studies=extra_studies, say=say)
    configs = _complete_configs(dataset)
    models = _train(out, dataset, configs, seed, overrides or {}, say)
    results = [_scored(out, dataset, model, config, seed, say) for config, model in models.items()]
    return _reported(out, deposits, dataset, models, results, say)


def _empty(out: Path) -> None:
    """Makes `out` an empty folder. Only what a demo wrote is ever deleted."""
    if out.exists() and any(out.iterdir()):
        if not (out / _MARK).is_file():
            raise SocSciError(
                "not empty, and not written by a demo", where=str(out), fix="name another folder with --out, or remove this one"
            )
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARK).write_text("{}\n", encoding="utf-8")  # so that an interrupted demo can be started again


def _complete_configs(dataset: Path) -> list[str]:
    """The split configs with rows to train on and rows to test; a handful of studies may not fill all four."""
    folder = DatasetFolder(dataset)
    return [config for config in SPLIT_CONFIGS if all(folder.files(config, split) for split in (SPLITS[0], SPLITS[-1]))]


def _train(out: Path, dataset: Path, configs: list[str], seed: int, overrides: Mapping[str, Any], say: Say) -> dict[str, Path]:
    from socsci210.train.config import read_config
    from socsci210.train.per_split import train_per_split

    with as_file(files("socsci210.train") / "configs" / "nano.yaml") as path:
        given = read_config(path).config.model_dump()
    settings = {**given, "dataset": str(dataset), "seed": seed, **overrides}
    limit = f", at most {settings['max_minutes']:g} minutes in all" if settings["max_minutes"] else ""
    say(f"Training {len(configs)} small models from random weights{limit}")
    return train_per_split(settings, configs, output=out / "models", say=say)


def _scored(out: Path, dataset: Path, model: Path, config: str, seed: int, say: Say) -> Path:
    from .language_model import without_bars
    from .predict import predict
    from .score import score

    say(f"Predicting and scoring the test side of {config}")
    predictions = out / "predictions" / f"{config}.parquet"
    with without_bars():
        predict(engine="transformers", model=str(model), dataset=dataset, config=config, out=predictions, seed=seed)
    target = out / "results" / f"{config}.json"
    score([predictions], dataset, seed=seed).write_json(target)
    return target


def _reported(out: Path, deposits: Path, dataset: Path, models: dict[str, Path], results: list[Path], say: Say) -> DemoResult:
    from .report import report
    from .results import Results
    from .score import summary

    figures = {config: row for path in results for config, row in summary(Results.read_json(path)).items()}
    draft = out / f"{_MARK}.draft"
    draft.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    draft.replace(out / _MARK)
    page = report(results, out / "report.html")
    say(f"Figures: {out / _MARK}. Report: {page}")
    return DemoResult(report=page, summary=figures, deposits=deposits, dataset=dataset, models=models, results=results)


def publish_demo(demo: DemoResult, *, say: Say = print) -> list[Leg]:
    """Push what a demo on simulated studies made to a Hub on this machine, and load it back.

    There are two versions of the dataset, the later one with one study more, a model, the metric, and an app that asks the model.

    Raises:
        SocSciError: a push or a load failed.
    """
    from .hub.round_trip import Thing, round_trip
    from .local_hub import ME, LocalHub
    from .metrics import path

    config, model = next(iter(demo.models.items()))
    data, nano = f"{ME}/simulated-studies", f"{ME}/nano-{config.removeprefix('unseen_')}"
    with tempfile.TemporaryDirectory(prefix="socsci210-demo-") as scratch, LocalHub() as hub:
        say(f"A Hub on this machine: {hub.url}")
        things = [
            Thing("dataset", _without_one(demo, Path(scratch) / "dataset"), data, "v1"),
            Thing("dataset", demo.dataset, data, "v2"),
            Thing("model", model, nano, "v1", options=("--results", str(demo.results[0]))),
            Thing("metric", path(), f"{ME}/socsci210", "v1"),
        ]
        if find_spec("gradio"):
            things.append(Thing("space", model, f"{ME}/ask", "v1", source=nano))
        else:
            say("The app is left out: pip install 'socsci210[space]'")
        return round_trip(things, hub.environment(hub.token), say=say)


def _without_one(demo: DemoResult, out: Path) -> Path:
    """The dataset of a demo as it was before its last study came."""
    from .build import build
    from .registry import Registry

    ids = DatasetFolder(demo.dataset).studies
    build(ids[:-1], deposits=demo.deposits, out=out, registry=Registry(), jobs=2)
    return out
