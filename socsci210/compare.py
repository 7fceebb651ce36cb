"""Compare two models: the same rows, the same convention, paired over studies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.stats import t as student

from .errors import DatasetError
from .metrics.socsci210.intervals import percentiles
from .reference import BOOTSTRAP_DRAWS, MIN_STUDIES, Floats, resamples
from .result_parts import UNREAD, Convention, Figure, Number, Part, Score, StudyScore
from .result_tables import unread_words
from .results import Results, Run
from .schema import Many

EXACT: Final = 14  # studies up to which every choice of signs is tried
FLIPS: Final = 20_000
POWER: Final = 0.8
LEVEL: Final = 0.05
SHOWN: Final = 3


class Side(Part):
    """One of the two models."""

    file: str
    model: str
    W: Figure
    accuracy: Number
    entropy_ratio: Number
    answer_mass: Number


class Difference(Part):
    """A less B, a mean over studies; for W, below 0 means that A is nearer to people; for accuracy, above 0.

    `interval` is the 95 % bootstrap interval over studies (the same studies for both), None under 10 studies: `values` holds the
    differences instead. `p` is two-sided, by flipping the sign of each study's difference. `minimum_detectable` is the smallest true
    difference that a test at 5 % on as many such studies finds four times in five.
    """

    point: Figure
    interval: Many[float] | None
    values: Many[float] | None
    p: Number
    minimum_detectable: Number
    n_studies: int


class StudyPair(Part):
    """One study under both models."""

    study_id: str
    n_cells: int
    W_a: Figure
    W_b: Figure
    difference: Figure


class Comparison(Part):
    """Two runs on one split. `nearer` names the model that is nearer to people, None where the difference may be chance."""

    config: str
    split: str
    convention: Convention
    a: Side
    b: Side
    W: Difference
    accuracy: Difference | None
    nearer: str | None
    overlap: Many[str]
    """Models that are known to have been trained on some of the scored rows."""
    studies: Many[StudyPair]
    left_out: Many[str] = ()
    """Studies that the two do not have in the same cells, as not all answers could be read there. They are in no figure of W."""
    notes: Many[str] = ()
    """What must be known to read the difference: studies left out, cells without a readable prediction, predictions of some people only."""


def compare(
    a: Path, b: Path, *, config: str | None = None, convention: Convention = "stated", draws: int = BOOTSTRAP_DRAWS, seed: int = 0
) -> Comparison:
    """Compare the run of one results file with that of another, study by study.

    Args:
        a, b: results files.
        config: which configuration, where a file holds several runs.
        convention: which convention; the two sides can only have the same.
        draws, seed: of the bootstrap.

    Raises:
        DatasetError: other datasets, configurations, splits, studies or cells, a file with several runs to choose from, a convention
            that scores no cell, or no study in which both have the same cells.

    Studies without the same cells on both sides are left out, and named, where that comes from predictions that could not be read.
    """
    paths = (Path(a), Path(b))
    results = [Results.read_json(path) for path in paths]
    if results[0].dataset.fingerprint != results[1].dataset.fingerprint:
        raise _differ(paths, "datasets", [one.dataset.fingerprint for one in results], "score both models on one dataset")
    runs = [_one_run(one, path, config) for one, path in zip(results, paths, strict=True)]
    for name in ("config", "split"):
        found = [getattr(run, name) for run in runs]
        if found[0] != found[1]:
            raise _differ(paths, f"{name}s", found, "score both models on the same split")
    scores = [_score(run, path, convention) for run, path in zip(runs, paths, strict=True)]
    if scores[0].decoding != scores[1].decoding and convention == "published":
        raise _differ(paths, "decodings", [score.decoding for score in scores], "predict both in the same way, or compare under `stated`")
    pairs, left_out = _pairs(runs, scores, paths)
    names = _names(runs)
    both = tuple(np.array(values) for values in zip(*((one.W, other.W) for one, other in pairs), strict=True))
    W = _difference(both[0] - both[1], draws, seed)
    sides = [_side(path, name, run, float(own.mean())) for path, name, run, own in zip(paths, names, runs, both, strict=True)]
    return Comparison(
        config=runs[0].config,
        split=runs[0].split,
        convention=convention,
        a=sides[0],
        b=sides[1],
        W=W,
        accuracy=_accuracy(pairs, draws, seed),
        nearer=None if W.p is None or W.p >= LEVEL else names[0] if W.point < 0 else names[1],
        overlap=tuple(name for name, run in zip(names, runs, strict=True) if run.contamination and run.contamination.overlap_rows),
        studies=tuple(
            StudyPair(study_id=one.study_id, n_cells=one.n_cells, W_a=one.W, W_b=other.W, difference=one.W - other.W)
            for one, other in pairs
        ),
        left_out=left_out,
        notes=tuple(_notes(names, runs, scores, left_out)),
    )


def minimum_detectable(differences: Floats) -> float | None:
    """The smallest true mean difference that a paired test at 5 % on such studies finds four times in five: (t + t) sd / sqrt(n)."""
    n = len(differences)
    if n < 2:
        return None
    needed = student.ppf(1 - LEVEL / 2, n - 1) + student.ppf(POWER, n - 1)
    return float(needed * differences.std(ddof=1) / np.sqrt(n))


def sign_flip(differences: Floats, *, seed: int = 0) -> float | None:
    """Two-sided p of a mean difference: the share of sign choices, study by study, with a mean at least as far from zero.

    All of them up to 14 studies, else 20,000 at random, the one seen counted in. None for a single study.
    """
    n = len(differences)
    if n < 2:
        return None
    if n <= EXACT:
        signs = 1.0 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float((np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12).mean())
    rng = np.random.default_rng(seed)
    hits = sum(
        int((np.abs((1.0 - 2 * rng.integers(0, 2, (1000, n))) @ differences) >= abs(differences.sum()) - 1e-12).sum())
        for _ in range(FLIPS // 1000)
    )
    return (1 + hits) / (1 + FLIPS)


def _difference(values: Floats, draws: int, seed: int) -> Difference:
    n = len(values)
    enough = n >= MIN_STUDIES
    return Difference(
        point=float(values.mean()),
        interval=percentiles(values[resamples(n, draws, seed)].mean(axis=1), n) if enough else None,
        values=None if enough else tuple(values.tolist()),
        p=sign_flip(values, seed=seed),
        minimum_detectable=minimum_detectable(values),
        n_studies=n,
    )


def _accuracy(pairs: Sequence[tuple[StudyScore, StudyScore]], draws: int, seed: int) -> Difference | None:
    """Individual accuracy by median, over the studies that have it on both sides."""
    known = [(one.accuracy, other.accuracy) for one, other in pairs if one.accuracy is not None and other.accuracy is not None]
    return _difference(np.array([one - other for one, other in known]), draws, seed) if known else None


def _one_run(results: Results, path: Path, config: str | None) -> Run:
    runs = [run for run in results.runs if config in (None, run.config)]
    if len(runs) != 1:
        found = ", ".join(f"{run.model or run.engine} on {run.config}" for run in results.runs)
        fix = "name the configuration (--config)" if config is None and len({run.config for run in runs}) > 1 else "score each model alone"
        raise DatasetError(
            f"{len(runs)} runs{'' if config is None else f' of {config}'} (the file holds {found})",
            where=str(path), expected="one run to compare", fix=fix,
        )  # fmt: skip
    return runs[0]


def _score(run: Run, path: Path, convention: Convention) -> Score:
    score = run.score(convention)
    if score is None:
        raise DatasetError(f"convention {convention} scores no cell", where=str(path), fix="choose the other convention")
    return score


def _pairs(
    runs: Sequence[Run], scores: Sequence[Score], paths: tuple[Path, Path]
) -> tuple[list[tuple[StudyScore, StudyScore]], tuple[str, ...]]:
    """The studies that both sides have with the same cells and people, in order; and the others, where unread predictions explain them."""
    a, b = ({study.study_id: study for study in score.per_study} for score in scores)
    cells = [_cells(run) for run in runs]
    alone = sorted(set(a) ^ set(b))
    both = sorted(set(a) & set(b))
    alike = {study: (a[study].n_cells, a[study].n_rows) == (b[study].n_cells, b[study].n_rows) for study in both}
    other = [study for study in both if not alike[study] or (all(cells) and cells[0].get(study) != cells[1].get(study))]
    pairs = [(a[study], b[study]) for study in both if study not in other]
    unread = any(UNREAD in score.not_scored or UNREAD in score.rows_left_out for score in scores)
    if pairs and (unread or not (alone or other)):
        return pairs, tuple(sorted([*alone, *other]))
    told = ((alone, "scored on one side only"), (other, "scored on other cells"))
    found = "; ".join(f"{len(some)} studies are {how}: {', '.join(some[:SHOWN])}" for some, how in told if some)
    raise DatasetError(
        found, where=f"{paths[0]} and {paths[1]}", expected="the same studies and cells on both sides",
        fix="predict every row of the split with both models",
    )  # fmt: skip


def _cells(run: Run) -> dict[str, set[tuple[float, ...]]]:
    """The scored cells of each study, on their scales; nothing in files of versions that did not list them."""
    found: dict[str, set[tuple[float, ...]]] = {}
    for one in run.cells:
        found.setdefault(one.study_id, set()).add((one.condition_num, one.task_num, one.scale_min, one.scale_max))
    return found


def _notes(names: Sequence[str], runs: Sequence[Run], scores: Sequence[Score], left_out: Sequence[str]) -> Iterator[str]:
    """In sentences, what else differs between the two than the models."""
    if left_out:
        some = ", ".join(left_out[:SHOWN]) + (f" and {len(left_out) - SHOWN} more" if len(left_out) > SHOWN else "")
        some_studies = "1 study is" if len(left_out) == 1 else f"{len(left_out)} studies are"
        yield f"{some_studies} left out, as the two do not have the same cells there ({some})"
        yield "accuracy, entropy ratio and answer mass of each model are over all studies of its own"
    for name, score in zip(names, scores, strict=True):
        if score.unread[0]:
            yield f"{name}: {unread_words(score)}"
    if runs[0].per_cell != runs[1].per_cell:
        told = "; ".join(f"{name}: {_people(run)}" for name, run in zip(names, runs, strict=True))
        yield f"the two were not predicted for the same people, and W of some people is too large on average ({told})"


def _people(run: Run) -> str:
    if run.per_cell is None:
        return "all people"
    bias = "" if run.sampling_bias is None else f", which makes its W under `stated` too large by about {run.sampling_bias:.4f}"
    return f"at most {run.per_cell} people of a cell{bias}"


def _side(path: Path, name: str, run: Run, W: float) -> Side:
    values: dict[str, Any] = {
        "accuracy": run.individual.median.point if run.individual else None,
        "entropy_ratio": run.individual.entropy_ratio if run.individual else None,
        "answer_mass": run.answer_mass.mean if run.answer_mass else None,
    }
    return Side(file=str(path), model=name, W=W, **values)


def _names(runs: Sequence[Run]) -> tuple[str, str]:
    """What to call the two: equal names get a letter."""
    a, b = (run.model or run.engine for run in runs)
    return (a, b) if a != b else (f"{a} (A)", f"{b} (B)")


def _differ(paths: tuple[Path, Path], what: str, found: Sequence[str], fix: str) -> DatasetError:
    return DatasetError(f"different {what}: {found[0]} and {found[1]}", where=f"{paths[0]} and {paths[1]}", expected="the same", fix=fix)
