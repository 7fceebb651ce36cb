"""What a gate finds that a study file may excuse, with a reason: which conditions and outcomes it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Final, NamedTuple

from ..errors import GateError
from ..study_declared import Exempt
from .made import Made

Gate = Callable[[Made], Iterator[GateError]]
_RAW: Final[dict[str, Callable[[Made], Iterator[Finding]]]] = {}


class Finding(NamedTuple):
    """A fault, with the ids of the conditions and outcomes it is about."""

    error: GateError
    conditions: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()

    def excused_by(self, exempt: Exempt) -> bool:
        """Whether an exception of the study file covers it."""
        return (
            exempt.gate == self.error.gate
            and (not exempt.conditions or self.conditions <= set(exempt.conditions))
            and (not exempt.outcomes or self.outcomes <= set(exempt.outcomes))
        )


def finding(
    gate: str, found: str, *, where: str, expected: str, fix: str, conditions: Iterable[str] = (), outcomes: Iterable[str] = ()
) -> Finding:
    """A finding with its error."""
    return Finding(GateError(gate, found, where=where, expected=expected, fix=fix), frozenset(conditions), frozenset(outcomes))


def excusable(gate: Callable[[Made], Iterator[Finding]]) -> Gate:
    """A gate that leaves out what the study file excuses."""
    name = gate.__name__
    _RAW[name] = gate

    @wraps(gate)
    def checked(made: Made) -> Iterator[GateError]:
        excuses = [exempt for exempt in made.study.exceptions if exempt.gate == name]
        for found in gate(made):
            if not any(found.excused_by(exempt) for exempt in excuses):
                yield found.error

    return checked


def exceptions(made: Made) -> Iterator[GateError]:
    """Every exception that the study file makes excuses something."""
    for number, exempt in enumerate(made.study.exceptions):
        if not any(found.excused_by(exempt) for found in _RAW[exempt.gate](made)):
            yield GateError(
                "exceptions",
                f"the gate {exempt.gate} finds nothing here",
                where=made.where(f"exceptions[{number}]"),
                expected="exceptions that are needed",
                fix="take it out, or correct its conditions and outcomes",
            )
