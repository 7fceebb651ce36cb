"""Made-up deposits in the shapes that deposits come in: each with its key, so that a profile can be held against what is true of it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat

PEOPLE = 720
Column = Sequence[Any]
Random = np.random.Generator


@dataclass(frozen=True)
class Shape:
    """One data file and what is true of it."""

    columns: Mapping[str, Column]
    arms: frozenset[str]
    """The columns that tell the arm."""
    outcomes: tuple[str, ...]
    file: str = "answers.csv"
    missing: Mapping[str, frozenset[int | str]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    """Variable labels, or the second header row of a csv."""
    value_labels: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    delimiter: str = ","
    import_ids: bool = False
    kind: str | None = None
    """The kind of the candidate that must hold the arms, where it matters."""
    crosswalk: str | None = None

    def write(self, folder: Path) -> Path:
        """The data file."""
        path = folder / self.file
        if path.suffix in (".sav", ".dta"):
            self._write_statistical(path)
        else:
            with path.open("w", newline="") as stream:
                writer = csv.writer(stream, delimiter=self.delimiter)
                writer.writerow(self.columns)
                if self.labels:
                    writer.writerow([self.labels.get(name, name) for name in self.columns])
                if self.import_ids:
                    writer.writerow([f'{{"ImportId":"QID{place}"}}' for place, _ in enumerate(self.columns)])
                writer.writerows(zip(*self.columns.values(), strict=True))
        return path

    def _write_statistical(self, path: Path) -> None:
        frame = pd.DataFrame({name: list(column) for name, column in self.columns.items()})
        options: dict[str, Any] = {"variable_value_labels": {name: dict(codes) for name, codes in self.value_labels.items()}}
        labels = [self.labels.get(name) for name in frame]
        if path.suffix == ".dta":
            pyreadstat.write_dta(frame, str(path), column_labels=labels, **options)
        else:
            pyreadstat.write_sav(frame, str(path), column_labels=labels, **options)


SHAPES: dict[str, Callable[[Random], Shape]] = {}


def shape(make: Callable[[Random], Shape]) -> Callable[[Random], Shape]:
    """Adds one to SHAPES under its function's name."""
    SHAPES[make.__name__] = make
    return make


def made(name: str, draw: int = 0) -> Shape:
    """One draw of the shape of that name, the same every time."""
    return SHAPES[name](np.random.default_rng([sum(name.encode()), draw]))


def ids(random: Random) -> list[str]:
    return [f"R_{random.integers(1 << 60):015x}" for _ in range(PEOPLE)]


def drawn(random: Random, *levels: Any, p: Sequence[float] | None = None) -> list[Any]:
    """Assigned by a coin: sizes differ as chance makes them."""
    return [levels[place] for place in random.choice(len(levels), PEOPLE, p=p)]


def dealt(random: Random, *levels: Any) -> list[Any]:
    """Assigned in equal numbers."""
    cards = [levels[place % len(levels)] for place in range(PEOPLE)]
    return [cards[place] for place in random.permutation(PEOPLE)]


def answers(random: Random, arm: Column, top: int = 7) -> list[int]:
    """Answers from 1 to `top` that shift with the arm, of people who favour the middle."""
    shift = {level: place for place, level in enumerate(dict.fromkeys(arm))}
    means = np.array([top * (0.45 + 0.06 * shift[level]) for level in arm])
    return [int(one) for one in np.clip(np.round(random.normal(means, top / 4.5)), 1, top)]


def some_missing(random: Random, column: Column, code: Any, share: float = 0.04) -> list[Any]:
    return [code if random.random() < share else one for one in column]


def people(random: Random) -> dict[str, Column]:
    return {
        "age": [int(age) for age in random.integers(18, 85, PEOPLE)],
        "gender": drawn(random, 1, 2, 3, p=[0.48, 0.5, 0.02]),
        "educ": drawn(random, 1, 2, 3, 4, 5, p=[0.1, 0.3, 0.25, 0.2, 0.15]),
        "race": drawn(random, 1, 2, 3, 4, p=[0.65, 0.13, 0.14, 0.08]),
    }


def only(column: Column, who: Sequence[bool]) -> list[Any]:
    """Blank for everybody else."""
    return [one if asked else "" for one, asked in zip(column, who, strict=True)]


