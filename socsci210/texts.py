"""From pointers to text: what a study file quotes, taken from the deposit and edited as declared.

Patterns come from study files, so they run in RE2 (through pyarrow), whose time is linear in the text. No edit can bring in words: what
replaces a match is a fill in braces, words that stand in the same quoted source, or white space and punctuation.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from .errors import ReadError, StudyFileError
from .study_yaml import did_you_mean

if TYPE_CHECKING:
    from .readers import Column, Document
    from .study_file import Code, Quote

BLANK: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""A name in braces. It begins with a letter: {3} is a repetition in a pattern."""
MAX_REPLACEMENT: Final = 200  # characters
MAX_PIECE: Final = 200_000  # characters of one quotation, before and after every edit
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")  # soft hyphens, zero-width marks, byte order marks
_MARKUP: Final = re.compile(r"</?[A-Za-z][^<>]*>|<!--|&(?:#\d+|#x[0-9A-Fa-f]+|[A-Za-z]+\d*);")
_CLOSING: Final = (",", ".", ";", ":", "?", "!", ")", "]", "”", "’")


@dataclass(frozen=True)
class Sources:
    """What the quotations of one study may point at.

    `name` is the study file, for messages; `inline_allowed` is true for simulated studies and people's own deposits.
    """

    documents: Mapping[str, Document]
    columns: Mapping[str, Column]
    header_texts: Mapping[str, str]
    inline_allowed: bool
    name: str


def bound(template: str, bind: Mapping[str, str | int]) -> str:
    """`Pair{pair}_A1` with the values of `bind`; other braces stay as they are."""
    return BLANK.sub(lambda match: str(bind[match[1]]) if match[1] in bind else match[0], template)


def names_in(template: str) -> list[str]:
    """The names in braces of a template, in order."""
    return BLANK.findall(template)


def resolve(quotes: Sequence[Quote], sources: Sources, bind: Mapping[str, str | int], fills: Collection[str]) -> str:
    """The text of a sequence of quotations: one line, pieces joined by a space (by nothing before closing punctuation).

    Args:
        quotes: the pieces in order; none gives an empty text.
        sources: the deposit's documents, columns and header texts.
        bind: values for names in braces in block ids, names of columns, patterns, replacements and inline text.
        fills: names in braces that may stay, to be filled later (fills and the profiles of a conjoint).

    Raises:
        StudyFileError: a pointer leads nowhere, an edit matches nothing or brings in words, markup or unknown braces are left.
    """
    text = ""
    for quote in quotes:
        piece = _piece(quote, sources, bind, fills)
        text += piece if not text or piece.startswith(_CLOSING) else f" {piece}"
    return text


@lru_cache(1024)
def check_pattern(pattern: str) -> None:
    r"""Refuse what RE2 cannot compile, alone or in the brackets in which edits use it (an open `\Q` swallows the closing one).

    Raises:
        ValueError: with RE2's reason.
    """
    for form in (pattern, f"({pattern})", _around(f"({pattern})"), _around(f"(?:{pattern})")):
        try:
            pc.match_substring_regex(pa.scalar(""), form)
        except pa.ArrowInvalid as error:
            raise ValueError(f"pattern {pattern!r} is no RE2 pattern: {error}") from None


def check_replacement(value: str) -> None:
    """Refuse a replacement so long that a few matches would fill the memory.

    Raises:
        ValueError: with its length.
    """
    if len(value) > MAX_REPLACEMENT:
        raise ValueError(f"a replacement of {len(value):,} characters; at most {MAX_REPLACEMENT} are allowed")


def _piece(quote: Quote, sources: Sources, bind: Mapping[str, str | int], fills: Collection[str]) -> str:
    where = f"{sources.name}: {describe(quote, bind)}"
    source = _no_longer(_source(quote, sources, bind, where), where)
    text = source
    if quote.extract is not None:
        text = _extract(text, bound(quote.extract, bind), where)
    for pattern in quote.drop:
        text = _substitute(text, bound(pattern, bind), "", "drop", where)
    for pattern, template in quote.replace.items():
        value = bound(template, bind)
        _check_replacement(value, source, fills, where)
        text = _no_longer(_substitute(text, bound(pattern, bind), value, "replace", where), where)
    text = " ".join(_INVISIBLE.sub("", text).split())
    _check_rest(text, fills, where)
    return text


