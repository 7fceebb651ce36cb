"""Whether a draft says where it read what, and whether that place says so, as far as this can be checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ..study_origin import Claim
from .material import Material
from .outward import counts
from .submission import walk
from .trial import Fault

_GATE: Final = "evidence"
_WORD: Final = re.compile(r"\w{4,}")
_NUMBER: Final = re.compile(r"\d[\d,]*\.?\d*|\.\d+")
_FRACTION: Final = re.compile(r"(?i)\b(\d{1,2})/(\d{1,2})(?:nd|rd|th)?s?\b")
_PART: Final = re.compile(r"(?i)\b(?:(a|one|two|three|four|five)[- ])?(half|third|fourth|quarter|fifth|sixth|eighth)s?\b")
_PARTS: Final = {"half": 2, "third": 3, "fourth": 4, "quarter": 4, "fifth": 5, "sixth": 6, "eighth": 8}
_TIMES: Final = {"": 1, "a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_ROUNDED: Final = 0.005
_TEMPLATE: Final = re.compile(r"[\w.]*\{\w+\}[\w.{}]*")
_QUOTED: Final = ("text", "question", "context")
_LEAST: Final = 10
"""People below which no count is confirmed to a model."""


def evidence_faults(study: Mapping[str, Any], evidence: Sequence[Claim], material: Material) -> list[Fault]:
    """Everything that is claimed without a place, and every place that does not hold what is claimed."""
    faults = [fault for claim in evidence for fault in _claim_faults(study, claim, material)]
    claimed = [claim.claim for claim in evidence]
    bare = [part for part in parts_to_prove(study) if not any(one == part or one.startswith(f"{part}.") for one in claimed)]
    faults += [Fault(_GATE, "no evidence for it", part, "where it was read", f"add evidence with claim: {part}") for part in bare]
    faults += _stated_faults(study, evidence, material)
    return faults


def parts_to_prove(study: Mapping[str, Any]) -> Iterator[str]:
    """The parts that need evidence, as claims name them."""
    yield from ("provenance.title", "data.participant")
    data = study.get("data")
    for key in ("weight", "keep", "missing"):
        if isinstance(data, dict) and data.get(key):
            yield f"data.{key}"
    demographics = study.get("demographics")
    if isinstance(demographics, dict) and (demographics.get("crosswalk") or demographics.get("fields")):
        yield "demographics"
    for name in study.get("fills") or ():
        yield f"fills.{name}"
    for kind in ("conditions", "outcomes"):
        for one in study.get(kind) or ():
            if isinstance(one, dict):
                yield f"{kind}.{one.get('id')}"
                if kind == "outcomes" and one.get("scale"):
                    yield f"outcomes.{one.get('id')}.scale"
    for number, _ in enumerate(study.get("stated") or ()):
        yield f"stated.{number}"


def part_of(study: Any, claim: str) -> tuple[bool, Any]:
    """Whether a claim names a part of the study file, and that part."""
    value: Any = study
    for step in claim.split("."):
        if isinstance(value, Mapping):
            key = next((key for key in value if str(key) == step), None)
            if key is None:
                return False, None
            value = value[key]
        elif isinstance(value, list | tuple):
            by_id = [one for one in value if isinstance(one, Mapping) and step in (str(one.get("id")), str(one.get("reason")))]
            if not by_id and not (step.isdecimal() and int(step) < len(value)):
                return False, None
            value = by_id[0] if by_id else value[int(step)]
        else:
            return False, None
    return True, value


def _claim_faults(study: Mapping[str, Any], claim: Claim, material: Material) -> Iterator[Fault]:
    there, part = part_of(study, claim.claim)
    if not there:
        yield Fault(_GATE, "the study file has no such part", claim.claim, "keys joined by dots, with ids", "correct the claim")
        return
    if claim.variable is not None:
        if claim.variable not in material.names:
            yield Fault(_GATE, f"no variable {claim.variable!r}", claim.claim, "a variable of the deposit", "use find_variables")
        elif claim.claim.split(".")[0] in ("conditions", "outcomes", "fills", "data") and not _uses(part, claim.variable):
            if claim.claim == "data.missing" and isinstance(part, Mapping) and "*" in part:  # codes of every column
                return
            above = claim.claim.rsplit(".", 1)[0]
            if not (above.count(".") and _uses(part_of(study, above)[1], claim.variable)):
                yield Fault(_GATE, f"it does not use {claim.variable}", claim.claim, "a variable that this part reads", "correct the claim")
        return
    document = claim.doc or ""
    if document not in material.documents:
        fix = f"documents are {', '.join(material.documents) or 'not there'}"
        yield Fault(_GATE, f"no document {document!r}", claim.claim, "the key of a document", fix)
        return
    absent = [block for block in claim.blocks if str(block) not in material.documents[document]]
    if absent:
        yield Fault(_GATE, f"no block {absent[0]!r} in {document}", claim.claim, "ids as find_blocks shows them", "use find_blocks")
        return
    yield from _wording_faults(part, claim, material)


def _wording_faults(part: Any, claim: Claim, material: Material) -> Iterator[Fault]:
    """Quoted blocks are really quoted there, and words of provenance really stand in the block."""
    steps = claim.claim.split(".")
    if steps[-1] in _QUOTED:
        quoted = {str(b) for path, b in walk(part) if "blocks" in path}
        if quoted and not quoted & {str(block) for block in claim.blocks}:
            yield Fault(_GATE, "it quotes other blocks", claim.claim, "the blocks that are quoted", "correct the claim or the quotation")
    if steps[0] == "provenance" and isinstance(part, str):
        words = [word.lower() for word in _WORD.findall(part)]
        there = material.blocks(claim.doc or "", claim.blocks).lower()
        if words and sum(word in there for word in words) * 2 <= len(words):
            yield Fault(
                _GATE, "the block does not hold its words", claim.claim, "the block it was read in", "correct the claim or the value"
            )


def _uses(part: Any, variable: str) -> bool:
    """Whether a part of the study file names a variable, as it is or as a template with braces."""
    named = re.compile(rf"(?<!\w){re.escape(variable)}(?!\w)")
    for path, leaf in walk(part):
        if variable in path:
            return True
        if isinstance(leaf, str) and (named.search(leaf) or any(_fits(word, variable) for word in _TEMPLATE.findall(leaf))):
            return True
    return False


def _fits(template: str, variable: str) -> bool:
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", r"\\w+", re.escape(template)), variable) is not None


def _stated_faults(study: Mapping[str, Any], evidence: Sequence[Claim], material: Material) -> Iterator[Fault]:
    """A number must be printed where it was read: else the gate that compares it would be a way to ask for counts."""
    for number, stated in enumerate(study.get("stated") or ()):
        value = stated.get("value") if isinstance(stated, dict) else None
        places = [claim for claim in evidence if claim.claim.split(".")[:2] == ["stated", str(number)]]
        if not isinstance(value, int | float) or isinstance(value, bool) or not places:
            continue
        where = f"stated.{number}"
        if stated.get("what") == "n" and value < _LEAST:
            yield Fault(_GATE, "a count of fewer than 10 people", where, "a larger count", "state another number")
        elif not any(_printed(stated, claim, material) for claim in places):
            fix = "cite the block that prints the number, or the variable whose count it is"
            yield Fault(_GATE, f"{value} is not printed there", where, "a number of the source", fix)


def _printed(stated: Mapping[str, Any], claim: Claim, material: Material) -> bool:
    value = float(stated["value"])
    if claim.variable is None:
        text = material.blocks(claim.doc or "", claim.blocks)
        in_words = stated.get("what") == "share" and any(abs(one - value) <= _ROUNDED for one in _fractions(text))
        return in_words or any(abs(one - value) < 1e-9 or abs(one / 100 - value) < 1e-9 for one in _numbers(text))
    known = material.variable(claim.variable)
    if known is None or stated.get("what") not in ("n", "share"):
        return False
    table, variable = known
    shown = [n for n in (*counts(variable, table.rows).values(), table.rows) if n is not None]
    return any(_near(n, table.rows, value, str(stated["what"]), stated.get("tolerance")) for n in shown)


def _near(n: int, rows: int, value: float, what: str, tolerance: Any) -> bool:
    if what == "n":
        return n == value
    return abs(n / rows - value) <= (float(tolerance) if isinstance(tolerance, int | float) else 0.0) + 1e-9


def _numbers(text: str) -> Iterable[float]:
    for match in _NUMBER.findall(text):
        try:
            yield float(match.replace(",", "").rstrip("."))
        except ValueError:
            continue


def _fractions(text: str) -> Iterable[float]:
    """Shares in words: `one third`, `half of the sample`, `2/3`. `third` alone is a place in an order."""
    yield from (int(match[1]) / int(match[2]) for match in _FRACTION.finditer(text) if int(match[2]))
    for match in _PART.finditer(text):
        times, part = (match[1] or "").lower(), match[2].lower()
        if times or part == "half":
            yield _TIMES[times] / _PARTS[part]
