"""Figures as files."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..replacing import write_whole
from .drawing import Drawing, printable

PNG_SCALE: Final = 2  # pixels of a PNG for one of the SVG
NO_PNG: Final = "SVG only: for PNG files as well, pip install 'socsci210[report]'"


@dataclass(frozen=True)
class Exported:
    """What was written. `note` says why there are no PNG files, and is None where there are."""

    folder: Path
    svg: int
    png: int
    note: str | None


def write_drawings(drawings: Iterable[Drawing], folder: Path) -> Exported:
    """Write every drawing as SVG, and as PNG where vl-convert is installed; each file whole or not at all."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    convert = _converter()
    svg = png = 0
    for drawing in drawings:
        name = _file_name(drawing.name)
        text = drawing.standalone()
        _write(folder / f"{name}.svg", text.encode())
        svg += 1
        if convert is not None:
            _write(folder / f"{name}.png", convert(text))
            png += 1
    return Exported(folder, svg, png, None if convert else NO_PNG)


def _converter() -> Callable[[str], bytes] | None:
    if importlib.util.find_spec("vl_convert") is None:
        return None
    module = importlib.import_module("vl_convert")
    return lambda svg: bytes(module.svg_to_png(svg, scale=PNG_SCALE))


def _file_name(name: str) -> str:
    """Letters, digits, dots and dashes: names come from ids of studies, which come from data."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-.") else "_" for letter in printable(name)).lstrip(".")


def _write(path: Path, content: bytes) -> None:
    write_whole(path, lambda draft: draft.write_bytes(content))
