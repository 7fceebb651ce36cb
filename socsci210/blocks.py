"""The blocks of a document, for people who write study files: parsed in an isolated child, like every file from outside."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from .child import run_child


def blocks_of(document: Path) -> list[dict[str, str]]:
    """Id, kind and text of every block of a document, in order.

    Raises:
        ReadError: the document cannot be read, or is not what its name says.
    """
    with tempfile.TemporaryDirectory(prefix="socsci210-") as scratch:
        answer = run_child("socsci210.blocks:read", {"document": str(document.resolve())}, out=Path(scratch))
    blocks: list[dict[str, str]] = answer["blocks"]
    return blocks


def read(payload: dict[str, Any]) -> dict[str, Any]:
    """The child's side of `blocks_of`."""
    from .readers import read_document
    from .readers.documents import describe

    rows = describe(read_document(Path(payload["document"])))
    return {"blocks": [{"id": block, "kind": kind, "text": text} for block, kind, text in rows]}
