"""Which figures a report has: results turned into drawings. The page and the exported files hold the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from ..demographics import VOCABULARY
from ..results import CellExample, Contrast, GroupScore, Parity, ParityGroup, Run, Score, StudyScore
from .charts import Axis, Mark, Row, bars, dots, reliability, scatter
from .drawing import Drawing
from .words import GROUP_ORDER, METHODS, WORDS, number, percent

DISTANCE: Final = "distance W from people, 0 is the same distribution"
STUDIES: Final = 60  # more rows than this are no figure any more
CELL_STAMP: Final = "Simulated data"
_TITLES: Final = {"topic": "Distance by topic", "scale_length": "Distance by length of the scale"}


def leaderboard(name: str, where: str, runs: Sequence[tuple[str, Run]], said: Sequence[str]) -> list[Drawing]:
    """Models of one split, nearest first: their distance and the share of the gap they close."""
    scored = [(label, run.stated) for label, run in runs if run.stated]
    if not scored:
        return []
    rows = [Row(label, _marks(score), number(score.W.point)) for label, score in scored]
    found = [
        dots(
            f"{name}-distance",
            f"{where}: distance from people",
            rows,
            _distances(rows),
            notes=["Convention stated, nearest first."],
            said=said,
        )
    ]
    closed = [
        Row(label, (_between("model", score.gap_closed.value, score.gap_closed.interval),), percent(score.gap_closed.value))
        for label, score in scored
        if score.gap_closed.value is not None
    ]
    if closed:
        low = min(0.0, *(_lowest(row) for row in closed))
        axis = Axis(1.05 * low, 1.0, "share of the gap from chance (0) to the noise floor (1)")
        found.append(dots(f"{name}-gap", f"{where}: share of the gap closed", closed, axis, notes=["Convention stated."], said=said))
    return found


def _between(kind: str, value: float, bounds: Sequence[float] | None) -> Mark:
    low, high = bounds or (None, None)
    return Mark(kind, value, low, high)


def _lowest(row: Row) -> float:
    return min(value for mark in row.marks for value in (mark.value, mark.low) if value is not None)


def _marks(score: Score) -> tuple[Mark, ...]:
    """A run between its reference points; the model on top."""
    found = [Mark("floor", score.noise_floor), Mark("chance", score.chance)]
    found += _known([("oracle", score.pooled_oracle), ("constant", score.best_constant), ("lookup", score.train_lookup)])
    return (*found, _between("model", score.W.point, score.W.interval))


def _known(marks: Iterable[tuple[str, float | None]]) -> list[Mark]:
    return [Mark(kind, value) for kind, value in marks if value is not None]


def _distances(rows: Sequence[Row]) -> Axis:
    most = max(value for row in rows for mark in row.marks for value in (mark.value, mark.high or 0.0))
    return Axis(0.0, 1.05 * most or 1.0, DISTANCE)


def by_study(name: str, score: Score, titles: dict[str, str], said: Sequence[str]) -> Drawing:
    """Studies between their own noise floor and chance, farthest first; of very many the farthest alone, which is said."""
    rows = [Row(titles.get(one.study_id, one.study_id), _study_marks(one), number(one.W)) for one in farthest(score)[:STUDIES]]
    n = len(score.per_study)
    note = "Farthest first." if n <= STUDIES else f"The {STUDIES} farthest of {n} studies, farthest first; all are in the table."
    return dots(f"{name}-studies", "Distance by study", rows, _distances(rows), notes=[note], said=said)


def farthest(score: Score) -> list[StudyScore]:
    """Studies by distance, the largest first."""
    return sorted(score.per_study, key=lambda study: -study.W)


def _study_marks(study: StudyScore) -> tuple[Mark, ...]:
    found = [Mark("floor", study.noise_floor), Mark("chance", study.chance)]
    return (*found, *_known([("lookup", study.train_lookup)]), Mark("model", study.W))


def group_rows(groups: Iterable[GroupScore], kind: str) -> list[GroupScore]:
    """Topics by distance, scale lengths in their own order."""
    some = [one for one in groups if one.kind == kind]
    return sorted(some, key=lambda one: -one.W) if kind == "topic" else some


def group_name(one: GroupScore) -> str:
    """A topic as it is, a length of scale in answers."""
    return f"{one.name} answers" if one.kind == "scale_length" and one.name[0].isdigit() else one.name


def by_group(name: str, kind: Literal["topic", "scale_length"], groups: Sequence[GroupScore], said: Sequence[str]) -> Drawing:
    """Every topic, or every length of scale, between noise floor and chance."""
    rows = [
        Row(group_name(one), (Mark("floor", one.noise_floor), Mark("chance", one.chance), Mark("model", one.W)), number(one.W))
        for one in groups
    ]
    return dots(f"{name}-{kind.replace('_', '-')}", _TITLES[kind], rows, _distances(rows), said=said)


def parity(name: str, run: Run, said: Sequence[str]) -> list[Drawing]:
    """Gaps between groups beyond what shuffled labels give: in answers, model beside people, and in accuracy."""
    answers = [
        Row(WORDS.get(one.attribute, one.attribute), tuple(_known([("people", one.human_gap_net), ("model", one.response_gap_net)])))
        for one in run.parity
        if one.response_gap_net is not None
    ]
    accuracy = [Row(WORDS.get(one.attribute, one.attribute), (Mark("model", one.accuracy_gap_net),)) for one in run.parity]
    note = ["Largest difference between groups, less the mean under shuffled labels."]
    found = []
    for part, title, rows in (
        ("answers", "Gap in answers between groups", answers),
        ("accuracy", "Gap in accuracy between groups", accuracy),
    ):
        if rows:
            values = [mark.value for row in rows for mark in row.marks]
            edge = 0.05 * max(map(abs, values)) or 0.01
            axis = Axis(min(0.0, *values) - edge, max(0.0, *values) + edge, "gap beyond shuffled labels, 0 is none")
            found.append(dots(f"{name}-parity-{part}", title, rows, axis, notes=note, said=said))
    return found


def ordered_groups(one: Parity) -> list[ParityGroup]:
    """The groups of an attribute from low to high or as the vocabulary lists them; others last, by name."""
    order = GROUP_ORDER.get(one.attribute) or VOCABULARY.get(one.attribute) or ()
    places = {name: place for place, name in enumerate(order)}
    return sorted(one.groups, key=lambda group: (places.get(group.name, len(places)), group.name))


def parity_groups(name: str, run: Run, said: Sequence[str]) -> list[Drawing]:
    """The groups behind the gaps, one figure for each attribute, all on one axis: mean answers of people and model, and accuracy."""
    rows = {
        one.attribute: [
            Row(group.name, tuple(_known([("people", group.response), ("model", group.predicted)])), number(group.accuracy))
            for group in ordered_groups(one)
            if group.response is not None and group.predicted is not None
        ]
        for one in run.parity
    }
    values = [mark.value for some in rows.values() for row in some for mark in row.marks]
    if not values:
        return []
    edge = 0.05 * (max(values) - min(values)) or 0.01
    axis = Axis(max(0.0, min(values) - edge), min(1.0, max(values) + edge), "mean answer as a place on the scale, 0 to 1")
    notes = ["At the right: accuracy of the median answer."]
    return [
        dots(
            f"{name}-groups-{attribute.replace('_', '-')}",
            f"{WORDS.get(attribute, attribute)}: answers by group",
            some,
            axis,
            notes=notes,
            said=said,
        )
        for attribute, some in rows.items()
        if some
    ]


def contrast_rows(contrasts: Iterable[Contrast]) -> list[Contrast]:
    """Reliable ones first, then by the size of people's effect."""
    return sorted(contrasts, key=lambda one: (not one.reliable, -abs(one.human)))