@shape
def dummies_without_control(random: Random) -> Shape:
    """A column of 0 and 1 per treatment; control has none."""
    arm = drawn(random, "control", "gain", "loss")
    columns = {
        "id": ids(random),
        **people(random),
        "treat_gain": [int(a == "gain") for a in arm],
        "treat_loss": [int(a == "loss") for a in arm],
    }
    columns |= {f"dv{n}": answers(random, arm, 5) for n in (1, 2, 3)}
    return Shape(columns, frozenset({"treat_gain", "treat_loss"}), ("dv1", "dv2", "dv3"), kind="dummies")


@shape
def dummies_of_every_arm(random: Random) -> Shape:
    """Four columns of 0 and 1 without a word for conditions in their names."""
    arm = drawn(random, "baseline", "economic", "moral", "local")
    columns = {
        "respid": list(range(1, PEOPLE + 1)),
        **{name: [int(a == name) for a in arm] for name in ("baseline", "economic", "moral", "local")},
    }
    columns |= {
        "support": answers(random, arm),
        "donate": answers(random, arm, 2),
        "employed": drawn(random, 0, 1, p=[0.4, 0.6]),
        **people(random),
    }
    return Shape(columns, frozenset({"baseline", "economic", "moral", "local"}), ("support", "donate"), kind="dummies")


@shape
def flags_or_blank(random: Random) -> Shape:
    """Embedded flags of a survey program: 1 in the arm's column, blank elsewhere."""
    arm = dealt(random, "FrameEconomy", "FrameHealth", "FrameNone")
    columns = {
        "ResponseId": ids(random),
        **{name: [1 if a == name else "" for a in arm] for name in ("FrameEconomy", "FrameHealth", "FrameNone")},
    }
    columns |= {"Q1": answers(random, arm), "Q2": answers(random, arm), **people(random)}
    return Shape(columns, frozenset({"FrameEconomy", "FrameHealth", "FrameNone"}), ("Q1", "Q2"))


@shape
def factors_of_three(random: Random) -> Shape:
    """Two by two by three, in words that only the study knows."""
    first, second, third = drawn(random, "male", "female"), drawn(random, "low", "high"), drawn(random, "Dem", "Rep", "none")
    both = [f"{a}{b}" for a, b in zip(first, third, strict=True)]
    columns = {"id": ids(random), "cand_gender": first, "cand_status": second, "cand_party": third, "vote": answers(random, both, 7)}
    columns |= {"warm": [int(n) for n in random.integers(0, 101, PEOPLE)], **people(random)}
    return Shape(columns, frozenset({"cand_gender", "cand_status", "cand_party"}), ("vote", "warm"), kind="factors")


@shape
def factors_with_their_cell(random: Random) -> Shape:
    """Two by three, and a column that numbers the six cells."""
    first, second = drawn(random, 0, 1), drawn(random, 1, 2, 3)
    cell = [3 * a + b for a, b in zip(first, second, strict=True)]
    columns = {"CaseID": list(range(1, PEOPLE + 1)), "condition": cell, "source": first, "frame": second}
    columns |= {"Q1": answers(random, cell), "Q2": some_missing(random, answers(random, cell), 99), **people(random)}
    return Shape(columns, frozenset({"source", "frame"}), ("Q1", "Q2"), missing={"Q2": frozenset({99})}, kind="factors")


@shape
def two_experiments(random: Random) -> Shape:
    """Two experiments in one survey, independent of each other."""
    first, second = drawn(random, 1, 2), drawn(random, 1, 2, 3)
    columns = {"id": ids(random), "tax_arm": first, "tax_support": answers(random, first, 5), "school_arm": second}
    columns |= {"school_support": answers(random, second, 5), "school_trust": answers(random, second, 5), **people(random)}
    return Shape(columns, frozenset({"tax_arm", "school_arm"}), ("tax_support", "school_support", "school_trust"))


@shape
def an_arm_beside_even_answers(random: Random) -> Shape:
    """One arm, and questions whose answers are as even as an assignment."""
    arm = drawn(random, "argument", "control")
    columns = {"id": ids(random), "version": arm, "Q1": drawn(random, 1, 2), "Q2": drawn(random, 1, 2, 3), "Q3": answers(random, arm, 7)}
    return Shape(columns | people(random), frozenset({"version"}), ("Q1", "Q2", "Q3"), kind="column")


