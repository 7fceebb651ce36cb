"""Declared missing values of SPSS portable files, which pyreadstat turns into blanks without saying so.

A .por file is one stream of characters in lines of 80: a header, then records that begin with a tag. This module reads the records of
the dictionary, takes the declarations of missing values out of the stream, and hands back a file in which their codes are ordinary values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import ReadError

_WIDTH: Final = 80
_START: Final = 464
"""Characters of the header: 200 of banner, 256 of character table, 8 of signature."""
_TABLE: Final = slice(264, 326)
_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRST"
Missing = dict[str, list[dict[str, Any]]]


def without_missing(data: bytes, where: str) -> tuple[bytes, Missing]:
    """The same file without declared missing values, and what it declared: variable -> list of {"lo", "hi"}, as pyreadstat gives for .sav.

    Raises:
        ReadError: the file is cut short, or written in another character set.
    """
    lines = data.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    stream = "".join(line.ljust(_WIDTH) for line in lines if line)
    if stream[_TABLE] != _LETTERS:
        raise ReadError(
            "the portable file is written in a character set of its own", where=where, fix="save it as .sav, or as .por in ASCII"
        )
    dictionary = _Dictionary(stream, _START)
    try:
        dictionary.read()
    except (IndexError, ValueError):
        raise ReadError(
            f"the file is damaged or cut short: its dictionary breaks off at character {dictionary.at}", where=where, fix="fetch it again"
        ) from None
    kept, last = [], 0
    for start, end in dictionary.cuts:
        kept.append(stream[last:start])
        last = end
    whole = "".join([*kept, stream[last:]])
    whole += "Z" * (-len(whole) % _WIDTH)  # as every writer fills the last line
    wrapped = "\r\n".join(whole[at : at + _WIDTH] for at in range(0, len(whole), _WIDTH))
    return (wrapped + "\r\n").encode("latin-1"), dictionary.missing


@dataclass
class _Dictionary:
    """A walk over the records before the data."""

    stream: str
    at: int
    cuts: list[tuple[int, int]] = field(default_factory=list)
    missing: Missing = field(default_factory=dict)
    _is_text: dict[str, bool] = field(default_factory=dict)

    def read(self) -> None:
        self.at += 1  # version
        self._text(), self._text()  # date and time
        name = ""
        while (tag := self.stream[self.at]) != "F":
            start, self.at = self.at, self.at + 1
            if tag in "1236C":
                self._text()
            elif tag in "45":
                self._number()
            elif tag == "7":
                name = self._variable()
            elif tag in "89AB":
                self._declaration(tag, name)
                self.cuts.append((start, self.at))
            elif tag == "D":
                self._labels()
            elif tag == "E":
                for _ in range(int(self._number())):
                    self._text()
            else:
                raise ValueError(tag)

    def _variable(self) -> str:
        text = self._number() > 0
        name = self._text()
        for _ in range(6):
            self._number()
        self._is_text[name] = text
        return name

    def _declaration(self, tag: str, name: str) -> None:
        value = self._value(name)
        if tag == "8":
            part = {"lo": value, "hi": value}
        elif tag == "9":
            part = {"lo": -math.inf, "hi": value}
        elif tag == "A":
            part = {"lo": value, "hi": math.inf}
        else:
            part = {"lo": value, "hi": self._value(name)}
        self.missing.setdefault(name, []).append(part)

    def _labels(self) -> None:
        names = [self._text() for _ in range(int(self._number()))]
        for _ in range(int(self._number())):
            self._value(names[0])
            self._text()

    def _value(self, name: str) -> float | str:
        return self._text() if self._is_text[name] else self._number()

    def _text(self) -> str:
        length = int(self._number())
        start, self.at = self.at, self.at + length
        if self.at > len(self.stream):
            raise IndexError
        return self.stream[start : self.at]

    def _number(self) -> float:
        """A number in base 30, ended by a slash: sign, digits, a fraction, and an exponent (a power of 30)."""
        end = self.stream.index("/", self.at)
        written, self.at = self.stream[self.at : end].strip(), end + 1
        if written.startswith("*"):
            return math.nan
        sign = -1.0 if written.startswith("-") else 1.0
        body = written.lstrip("-")
        exponent = 0.0
        for mark, direction in (("+", 1), ("-", -1)):
            if mark in body:
                body, _, power = body.partition(mark)
                exponent = direction * _base30(power)
        whole, _, fraction = body.partition(".")
        value = _base30(whole) + (_base30(fraction) / 30 ** len(fraction) if fraction else 0)
        return float(sign * value * 30**exponent)


def _base30(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * 30 + _DIGITS.index(digit)
    return value
