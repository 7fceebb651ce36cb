"""The charts of the page: marks on lines, answers to one question, effects against effects, and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import ceil, floor
from typing import Final

from markupsafe import Markup

from ..results import CalibrationBin, Contrast
from .drawing import LINE, SHAPES, Drawing, frame, group, joined, line, printable, rect, share, shorten, stamps, symbol, text
from .words import number

LEVELS: Final = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # shares that a guide line may mark
STEPS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)
MANY: Final = 15  # more answers than this are drawn without gaps and labelled at the ends only
SPOKEN: Final = 6  # more rows than this are counted, not read out: a table below says them
NAMED: Final = 400  # more points than this carry no name of their own
UNIT: Final = 25  # across, of one answer
PLOT: Final = 112  # pixels of height of the answers to one question
SQUARE: Final = 320
LETTERS: Final = 34  # of a row's name that fit a phone
ANSWER_LETTERS: Final = 20
SE95: Final = 1.959964
LEGEND: Final = {
    "model": "model",
    "people": "people",
    "lookup": "train_lookup",
    "oracle": "pooled_oracle",
    "constant": "best constant",
    "chance": "chance",
    "floor": "noise floor",
}


@dataclass(frozen=True)
class Mark:
    """One mark of a row. `kind` names its shape and colour; an interval is a bar through it."""

    kind: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """A named line of marks, the last one on top; `said` stands at its right end."""

    label: str
    marks: tuple[Mark, ...]
    said: str = ""

    @property
    def spoken(self) -> str:
        return f"{self.label}: " + ", ".join(f"{LEGEND[mark.kind]} {number(mark.value)}" for mark in self.marks)


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high`, drawn from left to right."""

    low: float
    high: float
    words: str

    def at(self, value: float) -> float:
        """The share of the width where a value stands; beyond an end, that end."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    @property
    def ticks(self) -> list[float]:
        """Round values, six or so."""
        span = self.high - self.low
        step = next((step for step in STEPS if span / step <= 6), STEPS[-1])
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return [round(i * step, 3) for i in range(first, last + 1)]


def dots(name: str, title: str, rows: Sequence[Row], axis: Axis, *, notes: Sequence[str] = (), said: Sequence[str] = ()) -> Drawing:
    """Rows of marks over one axis, with a legend of the marks that occur; `said` is stamped on the figure."""
    kinds = [kind for kind in LEGEND if any(mark.kind == kind for row in rows for mark in row.marks)]
    legend = joined(_legend(kind, i) for i, kind in enumerate(kinds))
    top = 20 * -(-len(kinds) // 2) + 6
    height = 42
    bottom = top + height * len(rows) + 4
    ticks = axis.ticks
    grid = joined(line(share(axis.at(tick)), 0, share(axis.at(tick)), bottom - top, "grid") for tick in ticks)
    if axis.low < 0:
        grid += line(share(axis.at(0)), 0, share(axis.at(0)), bottom - top, "axis")
    body = legend + frame(0.02, top, 0.96, bottom - top, grid + joined(_row(row, axis, height * i) for i, row in enumerate(rows)))
    body += joined(text(row.said, "100%", top + height * i + 13, "value") for i, row in enumerate(rows) if row.said)
    body += joined(text(shorten(row.label, LETTERS), 0, top + height * i + 13, "label") for i, row in enumerate(rows))
    body += frame(0.02, bottom, 0.96, 16, joined(text(_short(tick), share(axis.at(tick)), 12, "small m") for tick in ticks))
    body += text(axis.words, "50%", bottom + 30, "small m")
    spoken = "; ".join(row.spoken for row in rows) if len(rows) <= SPOKEN else f"{len(rows)} rows, given in the table beside it"
    body += stamps(said, bottom + 30 + LINE)
    return Drawing(name, title, tuple(notes), f"{title}. {spoken}", bottom + 36 + LINE * len(said), body)


def _legend(kind: str, place: int) -> Markup:
    x, y = 0.5 * (place % 2), 20 * (place // 2) + 9
    if kind == "floor":
        shape = Markup('<rect y="-6" width="16" height="12" class="floor"/>')
    else:
        shape = Markup('<svg x="8"><path class="{}" d="{}"/></svg>').format(kind, SHAPES[kind])
    return Markup('<svg x="{}" y="{:g}">{}{}</svg>').format(share(x), y, shape, text(LEGEND[kind], 24, 4, "small"))


def _row(row: Row, axis: Axis, y: float) -> Markup:
    """One row of marks; its words stand above, so that names and marks share the width of a phone."""
    middle = y + 28
    floor = next((mark.value for mark in row.marks if mark.kind == "floor"), None)
    drawn = Markup("") if floor is None else rect(axis.at(0), middle - 7, axis.at(floor) - axis.at(0), 14, "floor")
    drawn += line("0%", middle, "100%", middle, "grid")
    for mark in row.marks:
        if mark.low is not None and mark.high is not None:
            drawn += rect(axis.at(mark.low), middle - 3, axis.at(mark.high) - axis.at(mark.low), 6, "span")
    drawn += joined(symbol(mark.kind, axis.at(mark.value), middle) for mark in row.marks if mark.kind != "floor")
    return Markup("<g><title>{}</title>{}</g>").format(printable(row.spoken), drawn)


def _short(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def bars(
    name: str,
    title: str,
    human: Sequence[float],
    model: Sequence[float],
    support: Sequence[int],
    labels: Mapping[int, str],
    *,
    notes: Sequence[str] = (),
    said: Sequence[str] = (),
) -> Drawing:
    """Shares of each answer: people as filled bars, the model as a line across each."""
    n = len(human)
    top = max(*human, *model) * 1.08
    level = max((level for level in LEVELS if level <= top), default=top)
    at = round(PLOT - PLOT * level / top, 1)
    heights = [PLOT * part / top for part in human]
    people = _outline(heights) if n > MANY else "".join(_bar(i, 2, height) for i, height in enumerate(heights) if height > 0)
    over = "".join(_dash(i, 0 if n > MANY else 1, PLOT * part / top) for i, part in enumerate(model))
    plot = Markup(
        '<svg class="bars" width="100%" height="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">'
        '<path class="people" d="{}"/><path class="model" d="{}"/></svg>'
    ).format(PLOT, UNIT * n, PLOT, people, over)
    edge = -(-n // 6)  # answers that the words of the guide line may cover: they stand at the end where less is drawn
    left, right = max(*human[:edge], *model[:edge]), max(*human[-edge:], *model[-edge:])
    place, kind = (0, "small") if left <= right else ("100%", "small e")
    body = line("0", at, "100%", at, "grid") + text(f"{100 * level:g} %", place, at - 3, kind) + plot
    body += line("0", PLOT, "100%", PLOT, "axis")
    if n <= 11:
        body += group("small m", (text(_short(value), share((i + 0.5) / n), PLOT + 14) for i, value in enumerate(support)))
    else:
        body += text(_short(support[0]), 0, PLOT + 14, "small") + text(_short(support[-1]), "100%", PLOT + 14, "small e")
    ends = [shorten(labels.get(support[end], ""), ANSWER_LETTERS) for end in (0, -1)]
    height = PLOT + 18
    if any(ends):
        body += text(ends[0], 0, PLOT + 29, "small") + text(ends[1], "100%", PLOT + 29, "small e")
        height += 15
    return Drawing(
        name, title, tuple(notes), "Shares of each answer, people and model", height + LINE * len(said), body + stamps(said, height + 12)
    )


def _bar(place: int, gap: int, height: float) -> str:
    """A filled bar in the place of an answer; places are `UNIT` wide, so that no number needs a fraction across."""
    return f"M{UNIT * place + gap} {PLOT}v{_px(-height)}h{UNIT - 2 * gap}V{PLOT}"


def _outline(heights: Sequence[float]) -> str:
    """Bars without gaps between them as one outline: half the letters of single bars."""
    steps = "".join(f"V{_px(PLOT - height)}h{UNIT * len(list(same))}" for height, same in groupby(heights))
    return f"M0 {PLOT}{steps}V{PLOT}"


def _px(value: float) -> str:
    """A tenth of a pixel at most."""
    return f"{round(value, 1):g}"


def _dash(place: int, gap: int, height: float) -> str:
    """A line of three pixels across the place of an answer."""
    wide = UNIT - 2 * gap
    return f"M{UNIT * place + gap} {_px(PLOT - 1.5 - height)}h{wide}v3h-{wide}"


def scatter(name: str, title: str, contrasts: Sequence[Contrast], *, notes: Sequence[str] = (), said: Sequence[str] = ()) -> Drawing:
    """Effects of the model (up) against those of people (across), reliable ones filled and with the interval of people's effect."""
    most = max([abs(value) for one in contrasts for value in (one.human, one.model)], default=0.0) * 1.1 or 1.0
    axis = Axis(-most, most, "effect among people")
    reliable = [one for one in contrasts if one.reliable]
    grid = line("0%", SQUARE, "100%", 0, "even")
    for tick in axis.ticks:
        kind = "axis" if tick == 0 else "grid"
        grid += line(share(axis.at(tick)), 0, share(axis.at(tick)), SQUARE, kind)
        grid += line("0%", _up(axis, tick), "100%", _up(axis, tick), kind)
    spans = joined(
        rect(axis.at(low), _up(axis, one.model) - 1, axis.at(high) - axis.at(low), 2, "span")
        for one in reliable
        for low, high in [(one.human - SE95 * one.human_se, one.human + SE95 * one.human_se)]
    )
    points = joined(_point(one, axis, named=len(contrasts) <= NAMED) for one in sorted(contrasts, key=lambda one: one.reliable))
    body = frame(0.11, 0, 0.87, SQUARE, grid + spans + points)
    body += joined(text(_short(tick), "10%", _up(axis, tick) + 4, "small e") for tick in axis.ticks)
    body += frame(0.11, SQUARE, 0.87, 16, joined(text(_short(tick), share(axis.at(tick)), 14, "small m") for tick in axis.ticks))
    body += text("across: effect among people · up: effect in the model", "50%", SQUARE + 32, "small m")
    body += Markup('<circle cx="6" cy="{}" r="4.5" class="reliable"/>').format(SQUARE + 50)
    body += text("reliable: people’s 95 % interval, drawn, excludes 0", 18, SQUARE + 54, "small")
    body += Markup('<circle cx="6" cy="{}" r="3.5" class="faint"/>').format(SQUARE + 68)
    body += text("not reliable · dashes: model equals people", 18, SQUARE + 72, "small")
    spoken = f"{title}. {len(contrasts)} contrasts, {len(reliable)} of them reliable; the table below gives the largest"
    return Drawing(name, title, tuple(notes), spoken, SQUARE + 80 + LINE * len(said), body + stamps(said, SQUARE + 90))