@shape
def arms_of_two_waves(random: Random) -> Shape:
    """People were assigned anew in the second wave, to other treatments."""
    first, second = drawn(random, 1, 2, 3), drawn(random, 0, 1)
    columns = {"pid": ids(random), "arm_w1": first, "w1_q1": answers(random, first), "w1_q2": answers(random, first)}
    columns |= {"arm_w2": second, "w2_q1": answers(random, second), "w2_q2": answers(random, second), **people(random)}
    return Shape(columns, frozenset({"arm_w1", "arm_w2"}), ("w1_q1", "w1_q2", "w2_q1", "w2_q2"))


@shape
def blocks_named_by_their_display_order(random: Random) -> Shape:
    """A survey program's randomizer: the block shown is the only record of the arm."""
    arm = dealt(random, "Control", "Story", "Statistics")
    columns = {"ResponseId": ids(random), "Q2": answers(random, arm), "Q3": answers(random, arm), "FL_12_DO": arm, **people(random)}
    return Shape(columns, frozenset({"FL_12_DO"}), ("Q2", "Q3"))


@shape
def a_random_number_is_the_arm(random: Random) -> Shape:
    """Named after the draw, and it decides which text was shown."""
    arm = drawn(random, 1, 2, 3)
    columns = {"CASEID": list(range(1, PEOPLE + 1)), "S2_random": arm, "Q1A": only(answers(random, arm), [a == 1 for a in arm])}
    columns |= {"Q1B": only(answers(random, arm), [a == 2 for a in arm]), "Q1C": only(answers(random, arm), [a == 3 for a in arm])}
    columns |= {"Q2": answers(random, arm, 5), **people(random)}
    return Shape(columns, frozenset({"S2_random"}), ("Q1A", "Q1B", "Q1C", "Q2"))


@shape
def an_arm_named_like_the_interview(random: Random) -> Shape:
    """How the message came is the treatment."""
    arm = drawn(random, "letter", "call", "video")
    columns = {"id": ids(random), "duration": [int(s) for s in random.gamma(4, 90, PEOPLE)], "message_channel": arm}
    columns |= {"intent": answers(random, arm, 7), "recall": answers(random, arm, 5), **people(random)}
    return Shape(columns, frozenset({"message_channel"}), ("intent", "recall"))


@shape
def mostly_control(random: Random) -> Shape:
    """Six of ten are control."""
    arm = drawn(random, 0, 1, 2, p=[0.6, 0.2, 0.2])
    columns = {"id": ids(random), "treatment": arm, "Q5_1": answers(random, arm, 5), "Q5_2": answers(random, arm, 5), **people(random)}
    return Shape(columns, frozenset({"treatment"}), ("Q5_1", "Q5_2"))


@shape
def whole_texts_as_levels(random: Random) -> Shape:
    """The column holds the text that people read."""
    told = [f"The council of {town} plans to spend {much} million on its roads in the coming year, and asks you what you think."
            for town in ("Alder", "Birch") for much in ("two", "nine")]  # fmt: skip
    arm = drawn(random, *told)
    columns = {"id": ids(random), "vignette_text": arm, "agree": answers(random, arm, 5), "fair": answers(random, arm, 5), **people(random)}
    return Shape(columns, frozenset({"vignette_text"}), ("agree", "fair"))


