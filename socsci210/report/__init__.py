"""The report: one page that holds everything it shows, and loads nothing from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..errors import DatasetError
from ..results import Results
from .charts import bars, ruler
from .view import page_of
from .words import WORDS, interval, number, percent, signed


def report(results: Sequence[Path], out: Path) -> Path:
    """Write the page for one or several results files of one dataset, whole or not at all, and return its path.

    Args:
        results: files that `score` wrote; their runs appear in this order.
        out: the page.

    Raises:
        DatasetError: no file, one that does not read, or files of different datasets.
    """
    if not results:
        raise DatasetError("no results file given", fix="name at least one results.json")
    found = [Results.read_json(path) for path in results]
    fingerprints = {one.dataset.fingerprint for one in found}
    if len(fingerprints) > 1:
        raise DatasetError(
            f"results of {len(fingerprints)} different datasets",
            where=", ".join(map(str, results)),
            expected="results of one dataset: other scores do not compare",
            fix="write one report for each dataset",
        )
    text = _environment().get_template("report.html.jinja").render(page=page_of(found), words=WORDS)
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(out.name + ".tmp")
    draft.write_text(text, encoding="utf-8")
    draft.replace(out)
    return out


def _environment() -> Environment:
    """Everything is escaped; a name that the template misspells is an error."""
    environment = Environment(
        loader=PackageLoader("socsci210"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(bars=bars, ruler=ruler)
    environment.filters.update(number=number, percent=percent, signed=signed, interval=interval)
    return environment
