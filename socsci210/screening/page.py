"""The page: first how far the model may be believed and what may not be concluded, then hypotheses, effects and distributions."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..replacing import PAGE, replaceable, write_text
from ..report.drawing import figure_style
from ..report.words import NONE, WORDS, interval, number, percent, signed
from .analyse import Screening
from .experiment_file import Experiment
from .figures import comparison_figures, distribution_figures, effect_figures, level_figures, level_words
from .power import MOST

if TYPE_CHECKING:
    from .compare import Comparison


def write_page(screening: Screening, out: Path) -> Path:
    """Write the page of a screening, whole or not at all, and return its path.

    Raises:
        DatasetError: the path is a folder, or a file that is no page.
    """
    experiment, believed = screening.experiment, screening.reliability.refused is None
    return _write(
        "screening.html.jinja",
        out,
        screening=screening,
        model=PurePath(str(screening.about.get("model") or "a model")).name,
        experiment=experiment,
        slope=screening.reliability.overall.of_slope if screening.reliability.overall else None,
        hypotheses=list(zip(screening.hypotheses.to_pylist(), screening.tested, strict=True)),
        effects=screening.effects.to_pylist(),
        levels=screening.amces.to_pylist(),
        of_levels=level_figures(experiment, screening.amces.to_pylist()),
        level_words=partial(level_words, experiment),
        subgroups=sorted((row for row in screening.subgroups.to_pylist() if row["differs"]), key=lambda row: row["p_holm"])[:60],
        predicted=effect_figures(experiment, screening.effects, shrunk=False),
        expected=effect_figures(experiment, screening.effects, shrunk=True) if believed else [],
        distributions=distribution_figures(experiment, screening.answered),
    )


def write_comparison(experiment: Experiment, comparison: Comparison, out: Path) -> Path:
    """Write the page that holds a screening against real data; otherwise as `write_page`."""
    drawn = comparison_figures(experiment, comparison.table)
    rows, levels = comparison.table.to_pylist(), comparison.levels.to_pylist()
    return _write(
        "comparison.html.jinja", out, experiment=experiment, comparison=comparison, rows=rows, drawn=drawn, levels=levels,
        of_levels=level_figures(experiment, levels), level_words=partial(level_words, experiment),
    )  # fmt: skip


def people_needed(n: int | None) -> str:
    """A sample size for reading."""
    return f"over {MOST:,}" if n is None else f"{n:,}"


def probability(value: float | None) -> str:
    """Never 0 or 100 %: no evidence is as good as that."""
    return NONE if value is None else "over 99 %" if value > 0.99 else "under 1 %" if value < 0.01 else percent(value)


def _write(template: str, out: Path, **values: Any) -> Path:
    environment = Environment(
        loader=PackageLoader("socsci210"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        number=number, percent=percent, signed=signed, interval=interval, people=people_needed, probability=probability
    )
    text = environment.get_template(template).render(figure_style=figure_style(), words=WORDS, **values)
    return write_text(replaceable(out, PAGE, "page"), text)