@shape
def three_header_rows(random: Random) -> Shape:
    """An export with question text and ids for importing below the header."""
    arm = dealt(random, "treatment", "control")
    seconds = [int(s) for s in random.gamma(4, 90, PEOPLE)]
    columns = {"StartDate": [f"2021-03-{1 + n % 28:02} 10:{n % 60:02}:00" for n in range(PEOPLE)], "Status": [0] * PEOPLE}
    columns |= {
        "Progress": drawn(random, 100, 40, p=[0.9, 0.1]),
        "Duration (in seconds)": seconds,
        "Finished": drawn(random, 1, 0, p=[0.9, 0.1]),
    }
    columns |= {
        "ResponseId": ids(random),
        "LocationLatitude": random.normal(40, 5, PEOPLE).round(4).tolist(),
        "UserLanguage": ["EN"] * PEOPLE,
    }
    columns |= {"Q1": answers(random, arm, 5), "Q2": answers(random, arm, 5), "T_First Click": random.gamma(2, 3, PEOPLE).round(3).tolist()}
    columns |= {"T_Click Count": [int(n) for n in random.poisson(2, PEOPLE)], "group": arm, **people(random)}
    labels = {
        "Q1": "How much do you agree with the plan?",
        "Q2": "How likely are you to take part?",
        "age": "How old are you?",
        "gender": "Your gender",
    }
    return Shape(columns, frozenset({"group"}), ("Q1", "Q2"), labels=labels, import_ids=True)


@shape
def a_tab_file(random: Random) -> Shape:
    """As repositories write it from a Stata file."""
    arm = drawn(random, 1, 2, 3, 4)
    columns = {
        "caseid": list(range(1, PEOPLE + 1)),
        "treat": arm,
        "q1": some_missing(random, answers(random, arm), -99),
        "q2": answers(random, arm, 5),
    }
    return Shape(
        columns | people(random), frozenset({"treat"}), ("q1", "q2"), file="answers.tab", delimiter="\t", missing={"q1": frozenset({-99})}
    )


@shape
def semicolons_with_a_comma_in_a_name(random: Random) -> Shape:
    """Written where commas are decimal marks; one column is named with a comma."""
    arm = dealt(random, 0, 1)
    columns = {
        "id": ids(random),
        "treat": arm,
        "trust, general": answers(random, arm),
        "trust, police": answers(random, arm),
        **people(random),
    }
    return Shape(columns, frozenset({"treat"}), ("trust, general", "trust, police"), delimiter=";")


@shape
def vignettes_in_turn(random: Random) -> Shape:
    """Everybody read three vignettes, each in a version drawn anew."""
    versions = {n: drawn(random, 1, 2, 3, 4) for n in (1, 2, 3)}
    columns: dict[str, Column] = {"PROLIFIC_PID": ids(random), **people(random)}
    for n, arm in versions.items():
        columns |= {f"v{n}_version": arm, f"v{n}_blame": answers(random, arm, 7), f"v{n}_fair": answers(random, arm, 7)}
    outcomes = tuple(f"v{n}_{what}" for n in versions for what in ("blame", "fair"))
    return Shape(columns, frozenset({"v1_version", "v2_version", "v3_version"}), outcomes)


@shape
def labelled_in_stata(random: Random) -> Shape:
    """Labels for everything; 77, 88 and 99 are no answers on a scale from 0 to 10."""
    arm = drawn(random, 1, 2, 3)
    scale = [int(n) for n in random.integers(0, 11, PEOPLE)]
    columns = {"case_id": list(range(1, PEOPLE + 1)), "p_exp": arm, "q10": some_missing(random, some_missing(random, scale, 77), 99)}
    columns |= {
        "q11": some_missing(random, answers(random, arm, 4), 88),
        "age": people(random)["age"],
        "weight": random.gamma(9, 1 / 9, PEOPLE).tolist(),
    }
    agree = {1: "Strongly agree", 2: "Agree", 3: "Disagree", 4: "Strongly disagree", 88: "Don't know"}
    labels = {"p_exp": "Experiment: which text was shown", "q10": "How warm do you feel towards them?", "q11": "Taxes should be lower"}
    texts = {1: "No text", 2: "Text on cost", 3: "Text on fairness"}
    missing: dict[str, frozenset[int | str]] = {"q10": frozenset({77, 99}), "q11": frozenset({88})}
    return Shape(columns, frozenset({"p_exp"}), ("q10", "q11"), "answers.dta", missing, labels, {"p_exp": texts, "q11": agree})


@shape
def questions_by_arm(random: Random) -> Shape:
    """Each arm has its own copy of every question, and nothing else tells the arm."""
    arm = drawn(random, "a", "b", "c")
    columns: dict[str, Column] = {"id": ids(random), **people(random)}
    for letter in "abc":
        mine = [a == letter for a in arm]
        columns |= {f"risk_{letter}": only(answers(random, arm, 5), mine), f"worry_{letter}": only(answers(random, arm, 5), mine)}
    names = tuple(f"{what}_{letter}" for letter in "abc" for what in ("risk", "worry"))
    return Shape(columns, frozenset(names), names, kind="questions")


