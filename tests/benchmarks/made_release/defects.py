"""What is planted, where and how often: defects that the audit has a rule for, and decoys that only look like them.

Study ids are those in which the release has the defect, where it is known; the rates are near the known ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

ROW_RULES: Final = (
    "off_scale", "condition_offset", "missing_code", "template_residue", "none_in_text", "blank_level", "lost_treatment", "elided_text",
    "redacted_text", "described_media", "reused_task", "label_contradiction", "persona_differs",
)  # fmt: skip
EXCLUDED: Final = ("off_scale", "missing_code", "template_residue", "none_in_text", "blank_level", "lost_treatment")
"""Rules whose rows have no usable answer: `response_true` is null."""


@dataclass(frozen=True)
class TextFlaw:
    """A defect of the treatment. `how`: a sentence put in its middle, or the name of a change. `rate`: share of the rows."""

    rule: str
    how: str
    rate: float = 1.0


TEXT_FLAWS: Final[Mapping[str, tuple[TextFlaw, ...]]] = {
    "4fsg5": (
        TextFlaw("elided_text", "The letter went on about costs ... and closed with thanks."),
        TextFlaw("template_residue", "The council then chose to {action_map[letter]} the offer.", 0.2),
    ),
    "es4xw": (TextFlaw("template_residue", "Dear ${e://Field/first_name}, the council thanks you for your time.", 0.25),),
    "jmtyn": (TextFlaw("template_residue", "Last week {speaker_name} spoke about it on the radio.", 0.15),),
    "4gczb": (TextFlaw("none_in_text", "The speaker was someone with None years in politics.", 0.46),),
    "qkhdg": (TextFlaw("none_in_text", "The council set aside nan dollars for it.", 0.1),),
    "8ctbk": (TextFlaw("blank_level", "The offer lists: Work: in six months; Cost: BLANK.", 0.39),),
    "ndhyr": (TextFlaw("lost_treatment", "code name"),),
    "xc4yq": (TextFlaw("elided_text", "cut off"),),
    "de5hx": (TextFlaw("elided_text", "The mayor answered … and nobody objected.", 0.5),),
    "q9w6s": (TextFlaw("redacted_text", "The paper of [city name redacted] printed the whole story."),),
    "v6kqy": (TextFlaw("described_media", "You viewed an image of a smiling family in front of their home."),),
    "savkp": (TextFlaw("described_media", "You watched a video of two minutes in which neighbors spoke."),),
    "jtgyq": (TextFlaw("described_media", "You viewed a graphic that showed the costs over ten years.", 0.5),),
    "xy8jw": (TextFlaw("described_media", "You looked at a photograph of a crowded town square."),),
}
CONTRADICTION: Final = "j38gd"  # outcome 0 asks who favors or opposes, its labels say willing and unwilling


@dataclass(frozen=True)
class Strays:
    """Wrong answers among those of one outcome. `share` of its rows, and at least one; `number` at full size where it is known."""

    rule: str
    task: int
    values: tuple[int, ...]
    share: float


STRAYS: Final[Mapping[str, tuple[Strays, ...]]] = {
    "9nphm": (Strays("missing_code", 0, (98,), 12 / 2116),),
    "b87sm": (Strays("missing_code", 0, (98,), 198 / 1500),),
    "ztwqy": (Strays("missing_code", 0, (99999,), 0.01),),
    "tcg8p": (Strays("missing_code", 0, (77777, 99998, 99999), 0.03),),
    "j986z": (Strays("missing_code", 0, (99, 77), 0.01),),
    "yuazs": (Strays("missing_code", 0, (-1,), 0.02),),
    "n96d8": (Strays("missing_code", 0, (998, 999), 0.01),),
    "evnyh": (Strays("off_scale", 0, (0,), 0.05),),
    "a693y": (Strays("off_scale", 0, (10, 11, 15), 0.01),),
    "mkgvp": (Strays("off_scale", 0, (101, 120, 250), 0.02),),
    "5mt6r": (Strays("off_scale", 0, (0, 6), 0.004),),
    "vnm9y": (Strays("off_scale", 0, (150, 305), 0.02),),
}
OLDER: Final = "waq4m"  # some people are a year older in their last row
OFFSET: Final = "8ctbk"  # choices of outcome 0 are stored as 2 * condition + choice

# Outcomes whose answer format is not left to chance: study -> outcome -> (pattern, ends)
FORMATS: Final[Mapping[str, Mapping[int, tuple[str, tuple[int, int] | None]]]] = {
    "9nphm": {0: ("endpoints", (1, 7))},
    "b87sm": {0: ("endpoints", (1, 7))},
    "ztwqy": {0: ("unbounded", None)},
    "tcg8p": {0: ("unbounded", None)},
    "kwfs3": {0: ("unbounded", None), 1: ("unbounded", None)},
    "zrwjp": {0: ("unbounded", None)},
    "j986z": {0: ("plain", (1, 7))},
    "yuazs": {0: ("endpoints", (1, 5))},
    "n96d8": {0: ("unit", (0, 100))},
    "evnyh": {0: ("all_after", None)},
    "a693y": {0: ("endpoints", (1, 7))},
    "mkgvp": {0: ("plain", (0, 100))},
    "5mt6r": {0: ("all_inside", None)},
    "vnm9y": {0: ("multiple", None)},
    "8ctbk": {0: ("two_options", (1, 2)), 1: ("endpoints", (1, 7))},
    "j38gd": {0: ("endpoints", (1, 5))},
    "53kjy": {0: ("endpoints", (0, 4))},
    "cdgp2": {0: ("plain", (0, 7))},
    "3ydty": {1: ("two_options", (1, 2))},
    "cug34": {1: ("unit", (0, 2800))},
    "ams2u": {0: ("unit", (0, 2000)), 1: ("signed", None), 2: ("bins", None), 3: ("if_options", None)},
    "yn7mx": {0: ("signed", None)},
    "hz5rt": {0: ("unit", (0, 100))},
    "es4xw": {0: ("corresponds", None)},
    "wmsah": {1: ("bracket_ends", None)},
    "py9q3": {1: ("ends_after", None)},
    "84vy3": {0: ("no_comma", None), 1: ("equals", None), 2: ("number", None)},
    "5vyzq": {0: ("options", None)},
    "kryns": {1: ("endpoints_open", None)},
}
WIDER: Final = {"53kjy": (0, 5), "cdgp2": (0, 8)}  # outcome 0: range stated in every second condition
OTHER_LABELS: Final = "3ydty"  # outcome 1: the names of the two options differ by condition
OUTLIERS: Final = {"kwfs3": 60_100_000, "tcg8p": 2_500_000}  # one answer in the first condition of outcome 0
CONSTANT: Final = ("9nphm", "yp736")  # everybody in the last condition gives one answer to the last outcome: the published 2 of 803 cells
FEWER_TEXTS: Final = {"sd7cf": 3, "z358z": 2, "b87sm": 2, "evnyh": 7}  # distinct treatments

# --- decoys --------------------------------------------------------------------------------------------------------------------------

TEXT_DECOYS: Final[Mapping[str, Mapping[str, str]]] = {  # kind -> study -> sentence put in the middle of every treatment
    "braces_in_prose": {
        "hz5rt": "On its sign the club writes {members, guests} with braces and draws a face like :-} below.",
        "wmsah": "In the language of sets this is {a, b} without c.",
    },
    "none_as_a_word": {
        "yjvpn": "Of the shops, None of the Above Books was the first to close.",
        "gzdnf": "Some said a lot and some said None at all.",
    },
    "image_in_prose": {"py9q3": "The town wants to improve its image, and the picture of the future is bright."},
    "blank_in_prose": {"5vyzq": "Many left the form blank, and the blank page was kept."},
    "stimulus_in_prose": {"yp736": "A stimulus check of 600 dollars reached most homes, and version 2 of the plan followed."},
    "brackets_in_prose": {"kryns": "The mayor [who grew up here] thanked them all."},
    "dollar_amounts": {"8jv6a": "It costs $40 per home and $90 per shop."},
}
QUESTION_DECOYS: Final = {"84vy3": "Finish the thought in your own mind: I would ..."}  # kind ellipsis_in_question: shown to everybody
CODE_ON_SCALE: Final = {"hz5rt": (0, (98, 99)), "ams2u": (0, (999, 98)), "cug34": (1, (999,))}  # study -> outcome, values
BOUNDED_OUTLIER: Final = ("cug34", 1)  # all answers small but one, on a scale that allows it
CODE_AMONG_OTHERS: Final = ("zrwjp", 0, 999)  # no bounds, but many answers near it: a true one
