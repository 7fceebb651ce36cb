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

A study of the release (`Units.official` is a mapping) keeps what was published with it:

* Its seen or unseen side, and in `unseen_conditions` and `unseen_outcomes` the published side of each row. A test side is exactly the
  published rows: the rule on shared text never thins it, `overlaps` counts what it shares with training. A unit with rows on both published
  sides has the split `mixed`. A row in neither list, and a study without an entry, stand outside the config.
* Validation is carved from the published training side: of the groups of units with no row in the test, an eighth by hash (at least one
  where there are three). Validation rows whose text stands in training or in the test are left out, as everywhere. Training is the
  rest of the published training side.
* The two published files of row sides take no notice of seen and unseen studies: an unseen study is in the training sides of
  `unseen_conditions` and `unseen_outcomes`. That is right for a model trained and scored in one config, and a leak as soon as a model
  trained in one is scored in another, or beside a model that was trained on the seen studies. So the strict view (`strict_studies`,
  `socsci210.load(..., strict=True)`) leaves unseen studies and all of their family, known sisters included, out of training and validation
  in every config. It never changes a test side.
"""

from .assign import FRACTIONS, assign, study_side
from .families import family_keys, official_studies
from .hashing import SALT, position
from .partition import check_disjoint, overlaps, partition
from .sides import MIXED, NONE, SIDES, TEST, TEXT_CONFIGS, TRAIN, VALIDATION
from .strict import strict_counts, strict_studies
from .units import Units, text_keys, units_of

__all__ = [
    "FRACTIONS",
    "MIXED",
    "NONE",
    "SALT",
    "SIDES",
    "TEST",
    "TEXT_CONFIGS",
    "TRAIN",
    "VALIDATION",
    "Units",
    "assign",
    "check_disjoint",
    "family_keys",
    "official_studies",
    "overlaps",
    "partition",
    "position",
    "strict_counts",
    "strict_studies",
    "study_side",
    "text_keys",
    "units_of",
]