def _no_longer(text: str, where: str) -> str:
    if len(text) > MAX_PIECE:
        raise StudyFileError(
            f"a text of {len(text):,} characters",
            where=where,
            expected=f"at most {MAX_PIECE:,}",
            fix="quote fewer blocks, or replace by less",
        )
    return text


def source_of(quote: Quote, sources: Sources, bind: Mapping[str, str | int]) -> str:
    """The text that a quotation points at, before any edit.

    Raises:
        StudyFileError: the pointer leads nowhere.
    """
    return _source(quote, sources, bind, f"{sources.name}: {describe(quote, bind)}")


def describe(quote: Quote, bind: Mapping[str, str | int]) -> str:
    """A short name of a quotation for messages, such as `doc questionnaire, blocks 41, 43`."""
    if quote.doc is not None:
        return f"doc {quote.doc}, block{'s' if len(quote.blocks) > 1 else ''} {', '.join(bound(str(b), bind) for b in quote.blocks)}"
    if quote.value_label is not None:
        column, code = _value_label(quote.value_label, bind)
        return f"value_label {code!r} of {column}"
    for kind in ("label", "header"):
        if (name := getattr(quote, kind)) is not None:
            return f"{kind} of {bound(name, bind)}"
    return "text" if quote.inline else "description"


# --- sources -------------------------------------------------------------------------------------------------------------------------


def _source(quote: Quote, sources: Sources, bind: Mapping[str, str | int], where: str) -> str:
    if quote.doc is not None:
        document = sources.documents[quote.doc]
        try:
            return quote.join.join(document.text(bound(str(block), bind)) for block in quote.blocks)
        except ReadError as error:
            raise StudyFileError(error.found, where=f"{where} ({error.where})", expected=error.expected, fix=error.fix) from None
    if quote.label is not None:
        return _there(_column(sources, bound(quote.label, bind), where).label, "no label", where)
    if quote.value_label is not None:
        name, code = _value_label(quote.value_label, bind)
        return _label_of(_column(sources, name, where), code, where)
    if quote.header is not None:
        name = bound(quote.header, bind)
        if name not in sources.header_texts:
            fix = did_you_mean(name, sources.header_texts) or "correct the name; `data.second_header: true` reads the second header row"
            raise StudyFileError("no such header text", where=where, expected=f"a column of {len(sources.header_texts)}", fix=fix)
        return _there(sources.header_texts[name], "an empty header cell", where)
    if quote.text is not None:
        if not sources.inline_allowed:
            raise StudyFileError(
                "own words in a study file", where=where, fix="quote the deposit by pointer, or mark the study own_deposit"
            )
        return bound(quote.text, bind)
    assert quote.description is not None
    return bound(quote.description, bind)


def _value_label(pointer: tuple[str, Code], bind: Mapping[str, str | int]) -> tuple[str, Code]:
    column, code = pointer
    if isinstance(code, str):
        for name in names_in(code):
            if code == f"{{{name}}}" and name in bind:  # a code that is a name in braces takes the bound value, with its type
                return bound(column, bind), bind[name]
        code = bound(code, bind)
    return bound(column, bind), code


def _column(sources: Sources, name: str, where: str) -> Column:
    if name not in sources.columns:
        fix = did_you_mean(name, sources.columns) or "correct the name (capitals count)"
        raise StudyFileError(f"no column {name!r}", where=where, expected=f"one of the {len(sources.columns)} columns of the data", fix=fix)
    return sources.columns[name]


def _label_of(column: Column, code: Code, where: str) -> str:
    if code not in column.value_labels:
        known = ", ".join(repr(c) for c in list(column.value_labels)[:20]) or "none"
        raise StudyFileError(
            f"code {code!r} has no label", where=where, expected=f"one of the labelled codes: {known}", fix="correct the code"
        )
    return _there(column.value_labels[code], "an empty label", where)


def _there(text: str | None, found: str, where: str) -> str:
    if not text:
        raise StudyFileError(found, where=where, expected="text", fix="quote another place of the deposit")
    return text


# --- edits ---------------------------------------------------------------------------------------------------------------------------


def _extract(text: str, pattern: str, where: str) -> str:
    """The first group of the first match, or the whole match where the pattern has no group."""
    if not _matches(text, pattern, "extract", where):
        raise _no_match("extract", pattern, text, where)
    try:
        return _sub(text, _around(f"(?:{pattern})"), r"\1")
    except pa.ArrowInvalid:  # \1 is out of range: no group
        return _sub(text, _around(f"({pattern})"), r"\1")


