"""Parts of a study file explained on made-up examples, for the tool `example_study`."""

from __future__ import annotations

from typing import Final, Literal, get_args

Part = Literal["between", "factorial", "exclusive_questions", "fills", "scales", "items", "conjoint", "missing", "demographics", "quotes"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)

LESSONS: Final[dict[Part, str]] = {
    "between": """\
One column tells the arm. The control may have an empty text; then its stimulus is the question alone.
{"design": "between", "conditions": [
  {"id": "control", "label": "No letter", "where": "ARM = 1", "control": true, "text": []},
  {"id": "letter", "label": "A letter", "where": "ARM = 2", "frame": "read", "text": [{"doc": "questionnaire", "blocks": [12, 13]}]}]}
Where each arm has a column of 0 and 1 instead: "where": "LETTER = 1", and for the control "LETTER = 0 AND CALL = 0".""",
    "factorial": """\
Several columns, or one code that packs them, make the arms. Say under factors what differs; arms that differ in one factor must differ in
the text that this factor changes, and in nothing else.
{"id": "long_friend", "label": "Long text, from a friend", "where": "LENGTH = 2 AND SENDER = 1",
 "factors": {"length": "long", "sender": "friend"}, "text": [{"doc": "questionnaire", "blocks": [20, 24]}]}""",
    "exclusive_questions": """\
No column tells the arm, each group was asked its own question: the arm is who has a code there. Use variants for the columns.
{"id": "first_wording", "where": "Q1A IS NOT NULL AND Q1A <> -2", "reads_outcome": "only the question asked tells the arm", "text": []}
{"id": "support", "variants": [{"conditions": ["first_wording"], "column": "Q1A", "question": [{"label": "Q1A"}]},
                               {"conditions": ["second_wording"], "column": "Q1B", "question": [{"label": "Q1B"}]}], "scale": {...}}""",
    "fills": """\
A blank in a quoted text, filled from a closed set of quotations by a column of the row (or by condition). Never people's own words.
"fills": {"town": {"column": "TOWN", "values": "value_labels"}},
"text": [{"doc": "questionnaire", "blocks": [7], "replace": {"\\\\[TOWN\\\\]": "{town}"}}]""",
    "scales": """\
{"min": 1, "max": 7, "kind": "ordinal", "direction": "up", "value_labels": "Q4"} takes the labels of column Q4.
Without value labels in the file, quote them: "labels": {"1": {"doc": "questionnaire", "blocks": [31]}, "7": {...}}.
direction: up where a higher code means more of what the outcome's id names; `support` whose code 1 is "Strongly support" is down.
binary scales have two values, both labelled. numeric scales may leave min and max out and give a unit.""",
    "items": """\
Several stimuli under one outcome: every item binds names that stand in braces in columns and texts.
"items": [{"id": "first", "bind": {"n": 1}}, {"id": "second", "bind": {"n": 2}}], "column": "RATE_{n}" """,
    "conjoint": """\
{"design": "conjoint"}; an outcome with items for the tasks and attributes for what each profile showed.
"attributes": [{"name": "price", "profile": "a", "column": "T{task}_A_PRICE", "title": {"doc": "questionnaire", "blocks": [5]}}],
where the question holds {a}: the profile is rendered there.""",
    "missing": """\
Codes that stand for no answer: "data": {"missing": {"*": {"-1": "refused"}, "Q7": {"98": "dont_know"}}}, or "missing" of one outcome.
`*` means every column: use it only where the code is an ordinary answer nowhere.
Reasons: refused, dont_know, skipped, not_asked, missing, other.""",
    "demographics": """\
{"crosswalk": "knowledgepanel"} where show_crosswalk fits; else fields by hand: {"fields": {"gender": {"columns": ["SEX"],
"values": {"1": "male", "2": "female"}}, "age": {"columns": ["AGE"]}}}. "fields": {"party": null} takes a field out.""",
    "quotes": """\
One source each: {"doc": "questionnaire", "blocks": [41]}, {"label": "Q4"}, {"value_label": ["Q4", 1]}, {"header": "Q4"} (second header),
{"description": "A photograph of a harbour"} (your words, for images only). Then edits: "extract": "one (group)", "drop": ["^Q4\\\\. "],
"replace": {"\\\\[NAME\\\\]": "{name}"}. Patterns are RE2.""",
}
