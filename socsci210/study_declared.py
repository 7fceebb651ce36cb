"""What a study file declares for its gates: the numbers that its source prints, and the places where a gate does not apply."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .schema import Identifier, Many, Strict, Text, Whole

Excusable = Literal[
    "minimal_pairs", "arm_counts", "scale_direction", "scale_used", "amounts", "question_varies", "asked_equally", "leakage", "elision"
]


class Stated(Strict):
    """A number printed by the study's own source, which the build must reproduce as it is printed.

    `n`: people in the study, or in `condition`, or answers to `outcome`; `share`: of people in `condition`, or of the answers to
    `outcome` that are one of `answers`; `mean`: of `outcome` (in `condition`, if given); `difference`: the mean of `outcome` in
    `condition` less that in `than`.
    """

    what: Literal["n", "share", "mean", "difference"]
    value: Annotated[float, Field(allow_inf_nan=False)]
    decimals: Annotated[int, Field(ge=0, le=9)] | None = None
    """Digits printed after the point, where the number ends in zeros: 3.20 has two, but YAML keeps 3.2."""
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """For a number that is not a result but a plan (one third in each arm). Without it, half of the last digit printed; nothing for `n`."""
    condition: Identifier | None = None
    than: Identifier | None = None
    outcome: Identifier | None = None
    answers: Many[Whole] = ()
    weighted: bool = False
    """Whether the source printed a weighted number."""
    printed_in: Text

    @model_validator(mode="after")
    def _parts(self) -> Stated:
        if (self.what == "difference") != (self.than is not None):
            raise ValueError("`than` is for a difference, and a difference needs it: the condition whose mean is taken off")
        if bool(self.answers) != (self.what == "share" and self.outcome is not None):
            raise ValueError("a share of answers needs both `outcome` and `answers`; other numbers have no `answers`")
        if self.weighted and self.what == "n":
            raise ValueError("a weighted n is no count of people")
        return self

    @property
    def slack(self) -> float:
        """How far the build may be off."""
        if self.tolerance is not None:
            return self.tolerance
        if self.what == "n":
            return 0.0
        exponent = Decimal(repr(self.value)).normalize().as_tuple().exponent
        digits = self.decimals if self.decimals is not None else max(0, -exponent) if isinstance(exponent, int) else 0
        return 0.5 * 10.0**-digits


class Exempt(Strict):
    """Where a gate does not apply, and why: shown to every reviewer. One that excuses nothing is a fault itself."""

    gate: Excusable
    conditions: Many[Identifier] = ()
    """The conditions it is about; empty: whichever the gate names."""
    outcomes: Many[Identifier] = ()
    """The outcomes it is about; empty: whichever the gate names."""
    why: Text
