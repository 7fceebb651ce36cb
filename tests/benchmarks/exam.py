"""The exam on real studies: every hand-written study file against itself, and with five mistakes planted, one at a time.

`python -m tests.benchmarks.exam DEPOSITS` reads the deposits that are there. A key against itself must be perfect; each mistake must cost
the part that it belongs to. The last line is one JSON object: perfect (keys), found (mistakes whose part lost points, or that no build
lets through), planted, and clean (mistakes that cost no other part).
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from socsci210.errors import ReadError
from socsci210.exam import ScoreCard, evaluate
from socsci210.extract import deposit_folder
from socsci210.registry import Registry

Raw = dict[str, Any]


def _exchanged(raw: Raw) -> None:
    first, second = raw["conditions"][0], raw["conditions"][-1]
    first["where"], second["where"] = second["where"], first["where"]


def _turned(raw: Raw) -> None:
    scale = _scale(raw)
    scale["direction"] = "down" if scale["direction"] == "up" else "up"


def _longer(raw: Raw) -> None:
    _scale(raw)["max"] += 1


def _scale(raw: Raw) -> Raw:
    """The first scale that is declared, of an outcome or of one way of asking it."""
    outcome = raw["outcomes"][0]
    scale: Raw = next(one["scale"] for one in (outcome, *outcome.get("variants", ())) if "scale" in one)
    return scale


def _outcome_less(raw: Raw) -> None:
    """The last outcome, or the last item of the only one."""
    gone = raw["outcomes"].pop()["id"] if len(raw["outcomes"]) > 1 else None
    if gone is None:
        raw["outcomes"][0]["items"].pop()
    raw["stated"] = [one for one in raw["stated"] if one.get("outcome") != gone]


def _field_less(raw: Raw) -> None:
    raw["demographics"].setdefault("fields", {})["age"] = None


MISTAKES: dict[str, tuple[Callable[[Raw], None], frozenset[str]]] = {
    # what is planted, and the parts that may show it; where arms are asked in ways of their own, exchanged people answer other columns
    "first and last arm exchanged": (_exchanged, frozenset({"arms", "text", "answers", "scales"})),
    "direction of a scale": (_turned, frozenset({"scales"})),
    "one point more on a scale": (_longer, frozenset({"scales"})),
    "an outcome left out": (_outcome_less, frozenset({"outcomes"})),
    "age left out": (_field_less, frozenset({"demographics"})),
}


def cards(deposits: Path, folder: Path) -> Iterator[tuple[str, str, frozenset[str], ScoreCard]]:
    """(study, what is planted, the parts that may show it, score card) for every study whose deposit is there."""
    registry = Registry()
    for study in registry.ids():
        key, loaded = registry.study_file(study), registry.get(study).load()
        if loaded.simulated:
            continue
        try:
            deposit_folder(loaded, deposits)
        except ReadError:
            continue
        yield study, "nothing", frozenset(), evaluate(key, key, deposits=deposits)
        raw = yaml.safe_load(key.read_text(encoding="utf-8"))
        for name, (spoil, parts) in MISTAKES.items():
            spoilt = copy.deepcopy(raw)
            spoil(spoilt)
            draft = folder / study / "study.yaml"
            draft.parent.mkdir(exist_ok=True)
            draft.write_text(yaml.safe_dump(spoilt, sort_keys=False, allow_unicode=True), encoding="utf-8")
            yield study, name, parts, evaluate(draft, key, deposits=deposits)


def run(deposits: Path, folder: Path) -> dict[str, int]:
    """All cards as a table, and the figures."""
    table = Table(title="Study files against their keys", title_justify="left")
    for heading in ("study", "planted", "overall", "lost", "gates"):
        table.add_column(heading)
    figures = {"perfect": 0, "keys": 0, "found": 0, "planted": 0, "clean": 0}
    for study, name, parts, card in cards(deposits, folder):
        lost = {line.part: line.score for line in card.lines if line.score < 1}
        told = "cannot be built" if card.failed else ", ".join(f"{part} {score:.3f}" for part, score in lost.items())
        table.add_row(study, name, f"{card.overall:.3f}", told, str(len(card.refused)))
        if parts:
            figures["planted"] += 1
            figures["found"] += bool(card.failed) or bool(parts & set(lost))
            figures["clean"] += bool(card.failed) or (bool(lost) and set(lost) <= parts)
        else:
            figures["keys"] += 1
            figures["perfect"] += card.perfect
    Console(width=140).print(table)
    return figures


def main() -> None:
    """Run the exam."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("deposits", type=Path, help="folder that holds one folder per deposit")
    with tempfile.TemporaryDirectory(prefix="socsci210-exam-") as folder:
        print(json.dumps(run(parser.parse_args().deposits, Path(folder))))


if __name__ == "__main__":
    main()
