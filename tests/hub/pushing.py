"""Packages for the tests of pushing, and a local Hub that the client of this very process speaks to.

The client has its address in `huggingface_hub.constants`; replacing it there spares these tests, which make hundreds of pushes, a child
process each. What loads through other libraries runs in children.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import huggingface_hub.utils._http
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from socsci210.cards.sections import REQUIRED
from socsci210.hub import Package, client, commit
from socsci210.hub.package import Kind
from socsci210.local_hub import LocalHub

REPO = "org/thing"


def card(kind: Kind = "dataset", text: str = "Words.", **data: object) -> str:
    """A card with all that its kind must have."""
    keys, headings = REQUIRED[kind]
    header = {key: ["x"] for key in keys} | {"license": "mit", **({"sdk": "static"} if "sdk" in keys else {}), **data}
    page = "\n\n".join(f"## {heading}\n\n{text} Of {heading}." for heading in headings)
    return f"---\n{yaml.safe_dump(header)}---\n\n# Title\n\n{page}\n"


def package(folder: Path, *, kind: Kind = "dataset", version: int = 1, text: str = "Words.", **more: object) -> Package:
    """A small dataset: a card, a text file that changes with the version, a table that never does and one that does."""
    folder.mkdir(parents=True, exist_ok=True)
    page = card(kind, text)
    (folder / "README.md").write_text(page, encoding="utf-8")
    (folder / "dataset.json").write_text(f'{{"version": {version}}}', encoding="utf-8")
    (folder / f"only-{version}.txt").write_text("A file of one version.\n", encoding="utf-8")
    for name, value in (("same", 0), ("changing", version)):
        path = folder / f"data/all/{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"sample_id": [value], "study_id": [name]}), path)
    names = ("README.md", "dataset.json", f"only-{version}.txt", "data/all/same.parquet", "data/all/changing.parquet")
    return Package(kind, {name: folder / name for name in names}, page, f"fingerprint {version}", f"Version {version}", **more)  # type: ignore[arg-type]


def contents(made: Package) -> dict[str, bytes]:
    """What the repository holds after a push, but for the card, which has marks in it."""
    return {path: file.read_bytes() for path, file in made.files.items() if path != "README.md"}


def held(hub: LocalHub, repo: str = REPO, kind: str = "dataset", revision: str = "main") -> dict[str, bytes]:
    """What it holds, but for the card."""
    return {path: content for path, content in hub.files(kind, repo, revision).items() if path != "README.md"}  # type: ignore[arg-type]


@contextmanager
def connected(patch: pytest.MonkeyPatch) -> Iterator[tuple[LocalHub, list[float]]]:
    """A local Hub that the client of this process speaks to, as its own user; and the seconds that everybody waits, who waits none."""
    with LocalHub() as hub:
        waits: list[float] = []
        patch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
        patch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}")
        patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        patch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        patch.setenv("HF_TOKEN", hub.token)
        for module in (client, commit, huggingface_hub.utils._http):
            patch.setattr(module, "time", SimpleNamespace(sleep=waits.append))
        yield hub, waits
