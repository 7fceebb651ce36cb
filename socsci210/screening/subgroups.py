"""Does the predicted effect differ between groups? Every group against everybody else, with Holm's correction over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from ..metrics.socsci210.codes import Floats
from ..metrics.socsci210.groups import group_of
from .effects import Effect
from .uncertainty import crossed

FEWEST: Final = 30  # people in a group, and outside it
CORRECTION: Final = "Holm (1979)"
SCHEMA: Final = pa.schema(
    [("outcome", pa.string()), ("arm", pa.string()), ("against", pa.string()), ("field", pa.string()), ("group", pa.string())]
    + [("n", pa.int64())]
    + [(name, pa.float64()) for name in ("effect", "low", "high", "difference", "difference_low", "difference_high", "p", "p_holm")]
    + [("differs", pa.bool_())]
)


def subgroup_effects(effects: Sequence[Effect], personas: pa.Table, fields: Sequence[str]) -> tuple[pa.Table, dict[str, int]]:
    """Effects by group in scale units, and how many groups are left out by field, being under `FEWEST` people.

    `difference` is the effect in the group less that among everybody else whose group is known; `p` is of no difference, `p_holm` after
    Holm's correction over all rows of the table, and `differs` says that it is under 0.05 and the sign is the same in every variant.
    """
    groups = {field: np.array([group_of(field, value) or "" for value in personas.column(field).to_pylist()]) for field in fields}
    rows: list[dict[str, Any]] = []
    left_out = {field: _small(groups[field]) for field in fields}
    for one in effects:
        change = one.answered.difference(one.arm, one.against)
        for field in fields:
            own = groups[field][one.answered.people]
            for name in sorted(set(own.tolist()) - {""}):
                inside, outside = own == name, (own != name) & (own != "")
                if min(inside.sum(), outside.sum()) >= FEWEST:
                    key = {"outcome": one.answered.outcome.id, "arm": one.arm, "against": one.against, "field": field, "group": name}
                    rows.append(key | _row(change, one.answered.weight, inside, outside))
    for row, corrected in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row |= {"p_holm": corrected, "differs": bool(corrected < 0.05 and row.pop("same_sign"))}
    return pa.Table.from_pylist([{name: row.get(name) for name in SCHEMA.names} for row in rows], SCHEMA), {
        field: n for field, n in left_out.items() if n
    }


def _small(groups: Any) -> int:
    n = np.unique(groups[groups != ""], return_counts=True)[1]
    return int((n < FEWEST).sum())


def _row(change: Floats, weight: Floats, inside: Any, outside: Any) -> dict[str, Any]:
    pull = np.where(inside, weight / weight[inside].sum(), 0.0)
    rest = np.where(outside, weight / weight[outside].sum(), 0.0)
    own, off = crossed(change, pull), crossed(change, pull - rest, inside.astype(np.int64))
    signs = np.sign(off.by_variant)
    return {
        "n": int(inside.sum()), "effect": own.value, "low": own.low, "high": own.high, "difference": off.value,
        "difference_low": off.low, "difference_high": off.high, "p": off.p, "same_sign": bool((signs == signs[0]).all()),
    }  # fmt: skip


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values (Holm 1979): the chance of any false finding among all stays under the level.

    >>> [round(value, 3) for value in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.asarray(p, np.float64)[order] * np.arange(len(p), 0, -1))
    out = np.empty(len(p))
    out[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in out]
