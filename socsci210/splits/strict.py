"""The strict view: unseen studies, and their kin, are kept out of every training side.

The release publishes its conditions and outcomes without regard to seen and unseen studies: a study that is unseen as a whole lends rows to
the training sides of `unseen_conditions` and `unseen_outcomes`. A model trained on those has seen it. The strict view leaves such studies
out of training and validation; the test sides never change, so strict and plain scores are of the same rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schema import SPLIT_CONFIGS
from .sides import SIDES, TRAIN, VALIDATION, Sides
from .units import Units


def strict_studies(assignments: pa.Table) -> set[str]:
    """The studies that a strict view keeps out of training and validation: those in the test of unseen_studies, and all of their family."""
    whole = assignments.filter(pc.equal(assignments["config"], "unseen_studies"))
    families = pc.unique(whole.filter(pc.equal(whole["split"], "test"))["group"])
    return set(whole.filter(pc.is_in(whole["group"], families))["study_id"].to_pylist())


def strict_counts(studies: Sequence[Units], without: Collection[str], sides: Mapping[str, Sides]) -> dict[str, dict[str, int]]:
    """config -> split (train, validation) -> rows that the strict view leaves out, `without` being its `strict_studies`."""
    out = [sides[study.study_id] for study in studies if study.study_id in without]
    return {
        config: {SIDES[side]: sum(int(np.count_nonzero(own[line] == side)) for own in out) for side in (TRAIN, VALIDATION)}
        for line, config in enumerate(SPLIT_CONFIGS)
    }
