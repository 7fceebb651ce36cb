"""What a run comes to, in sentences: each says a figure and whether it is good news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from socsci210.metrics.socsci210.agreement import BLIND, NEARLY_BLIND

from ..reference import SAME_MEANS
from ..result_tables import unread_words
from ..results import Contamination, Effects, Run, Score
from .words import interval, number, percent

SHARP: Final = 0.8  # an entropy ratio below this is called sharper than people
FLAT: Final = 1.25


@dataclass(frozen=True)
class Verdict:
    """One sentence about a run. `tone` is good, bad or plain."""

    tone: str
    text: str


def verdicts(run: Run) -> list[Verdict]:
    """Everything that a reader must know of a run, most important first."""
    score = run.stated
    if score is None:
        return [Verdict("bad", "No cell of this split has a scale to score on.")]
    found = [_gap(score)]
    if score.unread[0]:
        found.insert(0, Verdict("bad", f"Not scored on the whole split: {unread_words(score)}."))
    if run.contamination is not None and run.contamination.overlap_rows:
        found.insert(0, Verdict("bad", contaminated(run.contamination)))
    if score.train_lookup is not None and run.engine != "train_lookup":
        found.append(_lookup(run.config, score))
    found.append(_sensitivity(run))
    if run.effects is not None:
        found.append(_effects(run.effects))
    found += _sharpness(run)
    if run.answer_mass and run.answer_mass.flagged:
        mass = number(run.answer_mass.mean, 2)
        text = f"Only {mass} of its probability lies on allowed answers (below 0.90): the rest is not seen by any score here."
        found.append(Verdict("bad", text))
    if run.coverage.parse_rate < 1:
        found.append(Verdict("bad", f"{percent(1 - run.coverage.parse_rate)} of its answers could not be parsed and are not scored."))
    if run.held_out is False:
        found.append(Verdict("bad", "Its training record does not say that this split was held out: it may have seen these answers."))
    if run.sampling_error is not None:
        people = f"At most {run.per_cell} people of a cell were predicted" if run.per_cell else "Only some people were predicted"
        bias = f", and makes it too large by about {number(run.sampling_bias, 4)}" if run.sampling_bias is not None else ""
        found.append(Verdict("plain", f"{people}: that adds a standard error of {number(run.sampling_error, 4)} to W{bias}."))
    return found


def contaminated(found: Contamination) -> str:
    """One sentence on training rows that are scored here, and how that is known."""
    rows = f"{found.overlap_rows:,} scored rows ({percent(found.share)}) in {found.overlap_studies} studies were in its training"
    return f"Contaminated: {rows}, by its {found.source}" + (f": {found.note}." if found.note else ".")


def stamp(found: Contamination | None) -> list[str]:
    """What a figure of a contaminated run must bear; short enough for a phone."""
    if found is None or not found.overlap_rows:
        return []
    return [f"Contaminated: trained on {percent(found.share)} of rows"]


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
    if found.refused == SAME_MEANS:
        return Verdict("bad", f"Does not tell conditions apart: {found.refused}. W alone would not show this.")
    if found.r is None or found.p is None:
        return Verdict("plain", f"Whether it tells conditions apart is not known: {found.refused}.")
    p = "p < 0.001" if found.p < 0.001 else f"p = {number(found.p)}"
    figures = f"r = {number(found.r, 2)}, {p}, {found.n_outcomes} outcomes"
    if found.r > 0 and found.p < 0.05:
        return Verdict("good", f"Tells conditions apart: {figures}.")
    return Verdict("bad", f"Does not tell conditions apart: {figures}. W alone would not show this.")


def _effects(found: Effects) -> Verdict:
    if found.refused in (BLIND, NEARLY_BLIND):
        return Verdict("bad", f"No treatment effects: {found.refused}. W alone would not show this.")
    if found.refused is not None or found.r is None:
        return Verdict("plain", f"No agreement of treatment effects is given: {found.refused or 'it cannot be computed'}.")
    bounds = f" ({interval(found.interval, 2)})" if found.interval else ""
    figures = f"r = {number(found.r, 2)}{bounds} over {found.n_contrasts:,} contrasts"
    if found.n_reliable and found.sign_agreement is not None:
        figures += f", the right sign in {percent(found.sign_agreement)} of the {found.n_reliable:,} reliable ones"
    if found.interval is None:
        return Verdict("plain", f"Treatment effects against people’s: {figures}. Too few studies for an interval.")
    if found.p is not None:
        figures += ", p < 0.001" if found.p < 0.001 else f", p = {number(found.p)}"
    if found.interval[0] > 0 and (found.p is None or found.p < 0.05):
        return Verdict("good", f"Treatment effects go with people’s: {figures}.")
    return Verdict("bad", f"Treatment effects do not go with people’s beyond chance: {figures}. W alone would not show this.")


def _sharpness(run: Run) -> list[Verdict]:
    """Answers that are surer or less sure than people are; the ratio is that of cells, of calibration or of individual accuracy."""
    parts = [part for part in (run.calibration, run.individual) if part is not None and part.entropy_ratio is not None]
    if not parts:
        return []
    ratio = float(parts[0].entropy_ratio or 0)
    if ratio < SHARP:
        return [
            Verdict(
                "bad", f"Surer than people: its answers have {number(ratio, 2)} of their entropy. Individual accuracy gains by that alone."
            )
        ]
    if ratio > FLAT:
        return [Verdict("bad", f"More spread out than people: its answers have {number(ratio, 2)} times their entropy.")]
    return []
