"""Gates on pairs of arms: what differs between two arms in the design differs in what they read, and nothing else does.

Arms are compared by words, cell by cell (condition, outcome, item), so that a question that differs counts as a text that differs. With
`factors`, two arms that differ in one factor show what that factor changes; where several such pairs change the same two levels, the
changes must agree. Without factors, the words that name an arm still tell whether two arms carry each other's text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import combinations
from typing import Final, NamedTuple

from ..study_file import Condition
from .findings import Finding, excusable, finding
from .made import Made
from .naming import exchanged, moved, of_arm, stems

_WORD: Final = re.compile(r"\w+(?:[.,]\d+)*")
_CODE: Final = re.compile(r"[a-z]{1,2}\d{1,3}|[b-hj-z]")  # v7, b; not `a` and `i`, which are words
_CODED: Final = re.compile(
    r"\b(?:condition|treatment|arm|vignette|version|scenario|stimulus|group|message|text|cell|frame)\W{0,3}(\d{1,3}|[a-z])\b"
)
_MIRROR: Final = 6  # words of a change that stands the other way round: fewer may be "rise" and "fall", "higher" and "lower"
_ODD: Final = 4  # words in which one change differs from all others
Change = frozenset[tuple[str, int, int, str]]
"""(+ or -, task, item, word)"""
_Words = Mapping[tuple[int, int], frozenset[str]]


class _Pair(NamedTuple):
    """Two arms that differ in one factor alone."""

    factor: str
    low: str | None
    high: str | None
    first: int
    second: int


@excusable
def minimal_pairs(made: Made) -> Iterator[Finding]:
    """Arms that differ in the design differ in what they read, where the design says and only there."""
    seen = [_words(made, place) for place in range(len(made.study.conditions))]
    yield from _code_names(made, seen)
    yield from _exchanged_texts(made)
    yield from _unexplained(made, seen)
    yield from _changes(made, seen)


def _words(made: Made, place: int) -> _Words:
    """Every word of every stimulus of an arm, by task and item."""
    return {cell: frozenset().union(*map(_words_of, texts)) for cell, texts in _texts(made, place)}


def _texts(made: Made, place: int) -> Iterator[tuple[tuple[int, int], tuple[str, ...]]]:
    """All that people of an arm read, fills included, by task and item."""
    for cell, asked in made.rows.cells.items():
        if cell[0] == place:
            fills = (text for texts in made.rows.fill_texts.get(cell, {}).values() for text in texts)
            yield cell[1:], (asked.frame, asked.text, asked.context, asked.question, *asked.scale.labels.values(), *fills)


@lru_cache(4096)
def _words_of(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _code_names(made: Made, seen: list[_Words]) -> Iterator[Finding]:
    """Arms that differ in a code name alone: the treatment itself is not in the text."""
    arms = made.study.conditions
    spoken = [_codes_of(made, place) for place in range(len(arms))]
    for one, other in combinations(range(len(arms)), 2):
        shared = seen[one].keys() & seen[other].keys()
        if not shared or seen[one].keys() != seen[other].keys():
            continue
        mine, theirs = (
            frozenset(word for cell in shared for word in seen[a][cell] - seen[b][cell]) for a, b in ((one, other), (other, one))
        )
        coded = all(
            all(_CODE.fullmatch(word) or word in spoken[place] for word in words) for place, words in ((one, mine), (other, theirs))
        )
        if (mine or theirs) and coded:
            yield finding(
                "minimal_pairs",
                f"it differs from condition {arms[other].id} in a code name alone: {_shown(mine)} against {_shown(theirs)}",
                where=made.where(f"conditions.{arms[one].id}"),
                expected="the treatment that people met",
                fix="quote the text of the treatment, or describe the image or video",
                conditions=[arms[one].id, arms[other].id],
            )


def _codes_of(made: Made, place: int) -> set[str]:
    texts = (part for cell, asked in made.rows.cells.items() if cell[0] == place for part in (asked.text, asked.context, asked.question))
    return {code for text in texts for code in _CODED.findall(text.casefold())}


def _exchanged_texts(made: Made) -> Iterator[Finding]:
    """Two arms that the words of their names put the other way round."""
    arms = made.study.conditions
    names = [of_arm(arm) for arm in arms]
    read = [stems(*{text for _, texts in _texts(made, place) for text in texts}) for place in range(len(arms))]
    for one, other in combinations(range(len(arms)), 2):
        if words := exchanged((names[one], names[other]), (read[one], read[other])):
            yield finding(
                "minimal_pairs",
                f"its name speaks of {words[0]!r}..., which only people of {arms[other].id} read of; that one's of {words[1]!r}..., "
                f"which only people of {arms[one].id} read of",
                where=made.where(f"conditions.{arms[one].id}"),
                expected="the text that the condition is named after",
                fix="exchange the texts (or `where`) of the two, or correct their ids, labels and factors",
                conditions=[arms[one].id, arms[other].id],
            )
    for one, other in moved(names, read):
        yield finding(
            "minimal_pairs",
            f"what its name speaks of stands in the text of condition {arms[other].id} alone",
            where=made.where(f"conditions.{arms[one].id}"),
            expected="the text that the condition is named after",
            fix="check which text belongs to which value of the column that tells the arm",
            conditions=[arms[one].id, arms[other].id],
        )


# --- factors -------------------------------------------------------------------------------------------------------------------------


def _differing(one: Condition, other: Condition) -> list[str]:
    return [name for name in {**one.factors, **other.factors} if one.factors.get(name) != other.factors.get(name)]


def _unexplained(made: Made, seen: list[_Words]) -> Iterator[Finding]:
    """Arms with the same levels of all factors whose texts differ."""
    arms = made.study.conditions
    for one, other in combinations(range(len(arms)), 2):
        if not arms[one].factors or _differing(arms[one], arms[other]) or seen[one] == seen[other]:
            continue
        change = _change(seen[one], seen[other])
        yield finding(
            "minimal_pairs",
            f"it has the factors of condition {arms[other].id}, but other text: {_shown({word for *_, word in change}) or 'the questions'}",
            where=made.where(f"conditions.{arms[one].id}.factors"),
            expected="a factor for every difference in text",
            fix="name the factor that differs, or correct the quotations",
            conditions=[arms[one].id, arms[other].id],
        )


def _changes(made: Made, seen: list[_Words]) -> Iterator[Finding]:
    """Pairs of arms that change one factor in the same way, but their texts in another."""
    by_change: dict[tuple[str, str | None, str | None], list[_Pair]] = {}
    for pair in _one_factor(made.study.conditions):
        by_change.setdefault(pair[:3], []).append(pair)
    for pairs in by_change.values():
        changes = [_change(seen[pair.first], seen[pair.second]) for pair in pairs]
        for one, other in combinations(range(len(pairs)), 2):
            if _mirrored(changes[one], changes[other]):
                yield _against(made, pairs[one], pairs[other], changes[one], "and the other way round there")
        if len(pairs) > 2:
            yield from _odd_one(made, pairs, changes)


def _one_factor(arms: tuple[Condition, ...]) -> Iterator[_Pair]:
    for one, other in combinations(range(len(arms)), 2):
        differing = _differing(arms[one], arms[other])
        if len(differing) == 1 and arms[one].factors and arms[other].factors:
            name = differing[0]
            levels = sorted(((arms[place].factors.get(name), place) for place in (one, other)), key=lambda pair: str(pair[0]))
            (low, first), (high, second) = levels
            yield _Pair(name, low, high, first, second)


def _change(first: _Words, second: _Words) -> Change:
    return frozenset(
        (sign, *cell, word)
        for cell in first.keys() & second.keys()
        for sign, words in (("-", first[cell] - second[cell]), ("+", second[cell] - first[cell]))
        for word in words
    )


def _turned(change: Change) -> Change:
    return frozenset(("+" if sign == "-" else "-", task, item, word) for sign, task, item, word in change)


def _mirrored(one: Change, other: Change) -> bool:
    return len({word for *_, word in one}) >= _MIRROR and not one & other and one == _turned(other)


def _odd_one(made: Made, pairs: list[_Pair], changes: list[Change]) -> Iterator[Finding]:
    """A change that all pairs but one agree in, where that one has other words, or more of them."""
    common, times = Counter(changes).most_common(1)[0]
    if times != len(changes) - 1 or not common:
        return
    odd = next(place for place, change in enumerate(changes) if change != common)
    other = changes.index(common)
    extra = {word for *_, word in changes[odd] ^ common}
    if len(extra) >= _ODD:
        yield _against(made, pairs[odd], pairs[other], changes[odd], f"unlike in all {times} other pairs, which differ by {_of(common)}")


def _against(made: Made, pair: _Pair, like: _Pair, change: Change, how: str) -> Finding:
    arms = made.study.conditions
    ids = [arms[place].id for place in (pair.first, pair.second, like.first, like.second)]
    return finding(
        "minimal_pairs",
        f"from {ids[0]} to {ids[1]}, as from {ids[2]} to {ids[3]}, only the factor {pair.factor} changes ({pair.low} to {pair.high}), "
        f"but the text changes by {_of(change)}, {how}",
        where=made.where("conditions"),
        expected="one factor that changes the same words in every pair of arms",
        fix="correct the factors or the quotations; if the text does depend on both factors, declare it under exceptions",
        conditions=ids,
    )


def _of(change: Change) -> str:
    lost, new = ({word for s, *_, word in change if s == sign} for sign in "-+")
    return f"-[{_shown(lost)}] +[{_shown(new)}]" if change else "nothing"


def _shown(words: frozenset[str] | set[str]) -> str:
    return " ".join(sorted(words)[:6]) + (" ..." if len(words) > 6 else "")
