"""From a text with blanks to the stimulus of every person: each distinct stimulus is put together once, all of them at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import GateError
from .blanks import NONE, Blank
from .wording import Asked

Ints = npt.NDArray[np.int64]


class Stimuli(NamedTuple):
    """Distinct texts, and the place of each person's among them."""

    texts: pa.Array
    code: Ints


def render(asked: Asked, blanks: Mapping[str, Blank], people: Ints, where: str) -> Stimuli:
    """The stimulus of some people who were asked one question in one condition.

    Args:
        asked: the question.
        blanks: by name, every blank that its text holds.
        people: who answered.
        where: study, outcome and condition, for messages.

    Raises:
        GateError: a person has no value for a blank.
    """
    names = asked.blanks
    if not names:
        return Stimuli(pa.array([asked.template()]), np.zeros(len(people), np.int64))
    used = [blanks[name] for name in names]
    for blank in used:
        blank.check(people)
    combinations, code = _combinations([blank.code[people].astype(np.int64) for blank in used])
    texts: list[pa.Array] = []
    order: list[Ints] = []
    absent = (combinations == NONE) @ (1 << np.arange(len(names)))
    for pattern in np.unique(absent):
        rows = np.flatnonzero(absent == pattern)
        without = [name for bit, name in enumerate(names) if int(pattern) >> bit & 1]
        texts.append(_fill(asked.template(without), names, used, combinations[rows], without, where))
        order.append(rows)
    places = np.empty(len(combinations), np.int64)
    places[np.concatenate(order)] = np.arange(len(combinations))
    return Stimuli(pa.concat_arrays(texts), places[code])


def _combinations(codes: Sequence[Ints]) -> tuple[Ints, Ints]:
    """The distinct combinations of codes, shape (combinations, blanks), ascending, and the one of each person."""
    key = np.zeros(len(codes[0]), np.int64)
    for column in codes:
        _, key = np.unique(key * (int(column.max(initial=0)) + 2) + column + 1, return_inverse=True)  # dense, so it never overflows
    _, first = np.unique(key, return_index=True)
    return np.stack([column[first] for column in codes], axis=1), key


def _fill(template: str, names: Sequence[str], used: Sequence[Blank], codes: Ints, without: Sequence[str], where: str) -> pa.Array:
    pieces: list[pa.Array | str] = []
    for piece in re.split("(" + "|".join(re.escape(f"{{{name}}}") for name in names) + ")", template):
        name = piece[1:-1]
        if not (piece.startswith("{") and name in names):
            pieces.append(piece)
        elif name in without:
            raise GateError(
                "fills",
                f"people without a value for {piece} were asked a question that holds it",
                where=where,
                expected="`absent` for blanks of a condition's text or an outcome's context alone",
                fix=f"say under `asked` who was asked, or give {name} a value for them",
            )
        else:
            place = names.index(name)
            pieces.append(used[place].texts.take(pa.array(codes[:, place])))
    if all(isinstance(piece, str) for piece in pieces):
        return pa.array(["".join(str(piece) for piece in pieces)] * len(codes), pa.string())
    return pc.binary_join_element_wise(*pieces, "")
