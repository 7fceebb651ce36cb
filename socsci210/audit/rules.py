"""The rules by name: what each looks for, which known defects of the release it stands for, and what is done about it.

`action` says what the clean view does with a row that the rule touches: `rebase` corrects the answer, `missing` and `exclude` leave the row
out, `item_num` tells the repeated questions apart, `note` changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["row", "cell", "study", "dataset"]
Action = Literal["rebase", "missing", "exclude", "item_num", "note"]


@dataclass(frozen=True)
class Rule:
    """One rule. `defects` are the numbers of the known defects of the release."""

    name: str
    defects: tuple[int, ...]
    level: Level
    action: Action
    title: str
    meaning: str
    fix: str

    @property
    def counts(self) -> Literal["rows", "people"]:
        """What its findings count."""
        return "people" if self.name in _ABOUT_PEOPLE else "rows"


_ABOUT_PEOPLE: Final = ("missing_demographics", "mixed_ideology", "persona_facts", "income_floor", "gender_or_ethnicity")
_LEFT_OUT: Final = "clean=True leaves these rows out."
_NOTED: Final = "Nothing is changed; leave the rows out by their flag if it matters to you."

_ALL: Final = (
    Rule(
        "condition_offset", (10,), "row", "rebase", "Answers offset by condition",
        "In each condition all answers lie on a copy of the stated scale, moved by the condition's number times the number of options. "
        "No two copies overlap, so every answer belongs to one option only.",
        "clean=True subtracts the offset.",
    ),
    Rule(
        "missing_code", (13,), "row", "missing", "Missing codes kept as answers",
        "A conventional code for no answer: off the stated scale, or, where no bounds are stated, with no answer within a factor of three.",
        _LEFT_OUT,
    ),
    Rule(
        "off_scale", (12, 16, 17), "row", "exclude", "Answers off the stated scale",
        "The answer is not one that the question allows, and nothing says which one was meant.",
        _LEFT_OUT,
    ),
    Rule(
        "template_residue", (19,), "row", "exclude", "Unfilled template",
        "A placeholder of a program, such as a name in braces, stands where the participant read words.",
        _LEFT_OUT,
    ),
    Rule(
        "none_in_text", (21,), "row", "exclude", "A program's None in the text",
        "A value that was missing was written out as None or nan in the middle of a sentence.",
        _LEFT_OUT,
    ),
    Rule(
        "blank_level", (22,), "row", "exclude", "BLANK in place of a level",
        "An attribute of a profile reads BLANK, so the text does not say what the participant saw.",
        _LEFT_OUT,
    ),
    Rule(
        "lost_treatment", (20,), "row", "exclude", "Treatment lost to a code name",
        "The text names a version of the treatment instead of quoting it.",
        _LEFT_OUT,
    ),
    Rule("elided_text", (23,), "row", "note", "Elided treatment", "The treatment holds an ellipsis: part of it may be missing.", _NOTED),
    Rule("redacted_text", (24,), "row", "note", "Redacted text", "A note in brackets stands in place of words that are left out.", _NOTED),
    Rule(
        "described_media", (27,), "row", "note", "Images, video or sound described",
        "The participant saw or heard something that the text only describes.",
        _NOTED,
    ),
    Rule(
        "label_contradiction", (18,), "row", "note", "Labels of another kind of answer",
        "The question offers one pair of answers (favour or oppose), the labels of the scale another (willing and unwilling).",
        _NOTED,
    ),
    Rule(
        "reused_task", (2, 3), "row", "item_num", "Outcome number used again for the same person",
        "The same person answers several times under one condition and one task_num, so that the four ids are no key.",
        "The rows are told apart by item_num; (study_id, sample_id) is the key.",
    ),
    Rule(
        "persona_differs", (30,), "row", "note", "Persona that changes between rows",
        "The demographic of one person is not the same in all of that person's rows.",
        "The participants table keeps the first; the rows keep their own.",
    ),
    Rule(
        "scales_differ", (5,), "cell", "note", "Scale that differs by condition",
        "The conditions of one outcome state different ranges or labels.",
        "Scores read the scale of each cell; compare conditions on [0, 1] only.",
    ),
    Rule(
        "outlier_range", (15,), "cell", "note", "Range set by one answer",
        "No bounds are stated, and more than half of the observed range is there for a single answer (Dixon's Q above one half), so that "
        "any distance divided by that range is tiny.",
        "Do not score the cell on its observed range.",
    ),
    Rule(
        "unbounded", (14,), "cell", "note", "No stated bounds",
        "The question states no smallest and largest answer.",
        "Scored on the range of other cells of the outcome on the training side, or not at all.",
    ),
    Rule(
        "constant_answer", (14,), "cell", "note", "One answer only",
        "Everybody in the cell gave the same answer, so that its observed range is zero.",
        "The published convention skips the cell.",
    ),
    Rule(
        "fewer_texts", (6, 25, 26), "study", "note", "Conditions with the same texts",
        "Some conditions show exactly the same texts in every outcome that they share: what was varied is not in the text.",
        "Do not take these conditions for different stimuli; treat them as one.",
    ),
    Rule(
        "one_condition", (7,), "study", "note", "One condition",
        "The study has a single condition, so that it holds no experimental contrast.",
        "It stands outside the split by conditions.",
    ),
    Rule(
        "sparse_conditions", (6,), "study", "note", "Condition numbers with gaps",
        "The numbers of the conditions do not run from 0 without a gap.",
        "Never take condition_num for a position or a count.",
    ),
    Rule(
        "within_subject", (7,), "study", "note", "People in several conditions",
        "The same person answered in more than one condition: conditions do not divide people.",
        "Compare conditions within people, or cluster by person.",
    ),
    Rule(
        "missing_demographics", (30,), "study", "note", "Persona fields that nobody has",
        "At least half of the 16 demographic fields have no value for anybody in the study.",
        "Do not compare persona effects across studies without looking at which fields they have.",
    ),
    Rule(
        "mixed_ideology", (33,), "study", "note", "Two vocabularies of ideology",
        "Both panels' words for ideology occur among the people of the study; neither list maps onto the other.",
        "Keep the two lists apart.",
    ),
    Rule(
        "persona_facts", (33,), "study", "note", "Persona values to read with care",
        "The largest household size is a top code, people under 18 have no education, or a value is outside the field's vocabulary.",
        "Read the values as the detail says.",
    ),
    Rule(
        "twin_studies", (35, 36), "dataset", "note", "Studies that look like the same one",
        "Two studies have equal counts of rows, people, conditions and outcomes, or at least half of the treatments of one are also those "
        "of the other.",
        "Keep both on one side of a split: strict=True does so for known sisters.",
    ),
    Rule(
        "income_floor", (32,), "dataset", "note", "No low incomes",
        "In whole studies with at least 100 incomes nobody has less than 20,000 dollars a year, which chance does not explain.",
        "Do not read income effects at the low end.",
    ),
    Rule(
        "gender_or_ethnicity", (31,), "dataset", "note", "Gender or ethnicity, never both",
        "Some people have a gender and some an ethnicity, and nobody has both.",
        "Effects of the two cannot be told apart from effects of the panel.",
    ),
)  # fmt: skip
RULES: Final[dict[str, Rule]] = {rule.name: rule for rule in _ALL}
ROW_RULES: Final = tuple(rule.name for rule in _ALL if rule.level == "row")