@shape
def an_arm_in_words_among_recodes(random: Random) -> Shape:
    """The arm in words, the same in numbers, dummies of it, and answers with recodes."""
    arm = drawn(random, "Control", "Peer norm", "Expert norm")
    number = {"Control": 0, "Peer norm": 1, "Expert norm": 2}
    mask, wash = answers(random, arm, 6), answers(random, arm, 6)
    columns = {
        "sub": list(range(1, PEOPLE + 1)),
        "norm": arm,
        "norm_num": [number[a] for a in arm],
        "peer": [int(a == "Peer norm") for a in arm],
    }
    columns |= {
        "expert": [int(a == "Expert norm") for a in arm],
        "mask": mask,
        "wash": wash,
        "mean_score": [(a + b) / 2 for a, b in zip(mask, wash, strict=True)],
    }
    return Shape(columns | people(random), frozenset({"norm"}), ("mask", "wash"), kind="column")


@shape
def contrasts(random: Random) -> Shape:
    """Two factors coded -0.5 and 0.5, as analysts leave them."""
    first, second = drawn(random, -0.5, 0.5), drawn(random, -0.5, 0.5)
    columns = {
        "ID": list(range(1, PEOPLE + 1)),
        "loss_c": first,
        "social_c": second,
        "agree1": answers(random, first),
        "agree2": answers(random, second),
    }
    return Shape(columns | people(random), frozenset({"loss_c", "social_c"}), ("agree1", "agree2"))


@shape
def control_is_blank(random: Random) -> Shape:
    """The message that people read; those who read none have a blank."""
    arm = drawn(random, "", "Cost message", "Health message")
    columns = {
        "Participant": list(range(1, PEOPLE + 1)),
        "Message": arm,
        "Att1": answers(random, arm),
        "Att2": answers(random, arm),
        **people(random),
    }
    return Shape(columns, frozenset({"Message"}), ("Att1", "Att2"))


@shape
def a_number_that_decides_what_was_asked(random: Random) -> Shape:
    """The arm has no telling name; what people were asked shows it."""
    arm = drawn(random, 1, 2, 3, 4)
    columns: dict[str, Column] = {"caseid": list(range(1, PEOPLE + 1)), "xsplit": arm, **people(random)}
    columns |= {f"q{n}": only(answers(random, arm, 5), [a == n for a in arm]) for n in (1, 2, 3, 4)}
    columns |= {"q5": answers(random, arm, 4)}
    return Shape(columns, frozenset({"xsplit"}), ("q1", "q2", "q3", "q4", "q5"))


@shape
def an_opt_in_panel(random: Random) -> Shape:
    """The names and codes of one large panel, in a Stata file without labels."""
    arm = drawn(random, 1, 2)
    columns = {"caseid": list(range(1, PEOPLE + 1)), "weight": random.gamma(9, 1 / 9, PEOPLE).tolist(), "rand_arm": arm}
    columns |= {"birthyr": [int(year) for year in random.integers(1935, 2000, PEOPLE)], "gender": drawn(random, 1, 2)}
    columns |= {"race": drawn(random, *range(1, 9)), "educ": drawn(random, *range(1, 7)), "marstat": drawn(random, *range(1, 7))}
    columns |= {"employ": drawn(random, *range(1, 9)), "pid7": drawn(random, *range(1, 9)), "ideo5": drawn(random, *range(1, 7))}
    columns |= {"faminc_new": drawn(random, *range(1, 17)), "q1": answers(random, arm, 5), "q2": answers(random, arm, 5)}
    return Shape(columns, frozenset({"rand_arm"}), ("q1", "q2"), "answers.dta", crosswalk="yougov")