def _around(pattern: str) -> str:
    """A pattern for the whole text, whose first part that fits `pattern` does."""
    return rf"\A(?s:.*?){pattern}(?s:.*)\z"


def _substitute(text: str, pattern: str, value: str, edit: str, where: str) -> str:
    if not _matches(text, pattern, edit, where):
        raise _no_match(edit, pattern, text, where)
    if _matches("", pattern, edit, where):
        raise StudyFileError(
            f"{edit} pattern {pattern!r} matches nothing at all", where=where, fix="write a pattern that needs a character"
        )
    return _sub(text, pattern, value.replace("\\", r"\\"))


def _sub(text: str, pattern: str, replacement: str) -> str:
    return str(pc.replace_substring_regex(pa.scalar(text), pattern=pattern, replacement=replacement).as_py())


def _matches(text: str, pattern: str, edit: str, where: str) -> bool:
    try:
        check_pattern(pattern)  # again: binds are in place now
        return bool(pc.match_substring_regex(pa.scalar(text), pattern).as_py())
    except ValueError as error:
        raise StudyFileError(
            f"{edit} {error}",
            where=where,
            expected="an RE2 pattern",
            fix="RE2 has no look-around and no back-references",
        ) from None


def _no_match(edit: str, pattern: str, text: str, where: str) -> StudyFileError:
    return StudyFileError(
        f"{edit} pattern {pattern!r} matches nothing",
        where=where,
        expected=f"a match in {_short(text)}",
        fix="correct the pattern (typographic quotes and double spaces count), or remove it",
    )


def _check_replacement(value: str, source: str, fills: Collection[str], where: str) -> None:
    """A replacement brings in no words: fills, words of the same source, white space and punctuation are all it may hold."""
    try:
        check_replacement(value)  # again: binds are in place now
    except ValueError as error:
        raise StudyFileError(str(error), where=where, fix="shorten the replacement, or the value of the bind") from None
    for name in names_in(value):
        if name not in fills:
            raise _unknown_fill(name, fills, where)
    folded = _fold(source)
    for part in BLANK.split(value)[::2]:  # what stands between the names
        words = _trim(_fold(part))
        if words and not _stands_in(words, folded):
            raise StudyFileError(
                f"replacement {value!r} brings in words: {words!r}",
                where=where,
                expected="a fill in braces, words that stand in the same quoted text, or white space and punctuation",
                fix="quote the place of the deposit where the words stand",
            )


def _fold(text: str) -> str:
    return " ".join(_INVISIBLE.sub("", text).casefold().split())


def _trim(text: str) -> str:
    """Without what is no letter or digit at both ends."""
    inside = [i for i, character in enumerate(text) if character.isalnum()]
    return text[inside[0] : inside[-1] + 1] if inside else ""


def _stands_in(words: str, text: str) -> bool:
    """Whether the words stand in the text as whole words."""
    start = text.find(words)
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(words) : start + len(words) + 1]
        if not before.isalnum() and not after.isalnum():
            return True
        start = text.find(words, start + 1)
    return False


def _check_rest(text: str, fills: Collection[str], where: str) -> None:
    if not text:
        raise StudyFileError("nothing is left of the quoted text", where=where, expected="text", fix="drop less, or leave this piece out")
    if found := _MARKUP.search(text):
        markup = found[0]
        if not markup.startswith("&") or html.unescape(markup) != markup:
            raise StudyFileError(f"markup {markup!r} is left", where=where, expected="plain text", fix="declare a drop or replace for it")
    for name in names_in(text):
        if name not in fills:
            raise _unknown_fill(name, fills, where)
    if rest := re.search(r"[{}]", BLANK.sub("", text)):
        at = text.find(rest[0])
        raise StudyFileError(
            f"a brace is left near {_short(text[max(0, at - 20) : at + 40])}",
            where=where,
            expected="braces only around the names of fills",
            fix="replace the blank with a fill, or drop the note",
        )


def _unknown_fill(name: str, fills: Collection[str], where: str) -> StudyFileError:
    known = ", ".join(sorted(fills)) or "none"
    fix = did_you_mean(name, fills) or f"declare it under `fills:`, or drop {{{name}}}"
    return StudyFileError(f"{{{name}}} is no fill", where=where, expected=f"one of the fills: {known}", fix=fix)


def _short(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:197] + "...")
