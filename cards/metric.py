"""The card of the metric in its repository: its own page, with examples that name the repository, and what a published page must have."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from ..errors import HubError
from .markdown import template
from .merging import mark, split_card

_LOCAL: Final = 'evaluate.load("metrics/socsci210", "distributional_alignment")  # or socsci210.metrics.path() from any directory'
_BEFORE: Final = {"metric_uses.md.jinja": "## Limits\n", "metric_reproduce.md.jinja": "## Citation\n"}


def metric_card(text: str, repository: str) -> str:
    """README.md of the metric's repository, which is a space: `evaluate.load` reads metrics from there.

    Args:
        text: README.md of the metric's folder.
        repository: where it is published.

    Raises:
        HubError: the text is not the metric's.
    """
    from huggingface_hub import SpaceCardData

    data, page = split_card(text)
    for part in (_LOCAL, *_BEFORE.values()):
        if page.count(part) != 1:
            raise HubError(
                f"{part.strip()!r} stands in it {page.count(part)} times", where="README.md of the metric", expected="once",
                fix="take the folder metrics/socsci210 of this project",
            )  # fmt: skip
    page = page.replace(_LOCAL, f'evaluate.load("{repository}", "distributional_alignment")')
    for name, heading in _BEFORE.items():
        more = template(name).render(repository=repository, version=version("socsci210"))
        page = page.replace(heading, f"{more}\n{heading}")
    header = SpaceCardData(
        title=data.pop("title", repository), sdk="static", license="mit", tags=data.pop("tags", ["evaluate", "metric"]), **data
    )
    return mark(f"---\n{header.to_yaml()}\n---\n\n{page}")