def effects(name: str, run: Run, said: Sequence[str]) -> list[Drawing]:
    """Effects of the model against people's."""
    if run.effects is None or not run.effects.contrasts:
        return []
    notes = [f"Model effects: {METHODS[run.effects.method]}."]
    return [scatter(f"{name}-effects", "Treatment effects, model against people", run.effects.contrasts, notes=notes, said=said)]


def calibration(name: str, run: Run, said: Sequence[str]) -> list[Drawing]:
    """The reliability curve."""
    if run.calibration is None or not run.calibration.bins:
        return []
    notes = [f"{run.calibration.n_rows:,} rows. On the dashed line, answers come as often as their probability says."]
    return [reliability(f"{name}-calibration", "Calibration", run.calibration.bins, notes=notes, said=said)]


def cell(name: str, one: CellExample, said: Sequence[str]) -> Drawing:
    """Answers of people and model in one cell."""
    labels = dict(zip(one.support, one.labels, strict=False))
    figures = f"{one.rule} · W {number(one.W)} · chance {number(one.chance)} · noise floor {number(one.noise_floor)}"
    where = f"{one.condition} · {one.study_id} · n = {one.n}"
    marks = [CELL_STAMP] if one.simulated else []
    place = f"{one.study_id}-c{one.condition_num}-t{one.task_num}-{one.support[0]}-{one.support[-1]}"
    return bars(
        f"{name}-cell-{place}", one.question, one.human, one.model, one.support, labels, notes=[figures, where], said=[*marks, *said]
    )
