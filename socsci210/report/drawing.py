"""One way of drawing: SVG whose places across are shares of the width and whose heights and letters are pixels.

So one drawing fits a phone, a wide screen and a file of its own without letters that shrink. Colours are classes of the style sheet
`figures.css.jinja`, which the page holds once and which travels inside every figure that is saved.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

WIDTH: Final = 720  # of a figure in a file of its own
EDGE: Final = 24
LINE: Final = 16
TITLE_LETTERS: Final = 82  # that fit one line of such a figure
NOTE_LETTERS: Final = 108
SHAPES: Final = {
    "model": "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z",
    "people": "M-5-5h10v10h-10z",
    "lookup": "M0-7 6.5 5-6.5 5z",
    "oracle": "M0-7 7 0 0 7-7 0z",
    "constant": "M-1.5-6h3v4.5h4.5v3h-4.5v4.5h-3v-4.5h-4.5v-3h4.5z",
    "chance": "M-1.5-9h3v18h-3z",
}
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Drawing:
    """A figure: what stands above it and what is drawn.

    Attributes:
        name: its file name, without an ending.
        title: one line.
        notes: short sentences or facts below the title.
        spoken: what a screen reader says of the picture.
        height: of the picture, in pixels.
        body: the picture, without its `svg` element; drawn by the functions of this module alone, so every text in it is escaped.
        context: what the page says around the figure and a file of its own must say itself.
    """

    name: str
    title: str
    notes: tuple[str, ...]
    spoken: str
    height: int
    body: Markup
    context: str = ""

    def inline(self) -> Markup:
        """The picture for a page that holds the style sheet and says title and notes itself."""
        return Markup('<svg class="fig" width="100%" height="{}" role="img" aria-label="{}">{}</svg>').format(
            self.height, printable(self.spoken), self.body
        )

    def standalone(self) -> str:
        """The figure as a file: title, notes, picture and style, on white."""
        above = [("b", part) for part in textwrap.wrap(printable(self.title), TITLE_LETTERS)]
        above += [("soft", part) for note in (*self.notes, self.context) for part in textwrap.wrap(printable(note), NOTE_LETTERS)]
        head = joined(text(line, EDGE, EDGE + LINE * (i + 1) - 4, kind) for i, (kind, line) in enumerate(above))
        top = EDGE + LINE * len(above) + 8
        page = (
            '<svg xmlns="http://www.w3.org/2000/svg" class="fig" width="{}" height="{}" role="img" aria-label="{}">'
            '<style>{}</style><rect class="paper" width="100%" height="100%"/>{}<svg x="{}" y="{}" width="{}" height="{}">{}</svg></svg>\n'
        )
        style = Markup(figure_style())  # our own file: no mark-up in it
        inner = (EDGE, top, WIDTH - 2 * EDGE, self.height, self.body)
        return str(Markup(page).format(WIDTH, top + self.height + EDGE, printable(self.spoken), style, head, *inner))


@cache
def figure_style() -> str:
    """The style sheet of figures, light: no variables, so that any reader of SVG understands it."""
    loader = PackageLoader("socsci210")
    found, *_ = loader.get_source(Environment(autoescape=True), "figures.css.jinja")
    return found


def printable(words: str) -> str:
    """Without the control characters that no XML file may hold."""
    return _UNPRINTABLE.sub("", words)


def shorten(words: str, most: int) -> str:
    """At most so many letters, the last one an ellipsis where some are left out."""
    words = " ".join(printable(words).split())
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def joined(parts: Iterable[Markup]) -> Markup:
    """Pieces of a picture, one after the other."""
    return Markup().join(parts)


def group(kind: str, parts: Iterable[Markup]) -> Markup:
    """Pieces that share a class."""
    return Markup('<g class="{}">{}</g>').format(kind, joined(parts))


def share(value: float) -> str:
    """0.3425 as 34.25%: a place across or a width."""
    return f"{100 * value:.4g}%"


def text(words: str, x: float | str, y: float, kind: str = "") -> Markup:
    """A line of text; `x` in pixels or as a share."""
    return Markup('<text x="{}" y="{:g}"{}>{}</text>').format(x, y, _class(kind), printable(words))


def line(x1: str, y1: float, x2: str, y2: float, kind: str) -> Markup:
    """A straight line between two places."""
    return Markup('<line x1="{}" x2="{}" y1="{:.4g}" y2="{:.4g}" class="{}"/>').format(x1, x2, y1, y2, kind)


def rect(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    """A box; `x` and `width` as shares."""
    return Markup('<rect x="{}" y="{:g}" width="{}" height="{:g}" class="{}"/>').format(share(x), y, share(max(width, 0.0)), height, kind)


def symbol(kind: str, x: float, y: float) -> Markup:
    """The shape of a kind of mark, centred; shapes differ, so colour only helps."""
    return Markup('<svg x="{}" y="{:g}"><path class="{}" d="{}"/></svg>').format(share(x), y, kind, SHAPES[kind])


def frame(x: float, y: float, width: float, height: float, inside: Markup) -> Markup:
    """A part of the picture with shares of its own; `x` and `width` are shares of what is around."""
    return Markup('<svg x="{}" y="{:g}" width="{}" height="{:g}">{}</svg>').format(share(x), y, share(width), height, inside)


def stamps(lines: Sequence[str], y: float) -> Markup:
    """What must be said on the figure itself, wherever it is shown: one line each."""
    return joined(text(words, 0, y + LINE * i, "stamp") for i, words in enumerate(lines))


def _class(kind: str) -> Markup:
    return Markup(' class="{}"').format(kind) if kind else escape("")
