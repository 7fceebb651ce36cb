"""Writes the deposits of a world: data file, questionnaire, MANIFEST.json per study, and the truth beside them."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import docx
import pyarrow.parquet as pq

from .catalogue import DESIGNS
from .designs import Design
from .layout import lay_out
from .truth import truth
from .world import World
from .writers import settle_zip, write_data


def write_deposits(world: World, out: Path, studies: Sequence[str] | None = None) -> None:
    """Write `out/<study id>/` with its files and MANIFEST.json for every study asked for, and `out/truth.parquet`.

    A study's folder is replaced as a whole; for one seed and one number of people the bytes are always the same.
    """
    out.mkdir(parents=True, exist_ok=True)
    names = list(studies) if studies is not None else list(DESIGNS)
    for name in names:
        with tempfile.TemporaryDirectory(dir=out, prefix=".writing-") as scratch:
            folder = Path(scratch) / name
            folder.mkdir()
            _write_study(world, DESIGNS[name], folder)
            shutil.rmtree(out / name, ignore_errors=True)
            folder.replace(out / name)
    scratch_file = out / ".truth.parquet.writing"
    pq.write_table(truth(world, names), scratch_file)
    scratch_file.replace(out / "truth.parquet")


def _write_study(world: World, design: Design, folder: Path) -> None:
    deposit = lay_out(world, world.sample(design.id))
    write_data(deposit, folder / f"data.{design.format}", design.format, design.encoding)
    if design.document is not None:
        lines = questionnaire(design.id).splitlines()
        path = folder / f"questionnaire.{design.document}"
        if design.document == "txt":
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        else:
            _write_docx(lines, path)
    files = {p.name: {"bytes": p.stat().st_size, "sha256": hashlib.sha256(p.read_bytes()).hexdigest()} for p in sorted(folder.iterdir())}
    (folder / "MANIFEST.json").write_text(json.dumps({"files": files}, indent=1) + "\n", encoding="utf-8")


def questionnaire(study: str) -> str:
    """The text of a study's questionnaire; lines that begin with | are rows of a table."""
    return (resources.files("socsci210.loaders") / "simulated" / study / "questionnaire.txt").read_text(encoding="utf-8")


def _write_docx(lines: Sequence[str], path: Path) -> None:
    """One paragraph per line; neighbouring | lines become one table."""
    document, rows = docx.Document(), list[list[str]]()
    for line in [*lines, None]:
        if line is not None and line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        if rows:
            table = document.add_table(len(rows), len(rows[0]))
            for r, row in enumerate(rows):
                for c, cell in enumerate(row):
                    table.cell(r, c).text = cell
            rows = []
        if line is not None:
            document.add_paragraph(line)
    document.save(str(path))
    settle_zip(path)
