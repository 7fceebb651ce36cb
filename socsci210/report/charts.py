"""The two charts of the page, as markup that needs no script: a ruler from 0 to chance, and the answers to one question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from .words import number

LEVELS = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # shares that a guide line may mark
MANY = 15  # more answers than this are drawn without gaps and labelled at the ends only


@dataclass(frozen=True)
class Mark:
    """One mark on a ruler. `kind` names its shape and colour in the style sheet."""

    kind: str
    label: str
    value: float
    low: float | None = None
    high: float | None = None


def ruler(marks: Sequence[Mark], end: float, ticks: Sequence[float] = ()) -> Markup:
    """Marks on a line from 0 to `end`; an interval is a bar through its mark. Readers of the page hear the same figures."""
    spoken = "; ".join(f"{mark.label} {number(mark.value)}" for mark in marks)
    scale = Markup().join(Markup('<i class="tick" style="left:{}%"><b>{:g}</b></i>').format(_place(tick, end), tick) for tick in ticks)
    inside = Markup().join(_mark(mark, end) for mark in marks)
    return Markup('<div class="ruler" role="img" aria-label="{}">{}{}</div>').format(f"Distance from people: {spoken}", scale, inside)


def _mark(mark: Mark, end: float) -> Markup:
    at = _place(mark.value, end)
    if mark.kind == "floor":
        return Markup('<i class="noise" style="width:{}%"></i>').format(at)
    said = Markup("<b>{}</b>").format(number(mark.value)) if mark.kind == "model" else ""
    shape = Markup('<i class="mark {}" style="left:{}%" title="{}">{}</i>').format(
        mark.kind, at, f"{mark.label} {number(mark.value)}", said
    )
    if mark.low is None or mark.high is None:
        return shape
    left, right = _place(mark.low, end), _place(mark.high, end)
    return Markup('<i class="span" style="left:{}%;width:{}%"></i>{}').format(left, f"{float(right) - float(left):.2f}", shape)


def _place(value: float, end: float) -> str:
    return f"{100 * min(max(value / end, 0.0), 1.0):.2f}"


def bars(human: Sequence[float], model: Sequence[float], label: str) -> Markup:
    """People as filled bars, the model as a line across each: shape tells them apart, colour only helps."""
    n = len(human)
    top = max(*human, *model) * 1.08
    gap = 0.0 if n > MANY else 0.16
    people = Markup().join(
        Markup('<rect class="people" x="{}" y="{}" width="{}" height="{}"/>').format(
            f"{i + gap / 2:.3f}", f"{100 - 100 * share / top:.2f}", f"{1 - gap:.3f}", f"{100 * share / top:.2f}"
        )
        for i, share in enumerate(human)
    )
    lines = Markup().join(
        Markup('<line class="model" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(
            f"{i + gap / 4:.3f}", f"{i + 1 - gap / 4:.3f}", y=f"{100 - 100 * share / top:.2f}"
        )
        for i, share in enumerate(model)
    )
    level = max(share for share in LEVELS if share <= top)
    at = f"{100 - 100 * level / top:.2f}"
    drawing = '<svg class="bars" viewBox="0 0 {} 100" preserveAspectRatio="none" role="img" aria-label="{}">{}{}</svg>'
    guide = Markup('<span class="guide" style="top:{}%"><b>{:g} %</b></span>').format(at, 100 * level)
    return Markup('<div class="plot">{}{}</div>').format(guide, Markup(drawing).format(n, label, people, lines))
