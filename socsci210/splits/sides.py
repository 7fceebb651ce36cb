"""The sides on which a row or a unit can stand, and their codes."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ..schema import SPLITS

SIDES: Final = (*SPLITS, "none")
"""What the codes of `partition` stand for, in order."""
MIXED: Final = "mixed"
"""Split of a unit whose rows the release puts on both of its sides."""
TEXT_CONFIGS: Final = ("unseen_studies", "unseen_conditions", "unseen_outcomes")
"""The configs that hold out text; in `unseen_participants` everyone reads the same."""
PUBLISHED: Final = ("unseen_conditions", "unseen_outcomes")
"""The configs whose sides the release publishes row by row."""
TRAIN, VALIDATION, TEST, NONE = range(4)

Sides = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
