"""What the page says: results turned into headings, sentences and rows. No markup here."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from ..results import Results, Run, Score, StudyScore
from .charts import Mark
from .words import HELD_OUT, SCALE_SOURCES, WORDS, number, percent

MANY: Final = 3  # more models than this are counted, not named, in the lead


@dataclass(frozen=True)
class Verdict:
    """One sentence about a run. `tone` is good, bad or plain."""

    tone: str
    text: str


def page_of(results: Sequence[Results]) -> dict[str, Any]:
    """Everything the template shows."""
    first = results[0]
    runs = [run for one in results for run in one.runs]
    studies = {study: title for one in results for study, title in one.dataset.studies.items()}
    sources = {study: url for one in results for study, url in one.dataset.sources.items() if url.startswith(("https://", "http://"))}
    simulated = max((one.dataset.n_simulated for one in results), default=0)
    models = list(dict.fromkeys(map(_short_name, runs)))
    sides = Counter((run.config, run.split) for run in runs)
    end = 1.05 * max([max(run.stated.chance, run.stated.W.point) for run in runs if run.stated], default=1.0)
    return {
        "models": ", ".join(models) if len(models) <= MANY else f"{len(models)} models",
        "blocks": [_block(i, run, sides[run.config, run.split] > 1) for i, run in enumerate(runs)],
        "conventions": [
            ("stated", "Positions on the scale as the question states it. The primary convention."),
            (
                "published",
                "Each cell on the range that people used, predictions read at temperature 0.6 and top_p 0.9: the only figures to "
                "stand beside published ones. Never compare across the two tables.",
            ),
        ],
        "end": end,
        "ticks": _ticks(end),
        "study_marks": study_marks,
        "study_end": 1.05 * max([max(study.W, study.chance) for run in runs if run.stated for study in run.stated.per_study], default=1.0),
        "studies": studies,
        "sources": sources,
        "simulated": simulated,
        "all_simulated": all(one.dataset.n_simulated == one.dataset.n_studies for one in results),
        "fingerprint": first.dataset.fingerprint,
        "results": results,
        "commands": [_commands(run) for run in runs],
        "scale_sources": SCALE_SOURCES,
        "about": first,
    }


def _short_name(run: Run) -> str:
    """What a heading calls a model: the last part of its folder or Hub id (the whole is told under what was run)."""
    return PurePosixPath(run.model).name if run.model else run.engine


def _block(index: int, run: Run, several: bool) -> dict[str, Any]:
    """One run: its names, its marks and its verdicts."""
    name = WORDS.get(run.config, run.config)
    side = "" if run.split == "test" else f", {run.split}"
    return {
        "id": f"run-{index}",
        "run": run,
        "name": f"{name}{side} · {_short_name(run)}" if several else f"{name}{side}",
        "held_out": HELD_OUT.get(run.config, run.config),
        "marks": _marks(run.stated) if run.stated else [],
        "verdicts": _verdicts(run),
        "left_out": "; ".join(f"{n:,} {reason}" for reason, n in run.coverage.left_out.items()),
        "worst_first": sorted(run.stated.per_study, key=lambda study: -study.W) if run.stated else [],
    }


def _marks(score: Score) -> list[Mark]:
    low, high = score.W.interval or (None, None)
    found = [Mark("floor", "noise floor", score.noise_floor), Mark("chance", "chance", score.chance)]
    if score.pooled_oracle is not None:
        found.append(Mark("oracle", "pooled_oracle", score.pooled_oracle))
    if score.train_lookup is not None:
        found.append(Mark("lookup", "train_lookup", score.train_lookup))
    return [*found, Mark("model", "model", score.W.point, low, high)]


def study_marks(study: StudyScore) -> list[Mark]:
    """The same marks for one study."""
    found = [Mark("floor", "noise floor", study.noise_floor), Mark("chance", "chance", study.chance)]
    found += [Mark("lookup", "train_lookup", study.train_lookup)] if study.train_lookup is not None else []
    return [*found, Mark("model", "model", study.W)]


def _ticks(end: float) -> list[float]:
    """Round places from 0 up to the end of a ruler, five or so."""
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if end / step <= 6 or step == 0.5)
    return [round(i * step, 2) for i in range(int(end / step) + 1)]


def _verdicts(run: Run) -> list[Verdict]:
    score = run.stated
    if score is None:
        return [Verdict("bad", "No cell of this split has a scale to score on.")]
    found = [_gap(score)]
    if score.train_lookup is not None and run.engine != "train_lookup":
        found.append(_lookup(run.config, score))
    found.append(_sensitivity(run))
    if run.answer_mass and run.answer_mass.flagged:
        mass = number(run.answer_mass.mean, 2)
        text = f"Only {mass} of its probability lies on allowed answers (below 0.90): the rest is not seen by any score here."
        found.append(Verdict("bad", text))
    if run.coverage.parse_rate < 1:
        found.append(Verdict("bad", f"{percent(1 - run.coverage.parse_rate)} of its answers could not be parsed and are not scored."))
    if run.held_out is False:
        found.append(Verdict("bad", "Its training record does not say that this split was held out: it may have seen these answers."))
    return found


def _gap(score: Score) -> Verdict:
    closed = score.gap_closed
    if closed.value is None:
        return Verdict("plain", f"No share of the gap is given: {closed.refused}.")
    if closed.value <= 0:
        return Verdict("bad", "No closer to people than uniform answers.")
    return Verdict("good", f"Closes {percent(closed.value)} of the gap between chance and the noise floor.")


def _lookup(config: str, score: Score) -> Verdict:
    lookup = float(score.train_lookup or 0)
    better = sum(1 for study in score.per_study if study.train_lookup is not None and study.train_lookup > study.W)
    figures = f"{number(score.W.point)} against {number(lookup)}, closer in {better} of {score.n_studies} studies"
    if score.W.point < lookup:
        return Verdict("good", f"Beats train_lookup, the best guess without reading the text: {figures}.")
    why = " On unseen conditions that means it has memorised marginals." if config == "unseen_conditions" else ""
    return Verdict("bad", f"Does not beat train_lookup, the best guess without reading the text: {figures}.{why}")


def _sensitivity(run: Run) -> Verdict:
    found = run.sensitivity
    if found.r is None or found.p is None:
        return Verdict("plain", f"Whether it tells conditions apart is not known: {found.refused}.")
    p = "p < 0.001" if found.p < 0.001 else f"p = {number(found.p)}"
    figures = f"r = {number(found.r, 2)}, {p}, {found.n_outcomes} outcomes"
    if found.r > 0 and found.p < 0.05:
        return Verdict("good", f"Tells conditions apart: {figures}.")
    return Verdict("bad", f"Does not tell conditions apart: {figures}. W alone would not show this.")


def _commands(run: Run) -> list[str]:
    """The commands that repeat a run, ready to paste."""
    predict = ["socsci210", "predict", "--engine", run.engine]
    for option, value in (("--model", run.model), ("--template", run.template), ("--seed", run.seed)):
        predict += [option, str(value)] if value is not None else []
    predict += ["--dataset", "DATASET", "--config", run.config, "--split", run.split, "--out", f"{run.config}.parquet"]
    score = ["socsci210", "score", f"{run.config}.parquet", "--dataset", "DATASET", "--out", f"{run.config}.json"]
    return [shlex.join(predict), shlex.join(score), shlex.join(["socsci210", "report", f"{run.config}.json", "--out", "report.html"])]
