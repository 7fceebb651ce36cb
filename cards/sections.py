"""What a card must have before it is published, and how it is merged with what people wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from ..errors import HubError
from .markdown import MARK, Section, sections
from .merging import mark, merge, merge_notes, split_card

__all__ = ["REQUIRED", "Kind", "check_card", "mark", "merge", "merge_notes"]

Kind = Literal["dataset", "model", "metric", "space"]

REQUIRED: Final[Mapping[Kind, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "dataset": (
        ("pretty_name", "license", "language", "task_categories", "size_categories", "configs"),
        (
            "Loading", "Configs", "Intended use", "Out-of-scope use", "People", "Personal and sensitive information", "Known defects",
            "Licence and provenance", "How to reproduce", "Citation",
        ),
    ),
    "model": (
        ("license", "language", "library_name", "pipeline_tag", "tags"),
        (
            "Use", "Intended use", "Out-of-scope use", "Training", "Evaluation", "People", "Known defects", "Licence and provenance",
            "How to reproduce", "Citation",
        ),
    ),
    "metric": (
        ("title", "license", "sdk", "tags"),
        ("How to use", "What the scores mean", "Intended use", "Out-of-scope use", "Limits", "How to reproduce", "Citation"),
    ),
    "space": (("title", "license", "sdk", "app_file"), ("Intended use", "Out-of-scope use")),
}  # fmt: skip
"""Keys of the front matter and headings of the page, by kind."""


def check_card(text: str, kind: Kind) -> None:
    """Check that a card is complete.

    Args:
        text: README.md.
        kind: of the repository.

    Raises:
        HubError: no front matter, a key without a value, or a required section that is missing or empty.
    """
    data, body = split_card(text)
    keys, headings = REQUIRED[kind]
    if missing := [key for key in keys if not data.get(key)]:
        raise HubError(
            f"its front matter lacks {', '.join(missing)}", where="README.md", expected=f"a value for each of {', '.join(keys)}",
            fix="let the card be generated again, or add the keys",
        )  # fmt: skip
    found = sections(body)
    filled = {one.name for at, one in enumerate(found) if any(not MARK.fullmatch(block) for block in one.blocks) or _has_parts(found, at)}
    if lacking := [name for name in headings if name.casefold() not in filled]:
        raise HubError(
            f"the {kind} card misses {', '.join(repr(name) for name in lacking)}", where="README.md",
            expected=f"sections {', '.join(headings)}, none empty", fix="let the card be generated again, or write them",
        )  # fmt: skip


def _has_parts(found: Sequence[Section], at: int) -> bool:
    return at + 1 < len(found) and found[at + 1].level > found[at].level
