"""What is known of a model from held-out studies: the contrasts of its results files, or a plain statement that there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import DatasetError
from ..metrics.socsci210.agreement import agreement, permutation_p, resampled_r
from ..metrics.socsci210.codes import Floats, Ints
from ..metrics.socsci210.effects import Contrasts
from ..metrics.socsci210.intervals import percentiles
from ..reference import BOOTSTRAP_DRAWS, MIN_STUDIES, PERMUTATIONS
from ..results import Results, Run
from .reliability import MIN_STUDIES as FEWEST_STUDIES
from .reliability import Shrinkage, shrinkage

RESULTS: Final = "results.json"
LEVEL: Final = 0.01
"""Of the permutation test."""
FEW: Final = 3  # studies: figures of fewer would say nothing
UNLIKE: Final = 0.5  # what a contrast counts for each thing in which it is unlike the new one
LENGTHS: Final = (2, 11)  # scales of two answers, of up to eleven, and longer ones
NO_FILE: Final = "no results of this model were given: nobody has measured here how its effects compare with people's"
HOW: Final = "predict a held-out split with `socsci210 predict --arms` too, score both files together, and give the results with --evidence"


@dataclass(frozen=True)
class Evidence:
    """Effects of people and model in held-out studies.

    Attributes:
        sources: the results files.
        studies, topics: by study code of the contrasts; a topic may be unknown.
        options: answers of each contrast's scale, 0 where not known.
        caveats: what a reader should know.
        simulated: whether none of the studies is of people.
    """

    sources: tuple[str, ...]
    studies: tuple[str, ...]
    topics: tuple[str | None, ...]
    contrasts: Contrasts
    options: Ints
    caveats: tuple[str, ...]
    simulated: bool = False

    def likeness(self, topic: str | None, options: int) -> Floats:
        """How much each contrast counts for a new one: less where its topic or the length of its scale is known to be another."""
        topics = np.array([1.0 if known is None or topic is None or known == topic else UNLIKE for known in self.topics])
        length = np.where(
            (self.options == 0) | (np.digitize(self.options, LENGTHS, right=True) == np.digitize(options, LENGTHS, right=True)), 1, UNLIKE
        )
        out: Floats = topics[self.contrasts.study] * length
        return out

    def shrinkage(self, topic: str | None, options: int) -> Shrinkage | None:
        """The regression for a new contrast: contrasts like it count more, unless too few studies are left in effect."""
        return shrinkage(self.contrasts, self.likeness(topic, options)) or shrinkage(self.contrasts)

    def without(self, study: str) -> Evidence:
        """The evidence of all other studies."""
        if study not in self.studies:
            return self
        others = np.flatnonzero(self.contrasts.study != self.studies.index(study))
        return replace(self, contrasts=self.of(others), options=self.options[others])

    def of(self, chosen: Floats | Ints) -> Contrasts:
        """Some of the contrasts."""
        return Contrasts._make(column[chosen] for column in self.contrasts)


@dataclass(frozen=True)
class Reliability:
    """Measured reliability of a model; `refused` says why none of it may be used. Figures as of `metrics.socsci210.agreement`.

    Attributes:
        rows: name of a set of contrasts and its figures: all, and those most like the experiment.
        overall: the regression over all contrasts.
        simulated: whether none of the studies is of people.
    """

    refused: str | None
    rows: tuple[dict[str, float | int | str | None], ...] = ()
    p: float | None = None
    interval: tuple[float, float] | None = None
    overall: Shrinkage | None = None
    caveats: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    simulated: bool = False


def find_evidence(model: str) -> list[Path]:
    """Results files that lie in a model's folder."""
    folder = Path(model)
    return sorted(folder.glob(f"*{RESULTS}")) if folder.is_dir() else []


def read_evidence(paths: Sequence[Path], *, model: str, revision: str | None = None) -> Evidence | str:
    """The evidence in results files of a model, or why there is none in them.

    Args:
        paths: what `socsci210 score` wrote.
        model, revision: as the answers name them.

    Raises:
        DatasetError: a file that does not read, or holds no results of this model.
    """
    if not paths:
        return f"{NO_FILE}. To measure it, {HOW}"
    files = [(str(path), Results.read_json(path)) for path in paths]
    runs = [(path, file, run) for path, file in files for run in file.runs if _same(run, model, revision)]
    if not runs:
        found = sorted({run.model or run.engine for _, file in files for run in file.runs})
        raise DatasetError(
            f"results of {', '.join(found)}", where=", ".join(path for path, _ in files), expected=f"results of {model}",
            fix="give results of the model that answers here: another one's reliability says nothing of it",
        )  # fmt: skip
    reasons = [(run, _unusable(run)) for _, _, run in runs]
    usable = [one for one, (_, reason) in zip(runs, reasons, strict=True) if reason is None]
    if not usable:
        return "; ".join(dict.fromkeys(f"{run.config}: {reason}" for run, reason in reasons))
    return _joined(usable)


