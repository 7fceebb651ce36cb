"""The report: one page that holds everything it shows, and loads nothing from anywhere; and its figures as files."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..errors import DatasetError
from ..replacing import PAGE, replaceable, write_text
from ..results import Results
from .drawing import SHAPES, figure_style
from .export import Exported, write_drawings
from .panels import group_name, ordered_groups
from .tables import embedded
from .view import page_of
from .words import METHODS, REFERENCE, SCALE_SOURCES, WORDS, interval, number, percent, signed

__all__ = ["Exported", "figures", "report"]


def report(results: Sequence[Path], out: Path) -> Path:
    """Write the page for one or several results files of one dataset, whole or not at all, and return its path.

    Args:
        results: files that `score` wrote; runs of one split stand together, the nearest to people first.
        out: the page.

    Raises:
        DatasetError: no file, one given twice, one that does not read, or files of different datasets; or the page would replace a folder
            or a file that is no page.
    """
    out = _writable(Path(out), results)
    page = page_of(_read(results))
    environment = _environment()
    script = environment.get_template("report.js.jinja").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = environment.get_template("report.html.jinja").render(
        page=page, tables=embedded(page), script=script, digest=digest, figure_style=figure_style()
    )
    return write_text(out, text)


def figures(results: Sequence[Path], folder: Path) -> Exported:
    """Write every figure of the page as SVG, and as PNG where vl-convert is installed, and say what was written.

    Args:
        results: files that `score` wrote.
        folder: made where it is missing; files of the same names are replaced.

    Raises:
        DatasetError: no file, one given twice, one that does not read, or files of different datasets; or the folder is a file.
    """
    if Path(folder).is_file():
        raise DatasetError("a file, where a folder is wanted", where=str(folder), fix="name a folder with --figures")
    return write_drawings(page_of(_read(results)).drawings, folder)


def _writable(out: Path, results: Sequence[Path]) -> Path:
    if any(out.resolve() == Path(path).resolve() for path in results):
        raise DatasetError("the page would replace the results", where=str(out), fix="name another file with --out")
    return replaceable(out, PAGE, "page")


def _read(results: Sequence[Path]) -> list[Results]:
    if not results:
        raise DatasetError("no results file given", fix="name at least one results.json")
    if len({Path(path).resolve() for path in results}) < len(results):
        raise DatasetError("a results file is given twice", where=", ".join(map(str, results)), fix="name each file once")
    found = [Results.read_json(path) for path in results]
    fingerprints = {one.dataset.fingerprint for one in found}
    if len(fingerprints) > 1:
        raise DatasetError(
            f"results of {len(fingerprints)} different datasets",
            where=", ".join(map(str, results)),
            expected="results of one dataset: other scores do not compare",
            fix="write one report for each dataset",
        )
    return found


def _environment() -> Environment:
    """Everything is escaped; a name that the template misspells is an error."""
    environment = Environment(
        loader=PackageLoader("socsci210"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(words=WORDS, methods=METHODS, reference=REFERENCE, shapes=SHAPES, scale_sources=SCALE_SOURCES)
    environment.filters.update(
        number=number, percent=percent, signed=signed, interval=interval, group_name=group_name, ordered_groups=ordered_groups
    )
    return environment
