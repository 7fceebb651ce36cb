"""The four splits: who and what is held out, decided by published rules and salted hashes alone.

Pure functions, no files. In the order of use:

    units = [Units(...), ...]                    # one per study, entries per row (or units_of(rows, studies, participants))
    assignments = assign(units)                  # the published table, schema.ASSIGNMENTS
    sides = partition(units, assignments)        # per study: on which side each row stands, in each of the four configs
    check_disjoint(units, sides)                 # raises if a unit or a text stands on two sides
    overlaps(units, assignments, sides)          # what was shared, what was left out, for the build to print

The rules:

* `unseen_studies`: whole families of studies, by threshold on the hash of the family (`study_side`), so that a new study moves no other;
  studies of the official list keep their official side. A side that would be empty takes the nearest family.
* `unseen_conditions`, `unseen_outcomes`: inside a study, groups of units with identical text are ranked by hash; the first quarter is held
  out for testing, an eighth of the rest for validation. Only a group with some text of its own can be held out.
* `unseen_participants`: inside the seen studies, people ranked by hash: half for testing, a tenth of the rest for validation; the
  training fractions nest.
* After that, in the three configs that hold out text, a held-out row whose stimulus also stands on the training side, in any study, is
  left out of the config (side `none`), as is a validation row whose stimulus also stands in the test.
* Studies with truncated text are in `unseen_participants` only; studies with nothing to hold out stand outside the config.
"""

from .assign import FRACTIONS, assign, study_side
from .families import family_keys, official_studies
from .hashing import SALT, position
from .partition import SIDES, TEXT_CONFIGS, check_disjoint, overlaps, partition
from .units import Units, text_keys, units_of

__all__ = [
    "FRACTIONS",
    "SALT",
    "SIDES",
    "TEXT_CONFIGS",
    "Units",
    "assign",
    "check_disjoint",
    "family_keys",
    "official_studies",
    "overlaps",
    "partition",
    "position",
    "study_side",
    "text_keys",
    "units_of",
]