def _up(axis: Axis, value: float) -> float:
    return SQUARE * (1 - axis.at(value))


def _point(one: Contrast, axis: Axis, *, named: bool) -> Markup:
    kind, radius = ("reliable", 4.5) if one.reliable else ("faint", 3.5)
    circle = '<circle cx="{}" cy="{:.1f}" r="{}" class="{}"'
    drawn = Markup(circle).format(share(axis.at(one.human)), _up(axis, one.model), radius, kind)
    if not named:
        return drawn + Markup("/>")
    words = f"{one.study_id}, {one.label}: people {number(one.human)}, model {number(one.model)}"
    return drawn + Markup("><title>{}</title></circle>").format(printable(words))


def reliability(name: str, title: str, bins: Sequence[CalibrationBin], *, notes: Sequence[str] = (), said: Sequence[str] = ()) -> Drawing:
    """How often answers came (up) against the probability they were given (across), larger where more answers are counted."""
    axis = Axis(0.0, 1.0, "")
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    filled = [one for one in bins if one.n]
    most = max([one.n for one in filled], default=1)
    grid = joined(line("0%", _up(axis, tick), "100%", _up(axis, tick), "grid") for tick in ticks)
    grid += joined(line(share(tick), 0, share(tick), SQUARE, "grid") for tick in ticks) + line("0%", SQUARE, "100%", 0, "even")
    grid += joined(
        line(share(one.predicted), _up(axis, one.observed), share(after.predicted), _up(axis, after.observed), "join")
        for one, after in pairwise(filled)
    )
    points = joined(
        Markup('<circle cx="{}" cy="{:.1f}" r="{:.1f}" class="reliable"><title>{}</title></circle>').format(
            share(one.predicted),
            _up(axis, one.observed),
            3 + 5 * (one.n / most) ** 0.5,
            f"given {number(one.predicted)}, came {number(one.observed)}, n = {one.n:,}",
        )
        for one in filled
    )
    body = frame(0.11, 0, 0.87, SQUARE, grid + points)
    body += joined(text(_short(tick), "9.5%", _up(axis, tick) + 4, "small e") for tick in ticks)
    body += frame(0.11, SQUARE, 0.87, 16, joined(text(_short(tick), share(tick), 14, "small m") for tick in ticks))
    body += text("across: probability given · up: share of times it came", "50%", SQUARE + 32, "small m")
    spoken = f"{title}. " + "; ".join(f"given {number(one.predicted, 2)}, came {number(one.observed, 2)}" for one in filled)
    return Drawing(name, title, tuple(notes), spoken, SQUARE + 42 + LINE * len(said), body + stamps(said, SQUARE + 52))