def measure(evidence: Evidence | str | None, *, topic: str | None = None, lengths: Sequence[int] = (), seed: int = 0) -> Reliability:
    """How far a model's effects agreed with people's; refused where they did not, whatever its distances W were.

    Args:
        topic, lengths: of the experiment: its topic, and how many answers its scales have.
    """
    if evidence is None or isinstance(evidence, str):
        return Reliability(refused=evidence or f"{NO_FILE}. To measure it, {HOW}")
    contrasts = evidence.contrasts
    rows = [_row("all held-out studies", contrasts)]
    if rows[0]["refused"] is not None:
        return _refusing(str(rows[0]["refused"]), rows, evidence)
    p = permutation_p(contrasts, draws=PERMUTATIONS, seed=seed)
    interval = None
    if rows[0]["n_studies"] >= MIN_STUDIES:  # type: ignore[operator]
        again = resampled_r(contrasts, draws=BOOTSTRAP_DRAWS, seed=seed)
        interval = percentiles(again[np.isfinite(again)], int(rows[0]["n_studies"]))  # type: ignore[arg-type]
    if p > LEVEL or (interval is not None and interval[0] <= 0) or float(rows[0]["r"] or 0) <= 0:
        bounds = f", 95 % interval {interval[0]:.2f} to {interval[1]:.2f}" if interval else ""
        said = f"in {rows[0]['n_studies']} held-out studies its effects did not go with people's (r {rows[0]['r']:.2f}{bounds}, p {p:.2f})"
        return _refusing(said, rows, evidence, p)
    overall = shrinkage(contrasts)
    if overall is None:
        return _refusing(
            f"{rows[0]['n_studies']} held-out studies, fewer than {FEWEST_STUDIES}: too few to say how far effects shrink",
            rows,
            evidence,
            p,
        )
    like = [(f"topic: {topic}", np.array([one is not None and one == topic for one in evidence.topics])[contrasts.study])]
    for length in sorted({int(np.digitize(one, LENGTHS, right=True)) for one in lengths}):
        same = np.digitize(evidence.options, LENGTHS, right=True) == length
        like.append((("two answers", "scales of 3 to 11 answers", "scales of more than 11 answers")[length], same & (evidence.options > 0)))
    for name, chosen in like:
        some = evidence.of(np.flatnonzero(chosen))
        if len(np.unique(some.study)) >= FEW and not chosen.all():
            rows.append(_row(name, some))
    return Reliability(None, tuple(rows), p, interval, overall, evidence.caveats, evidence.sources, evidence.simulated)


def _refusing(reason: str, rows: Sequence[dict[str, float | int | str | None]], evidence: Evidence, p: float | None = None) -> Reliability:
    return Reliability(reason, tuple(rows), p, None, None, evidence.caveats, evidence.sources, evidence.simulated)


def _row(name: str, contrasts: Contrasts) -> dict[str, float | int | str | None]:
    found: dict[str, Any] = dict(agreement(contrasts))
    names = ("r", "sign_agreement", "slope", "mae", "n_contrasts", "n_reliable", "n_studies", "refused")
    return {"contrasts": name} | {key: _finite(found[key]) for key in names}


def _finite(value: float | int | str | None) -> float | int | str | None:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _same(run: Run, model: str, revision: str | None) -> bool:
    """Whether results are of a model: by the hash of its weights or its commit, else by its name."""
    if run.revision and revision:
        return run.revision == revision
    return run.model is not None and (run.model == model or Path(run.model).resolve() == Path(model).resolve())


def _unusable(run: Run) -> str | None:
    """Why a run says nothing of new studies."""
    if run.effects is None or not run.effects.contrasts:
        return f"its results hold no treatment effects; {HOW}"
    if run.effects.method == "as assigned":
        return f"its effects compare people as they were assigned, which agrees with people's by itself; {HOW}"
    if run.contamination is not None and run.contamination.overlap_rows:
        return "the model was trained on rows of these studies"
    apart = run.contamination is not None and run.contamination.source != "none"
    if run.config != "unseen_studies" and not (run.config == "all" and apart):
        return "its studies were not held out as a whole; score the split unseen_studies"
    if run.held_out is False:
        return "its studies are not known to be held out"
    return None


def _joined(runs: Sequence[tuple[str, Results, Run]]) -> Evidence:
    """Arms only: levels of a conjoint move answers in another way."""
    names: list[str] = []
    rows, options, topics, caveats = [], [], dict[str, str](), []
    for path, file, run in runs:
        assert run.effects is not None
        topics |= file.dataset.topics
        length = {(c.study_id, c.condition_num, c.task_num): round(c.scale_max - c.scale_min) + 1 for c in run.cells}
        for one in run.effects.contrasts:
            if one.design == "conjoint":
                continue
            if one.study_id not in names:
                names.append(one.study_id)
            key = (names.index(one.study_id), one.task_num, one.item_num, one.condition_num, -1 if one.reference is None else one.reference)
            rows.append((*key, one.human, one.human_se, one.model))
            options.append(length.get((one.study_id, one.condition_num, one.task_num), 0))
        if run.contamination is None or run.contamination.source == "none":
            caveats.append(f"{path}: nothing is known of the training of this model; it may have read about these studies")
        if file.dataset.n_simulated:
            caveats.append(f"{path}: {file.dataset.n_simulated} of its {file.dataset.n_studies} studies are simulated, not of people")
    ints, floats = (
        np.array([row[:5] for row in rows], np.int64).reshape(-1, 5),
        np.array([row[5:] for row in rows], np.float64).reshape(-1, 3),
    )
    study, task, item, condition, reference = ints.T
    human, noise, model = floats.T
    contrasts = Contrasts(
        study, task, item, np.full(len(rows), -1), condition, reference, human, noise, model, np.zeros(len(rows), np.int64),
        np.full(len(rows), "between"),
    )  # fmt: skip
    sources = tuple(dict.fromkeys(path for path, _, _ in runs))
    made_up = all(file.dataset.n_simulated == file.dataset.n_studies for _, file, _ in runs)
    known = tuple(topics.get(name) for name in names)
    return Evidence(sources, tuple(names), known, contrasts, np.array(options, np.int64), tuple(caveats), made_up)