@shape
def a_probability_panel(random: Random) -> Shape:
    """The names and codes of another panel, without labels; refusals are 98 and 99."""
    arm = drawn(random, 0, 1, 2)
    columns = {"CaseId": list(range(1, PEOPLE + 1)), "P_COND": arm, "WEIGHT": random.gamma(9, 1 / 9, PEOPLE).tolist()}
    columns |= {
        "AGE": [int(age) for age in random.integers(18, 90, PEOPLE)],
        "GENDER": drawn(random, 1, 2),
        "RACETHNICITY": drawn(random, *range(1, 7)),
    }
    columns |= {"EDUC": drawn(random, *range(1, 15)), "MARITAL": drawn(random, *range(1, 7)), "EMPLOY": drawn(random, *range(1, 8))}
    columns |= {"INCOME": drawn(random, *range(1, 19)), "STATE": drawn(random, "TX", "CA", "OH"), "HOUSING": drawn(random, 1, 2, 3)}
    columns |= {"Q1": some_missing(random, answers(random, arm, 5), 98), "Q2": some_missing(random, answers(random, arm, 5), 99)}
    missing: dict[str, frozenset[int | str]] = {"Q1": frozenset({98}), "Q2": frozenset({99})}
    return Shape(columns, frozenset({"P_COND"}), ("Q1", "Q2"), missing=missing, crosswalk="amerispeak")


@shape
def outcomes_named_like_demographics(random: Random) -> Shape:
    """The study asks how people see their party and their class after a text, beside a profile of them."""
    arm = drawn(random, "control", "threat")
    ends = {1: "Not at all", 2: "A little", 3: "Somewhat", 4: "Much", 5: "Very much", 9: "Refused"}
    columns = {"CASEID": list(range(1, PEOPLE + 1)), "XCOND": [1 + (a == "threat") for a in arm], **people(random)}
    columns |= {
        "Q1": some_missing(random, answers(random, arm, 5), 9),
        "ideology": answers(random, arm, 5),
        "party": answers(random, arm, 5),
    }
    labels = {"XCOND": "Condition", "Q1": "How strongly do you feel about it?", "ideology": "How conservative do you feel right now?"}
    labels |= {"party": "How much does your party matter to you right now?", "age": "Age", "gender": "Gender", "educ": "Education"}
    labels |= {"race": "Race / ethnicity"}
    texts = {
        "XCOND": {1: "Control", 2: "Threat"},
        "Q1": ends,
        "ideology": ends,
        "party": ends,
        "gender": {1: "Male", 2: "Female", 3: "Other"},
    }
    missing: dict[str, frozenset[int | str]] = {"Q1": frozenset({9}), "ideology": frozenset({9}), "party": frozenset({9})}
    return Shape(columns, frozenset({"XCOND"}), ("Q1", "ideology", "party"), "answers.sav", missing, labels, texts)


@shape
def some_people_twice(random: Random) -> Shape:
    """A few workers took part twice."""
    arm = dealt(random, "low", "high")
    workers = ids(random)
    columns = {
        "WorkerId": [*workers[:-6], *workers[:6]],
        "price_condition": arm,
        "buy": answers(random, arm, 2),
        "pay": answers(random, arm, 7),
    }
    return Shape(columns | people(random), frozenset({"price_condition"}), ("buy", "pay"))


@shape
def a_part_of_a_panels_profile(random: Random) -> Shape:
    """Three columns of a panel's profile, under names that no other source gives."""
    arm = drawn(random, 1, 2)
    columns = {"CaseID": list(range(1, PEOPLE + 1)), "DOV_GROUP": arm, "Q1": answers(random, arm, 5), "Q2": answers(random, arm, 5)}
    columns |= {"PPAGE": people(random)["age"], "PPGENDER": drawn(random, 1, 2), "PPEDUC": drawn(random, 10, 12, 13)}
    texts = {"PPGENDER": {1: "Male", 2: "Female"}, "PPEDUC": {10: "Some college, no degree", 12: "Bachelors degree", 13: "Masters degree"}}
    return Shape(columns, frozenset({"DOV_GROUP"}), ("Q1", "Q2"), "answers.sav", value_labels=texts, crosswalk="knowledgepanel")


