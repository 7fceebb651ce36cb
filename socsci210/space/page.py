"""What the page shows: the notice, the model, results and refusals, as HTML in which everything a visitor wrote is escaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, Final

import jinja2
import numpy as np
from markupsafe import Markup, escape

from ..errors import SocSciError
from .answers import Effect, Predicted, table
from .asking import MAX_PEOPLE, MAX_TEXTS
from .screen import MAX_PAIRS, MAX_QUESTIONS, MAX_SECONDS

MOST_BARS: Final = 21  # answers that get a bar each; longer scales are shown in bands
BANDS: Final = 11
LITTLE_MASS: Final = 0.9  # a model that puts less than this on the scale has not understood how to answer


@dataclass(frozen=True)
class Bar:
    """One answer, or one band of answers: its name, its share, and the change of it from the first text (None for that text)."""

    name: str
    share: float
    change: float | None


@cache
def _templates() -> jinja2.Environment:
    # Braces are written as entities too: the component that shows this fills templates of its own.
    def safe(value: Any) -> Any:
        if isinstance(value, Markup):
            return value
        return Markup(str(escape(value)).translate({ord("{"): "&#123;", ord("}"): "&#125;", ord("$"): "&#36;", ord("`"): "&#96;"}))

    loader = jinja2.FunctionLoader(lambda name: (files("socsci210") / "templates" / name).read_text(encoding="utf-8"))
    found = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, finalize=safe, loader=loader, trim_blocks=True)
    found.filters.update(number=number, signed=signed, percent=percent, points=points)
    return found


def number(value: float) -> str:
    """Two decimals."""
    return f"{value:.2f}".replace("-", "−")


def signed(value: float) -> str:
    """Two decimals and a sign; no sign where both are 0."""
    return number(0.0) if abs(value) < 0.005 else f"{value:+.2f}".replace("-", "−")


def percent(value: float) -> str:
    """A share as a percentage."""
    return f"{100 * value:.1f} %"


def points(value: float) -> str:
    """A change of a share, in percentage points."""
    return "0.0" if abs(value) < 0.0005 else f"{100 * value:+.1f}".replace("-", "−")


def styles() -> str:
    """The style sheet of everything here."""
    return (files("socsci210") / "templates" / "space.css.jinja").read_text(encoding="utf-8")


def notice() -> str:
    """What stands above the form: simulated answers are not people."""
    return _part("notice")


def about(model: str, record: Mapping[str, Any]) -> str:
    """What the model is, what the page can do, and what may not be concluded.

    Args:
        model: its name.
        record: its run record; empty for a model that was not trained here.
    """
    return _part(
        "about", model=model, record=record, max_people=MAX_PEOPLE, max_texts=MAX_TEXTS, max_pairs=MAX_PAIRS, max_questions=MAX_QUESTIONS,
        max_seconds=MAX_SECONDS,
    )  # fmt: skip


def refusal(error: SocSciError) -> str:
    """Why something cannot be asked, and what to do."""
    return _part("refusal", error=error)


def results(predicted: Predicted, model: str) -> str:
    """Distributions, differences between texts, what the model read, and all numbers to download."""
    texts = [
        {
            "name": condition.name,
            "bars": bars(predicted, k),
            "mean": predicted.means[k],
            "deviation": predicted.deviations[k],
            "mass": predicted.on_scale[k],
        }
        for k, condition in enumerate(predicted.asked.conditions)
    ]
    effects: list[tuple[str, Effect]] = [
        (condition.name, predicted.effect(k)) for k, condition in enumerate(predicted.asked.conditions) if k
    ]
    data = base64.b64encode(table(predicted, f"model {model}").encode()).decode()
    return _part(
        "results", model=model, texts=texts, effects=effects, people=len(predicted.asked.people), stimuli=predicted.asked.stimuli,
        low=predicted.values[0], high=predicted.values[-1], longest=max(bar.share for text in texts for bar in text["bars"]),
        little=LITTLE_MASS, banded=len(predicted.values) > MOST_BARS, data=Markup(data),
    )  # fmt: skip


def screening(document: str) -> str:
    """The page of a screening, in a frame of its own in which no script runs, and to download.

    Args:
        document: the page, whole.
    """
    return _part("screening", document=document, data=Markup(base64.b64encode(document.encode()).decode()))


def bars(predicted: Predicted, text: int) -> list[Bar]:
    """The distribution after one text: a bar for each answer, or for each band of a long scale."""
    values, labels = predicted.values, predicted.asked.scale.labels
    edges = np.arange(len(values) + 1)
    if len(values) > MOST_BARS:
        edges = np.append(np.arange(0, len(values), -(-len(values) // BANDS)), len(values))
    shares, first = (np.add.reduceat(predicted.distributions[k], edges[:-1]) for k in (text, 0))
    names = [
        f"{values[start]} {labels[values[start]]}" if end == start + 1 and values[start] in labels
        else str(values[start]) if end == start + 1
        else f"{values[start]} to {values[end - 1]}"
        for start, end in pairwise(edges.tolist())
    ]  # fmt: skip
    changes = (shares - first).tolist() if text else [None] * len(names)
    return [Bar(*one) for one in zip(names, shares.tolist(), changes, strict=True)]


def _part(name: str, **values: Any) -> str:
    """One block of the template, filled."""
    macro = getattr(_templates().get_template("space.html.jinja").module, name)
    return str(macro(**values)).strip()
