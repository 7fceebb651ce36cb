"""The project holds no file, row or sentence of the real deposits: study files quote them by pointer."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docx
import pyreadstat
import pytest

from socsci210.catalogue import studies
from socsci210.demographics import VOCABULARY

ROOT = Path(__file__).resolve().parent.parent
SHINGLE = 8  # words: long enough that a shared run is a copy, short enough that no sentence escapes
TEXT_SUFFIXES = {".py", ".yaml", ".yml", ".md", ".toml", ".txt", ".json", ".cff", ".jinja", ".html", ".csv", ".ipynb", ""}


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9$%']+", text.lower().replace("’", "'"))


def shingles(text: str) -> Iterator[str]:
    found = words(text)
    for start in range(len(found) - SHINGLE + 1):
        yield " ".join(found[start : start + SHINGLE])


EXEMPT = {s for values in VOCABULARY.values() for value in values or () for s in shingles(value)}
EXEMPT |= {s for study in studies() for s in shingles(study.title)}  # a title is how a study is cited, and stands on its deposit too


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name.decode() for name in listed.split(b"\0") if name]


def texts_of(path: Path) -> Iterator[str]:
    """Every text a deposit file holds: paragraphs, cells, labels, header rows and string values."""
    if path.suffix == ".docx":
        document = docx.Document(str(path))
        yield from (p.text for p in document.paragraphs)
        yield from (cell.text for table in document.tables for row in table.rows for cell in row.cells)
    elif path.suffix == ".txt":
        yield from path.read_text(encoding="utf-8").splitlines()
    elif path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            yield from (cell for row in csv.reader(file) for cell in row if " " in cell)
    elif path.suffix in {".sav", ".dta"}:
        read = pyreadstat.read_sav if path.suffix == ".sav" else pyreadstat.read_dta
        columns, meta = read(str(path), output_format="dict")
        yield from (label for label in meta.column_labels if label)
        yield from (str(label) for labels in meta.variable_value_labels.values() for label in labels.values())
        yield from (cell for cells in columns.values() for cell in cells if isinstance(cell, str))


def found_in_project(sources: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in tracked():
        if path.suffix in TEXT_SUFFIXES and path.stat().st_size < 5_000_000:
            copied = {s for s in shingles(path.read_text(encoding="utf-8", errors="replace")) if s in sources} - EXEMPT
            if copied:
                found[str(path.relative_to(ROOT))] = sorted(copied)[:5]
    return found


def test_no_sentence_of_a_deposit_in_the_project(deposits_dir: Path) -> None:
    sources = {
        s
        for path in deposits_dir.rglob("*")
        if path.is_file() and path.name != "MANIFEST.json"
        for text in texts_of(path)
        for s in shingles(text)
    }
    assert len(sources) > 10_000, "the deposits hold far more text than that: the reader of this test is broken"
    assert found_in_project(sources) == {}


def test_no_stimulus_of_the_release_in_the_project(released_dir: Path) -> None:
    sources: set[str] = set()
    for line in (released_dir / "val.jsonl").read_text(encoding="utf-8").splitlines():
        scenario = json.loads(line)["input"].partition("Scenario:")[2]
        question = scenario.partition("Only return")[0]  # the answer-format sentences are the format's own
        sources.update(shingles(question))
    assert len(sources) > 5_000
    assert found_in_project(sources) == {}


def test_no_deposit_file_in_the_project(deposits_dir: Path, released_dir: Path) -> None:
    def sha256(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    originals = {sha256(p): p.name for folder in (deposits_dir, released_dir) for p in folder.rglob("*") if p.is_file()}
    copies = {str(p.relative_to(ROOT)): originals[sha256(p)] for p in tracked() if p.is_file() and sha256(p) in originals}
    assert copies == {}


@pytest.mark.parametrize("text", ["one two three four five six seven eight", "One, two: three four (five) six seven EIGHT!"])
def test_shingles_ignore_case_and_punctuation(text: str) -> None:
    assert list(shingles(text)) == ["one two three four five six seven eight"]