@shape
def timers_of_the_pages_alone(random: Random) -> Shape:
    """Only the time that people spent on the page of their arm tells the arm."""
    arm = dealt(random, "a", "b", "c")
    columns: dict[str, Column] = {"ResponseId": ids(random), **people(random)}
    for letter in "abc":
        mine = [one == letter for one in arm]
        columns |= {
            f"time_{letter}_{what}": only(random.gamma(2, 9, PEOPLE).round(2).tolist(), mine) for what in ("first_click", "page_submit")
        }
    columns |= {"Q1": answers(random, arm), "Q2": answers(random, arm), "item_order": drawn(random, 1, 2)}
    return Shape(columns, frozenset(f"time_{letter}_page_submit" for letter in "abc"), ("Q1", "Q2"), kind="questions")


@shape
def six_factors(random: Random) -> Shape:
    """One vignette each, with so many factors that not every combination occurs."""
    told = {
        "age": (25, 45, 65),
        "sex": ("m", "f"),
        "job": ("a", "b", "c", "d"),
        "origin": ("x", "y", "z"),
        "fluent": (0, 1),
        "reason": (1, 2),
    }
    columns: dict[str, Column] = {
        "ID": list(range(1, PEOPLE + 1)),
        **{f"v_{name}": drawn(random, *levels) for name, levels in told.items()},
    }
    columns |= {"accept": answers(random, columns["v_reason"]), "near": answers(random, columns["v_fluent"]), **people(random)}
    return Shape(columns, frozenset(f"v_{name}" for name in told), ("accept", "near"), kind="factors")


@shape
def thermometers(random: Random) -> Shape:
    """From 0 to 100, with 998 and 999 for no answer, and a scale whose ends were exchanged for half of the people."""
    arm = drawn(random, 1, 2, 3)
    warm = {f"FT{n}": [int(one) for one in random.integers(0, 101, PEOPLE)] for n in (1, 2)}
    columns = {"UID": list(range(1, PEOPLE + 1)), "EXP1": arm, "XSCALEFLIP": drawn(random, 0, 1)}
    columns |= {name: some_missing(random, some_missing(random, column, 998), 999) for name, column in warm.items()} | people(random)
    codes: frozenset[int | str] = frozenset({998, 999})
    return Shape(columns, frozenset({"EXP1"}), ("FT1", "FT2"), missing={"FT1": codes, "FT2": codes}, kind="column")


@shape
def ends_in_words(random: Random) -> Shape:
    """The ends of the scale are words, the rest numbers, and some prefer not to say."""
    arm = dealt(random, "T0: No information", "T1: Facts", "T2: Consensus")
    ends = {1: "1 - Not at all", 7: "7 - Extremely"}
    columns = {"ResponseId": ids(random), "treat_label": arm, "trt_check": drawn(random, "Facts", "Consensus"), **people(random)}
    for name in ("worry1", "worry2"):
        columns[name] = some_missing(random, [ends.get(one, str(one)) for one in answers(random, arm)], "Prefer not to say")
    codes: frozenset[int | str] = frozenset({"Prefer not to say"})
    return Shape(columns, frozenset({"treat_label"}), ("worry1", "worry2"), missing={"worry1": codes, "worry2": codes}, kind="column")


@shape
def a_row_per_vignette(random: Random) -> Shape:
    """Four rows of each person, with levels drawn anew in each."""
    first, second = drawn(random, "low", "high"), drawn(random, "Dem", "Rep")
    both = [f"{a}{b}" for a, b in zip(first, second, strict=True)]
    columns = {"participant": [1 + place // 4 for place in range(PEOPLE)], "trial": [1 + place % 4 for place in range(PEOPLE)]}
    columns |= {"cost": first, "sponsor": second, "rating": answers(random, both), "sure": answers(random, first, 5)}
    return Shape(columns, frozenset({"cost", "sponsor"}), ("rating", "sure"), kind="factors")


@shape
def not_asked_by_code(random: Random) -> Shape:
    """Each arm has its own question; the others have -2 there, which nothing explains."""
    arm = drawn(random, 1, 2, 3)
    columns: dict[str, Column] = {"CaseID": list(range(1, PEOPLE + 1)), **people(random)}
    for number in (1, 2, 3):
        columns[f"Q4_{number}"] = [one if a == number else -2 for one, a in zip(answers(random, arm, 5), arm, strict=True)]
    names = ("Q4_1", "Q4_2", "Q4_3")
    return Shape(columns, frozenset(names), names, missing=dict.fromkeys(names, frozenset({-2})), kind="questions")
