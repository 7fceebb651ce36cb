"""The defects that were counted in the released data, planted in simulated studies: which gate stops which.

Every simulated study passes all gates as it is; each entry below spoils one study in one way, in its study file or in its codes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml

from socsci210.build.gates import GATES
from socsci210.build.made import Made
from socsci210.build.rows import make_rows
from socsci210.build.tables import make_tables
from socsci210.errors import GateError, SocSciError
from socsci210.extract import Extract, deposit_folder, extract
from socsci210.registry import Registry
from socsci210.simulated import DESIGNS
from socsci210.study_file import StudyFile

from .toys import read_here

Raw = dict[str, Any]
Spoil = Callable[[Raw], None]
Codes = Callable[[Extract], Extract]


def passed(study: StudyFile, deposits: Path, codes: Codes | None = None) -> dict[str, list[str]]:
    """Gate -> messages, for every gate that a simulated study does not pass."""
    return gates_of(study, deposits / study.id, codes)


def gates_of(study: StudyFile, deposit: Path, codes: Codes | None = None) -> dict[str, list[str]]:
    """The same for any study."""
    try:
        found = extract(study, deposit)
        if codes is not None:
            found = codes(found)
        rows = make_rows(study, found)
        made = Made(study, found, rows, make_tables(study, "0" * 64, found, rows))
    except GateError as error:
        return {error.gate: [str(error)]}
    refused: dict[str, list[str]] = {}
    for gate in GATES:
        for error in gate(made):
            refused.setdefault(error.gate, []).append(str(error))
    return refused


def column(name: str, change: Callable[[pa.Array, Extract], pa.Array]) -> Codes:
    """The deposit with one column changed."""

    def changed(found: Extract) -> Extract:
        place = found.table.column_names.index(f"column:{name}")
        old = found.table.column(place).combine_chunks()
        return replace(found, table=found.table.set_column(place, f"column:{name}", change(old, found)))

    return changed


def arm(found: Extract, sql: str) -> pa.Array:
    return pa.array(found.mask(sql))


def text_of(raw: Raw, condition: int, words: str, last: int = -1) -> None:
    raw["conditions"][condition]["text"][last] = {"text": words}


def exchange(raw: Raw, part: str, one: int, other: int) -> None:
    arms = raw["conditions"]
    arms[one][part], arms[other][part] = arms[other][part], arms[one][part]


def rotate(raw: Raw, part: str) -> None:
    arms = raw["conditions"]
    parts = [arm[part] for arm in arms]
    for place, found in enumerate([parts[-1], *parts[:-1]]):
        arms[place][part] = found


def every(raw: Raw, words: Callable[[int], str]) -> None:
    for place, condition in enumerate(raw["conditions"]):
        condition["text"] = [{"text": words(place)}]


def merge(raw: Raw) -> None:
    raw["conditions"][1]["where"] = "TREAT in (2, 3)"
    del raw["conditions"][2]
    drop_from_variants(raw, "mandatory_loss")


def drop_from_variants(raw: Raw, condition: str) -> None:
    for outcome in raw["outcomes"]:
        for variant in outcome.get("variants", ()):
            variant["conditions"] = [name for name in variant["conditions"] if name != condition]


def without_arm(raw: Raw) -> None:
    """The control arm is in the data, but no condition of the study."""
    del raw["conditions"][0]
    drop_from_variants(raw, "control")
    for outcome in raw["outcomes"]:
        outcome["asked"] = "TREAT > 1"
    raw["stated"] = [{"what": "n", "value": 600, "printed_in": "test"}]


def silent_filter(raw: Raw) -> None:
    """Everybody of some arms is lost to a filter on a question that only the others were asked."""
    raw["data"]["keep"] = [{"sql": "Q1A is not null", "reason": "answered", "why": "test", "reads_outcome": "test"}]
    raw["conditions"] = raw["conditions"][:3]
    for outcome in raw["outcomes"]:
        if "variants" in outcome:
            outcome["variants"] = outcome["variants"][:1]
    raw["stated"] = [{"what": "share", "condition": "control", "value": 0.333, "tolerance": 0.05, "printed_in": "test"}]


def same_question(raw: Raw) -> None:
    raw["outcomes"][2]["question"] = copy.deepcopy(raw["outcomes"][1]["question"])
    raw["outcomes"][2]["scale"] = copy.deepcopy(raw["outcomes"][1]["scale"])


def upside_down(raw: Raw) -> None:
    raw["outcomes"][0]["scale"]["direction"] = "down"


def labels_turned(raw: Raw) -> None:
    """Labels quoted in the order opposite to the codes of the data file."""
    scale = raw["outcomes"][0]["scale"]
    del scale["value_labels"]
    scale["labels"] = {code: {"value_label": ["Q1", 8 - code]} for code in (1, 7)}
    raw["outcomes"][0]["id"] = raw["outcomes"][0]["label"] = "opposition"  # no word gives the direction away


def invented_reversal(raw: Raw) -> None:
    outcome = raw["outcomes"][0]
    del outcome["scale"]["value_labels"]
    outcome["scale"]["labels"] = {code: {"value_label": ["Q1", code]} for code in (1, 7)}
    outcome |= {"recode": {code: 8 - code for code in range(1, 8)}, "why_recode": "test"}


def squeezed(raw: Raw) -> None:
    recode = {1: 2, 2: 3, 3: 3, 4: 4, 5: 5, 6: 5, 7: 6}
    raw["outcomes"][0] |= {"recode": recode, "why_recode": "test"}
    del raw["outcomes"][0]["scale"]["value_labels"]


def wrong_labels(raw: Raw) -> None:
    raw["outcomes"][0]["scale"]["labels"] = {1: {"text": "Very unwilling"}, 7: {"text": "Very willing"}}


def one_arm_unnamed(raw: Raw) -> None:
    raw["outcomes"][3]["variants"] = [{"conditions": [arm["id"] for arm in raw["conditions"][1:]]}]


def unfilled(raw: Raw) -> None:
    text_of(raw, 1, "The council of BLANK agrees.")


def swapped_people(raw: Raw) -> None:
    """Two conditions exchange their people: the labels of the data file show it."""
    exchange(raw, "where", 1, 4)


def offset(values: pa.Array, found: Extract) -> pa.Array:
    """8ctbk: the stored value is shifted by the condition."""
    return pc.if_else(arm(found, "TREAT = 3"), pc.add(values, 2), values)


def nines(values: pa.Array, _: Extract) -> pa.Array:
    first = pa.array([place < 12 for place in range(len(values))])
    return pc.if_else(first, pa.scalar(999, values.type), values)


def half_asked(values: pa.Array, found: Extract) -> pa.Array:
    odd = pa.array([place % 2 == 0 for place in range(len(values))])
    return pc.if_else(pc.and_(arm(found, "TREAT = 3"), odd), pa.scalar(None, values.type), values)


def _unbounded(raw: Raw) -> None:
    raw["outcomes"][5]["scale"] = {"kind": "numeric", "direction": "up", "unit": "a number of days"}


def _same(raw: Raw, one: int, other: int) -> None:
    raw["conditions"][one]["text"] = copy.deepcopy(raw["conditions"][other]["text"])


def _mean(raw: Raw) -> None:
    raw["stated"] = [{"what": "mean", "outcome": "support_bill", "value": 1.23, "printed_in": "test"}]


SEEDED = [
    # number in the list of known defects, what, gate, study, change of the study file, change of a column
    (6, "source arms taken together", "arm_counts", "sim_water_meters", merge, None),
    (6, "the control arm is lost", "arm_counts", "sim_water_meters", without_arm, None),
    (6, "arms lost through a question they were not asked", "arm_counts", "sim_water_meters", silent_filter, None),
    (6, "arms exchanged against their names in the data", "arm_counts", "sim_app_privacy", lambda raw: exchange(raw, "where", 1, 2), None),
    (6, "arms numbered otherwise", "arm_counts", "sim_app_privacy", lambda raw: rotate(raw, "where"), None),
    (6, "arms exchanged against their names in the labels", "arm_counts", "sim_water_meters", swapped_people, None),
    (7, "several indices, one text", "question_varies", "sim_heat_pumps", same_question, None),
    (10, "answers shifted by the condition", "on_scale", "sim_water_meters", None, column("Q4", offset)),
    (12, "out of range", "on_scale", "sim_water_meters", None, column("Q4", nines)),
    (13, "a missing code left as an answer", "missing_codes", "sim_water_meters", _unbounded, column("Q6", nines)),
    (17, "labels opposite to the codes", "scale_direction", "sim_heat_pumps", labels_turned, None),
    (17, "a reversal that nobody asked for", "scale_direction", "sim_heat_pumps", invented_reversal, None),
    (17, "seven levels squeezed into five", "scale_used", "sim_heat_pumps", squeezed, None),
    (17, "direction turned round", "directions", "sim_heat_pumps", upside_down, None),
    (18, "labels that do not answer the question", "scale_direction", "sim_app_privacy", wrong_labels, None),
    (19, "a code template in the text", "template", "sim_app_privacy", lambda raw: text_of(raw, 1, "They say {action_map[letter]}."), None),
    (
        20,
        "a code name in place of the treatment",
        "minimal_pairs",
        "sim_app_privacy",
        lambda raw: every(raw, lambda n: f"You read stimulus v{n}."),
        None,
    ),
    (21, "None in the text", "residue", "sim_app_privacy", lambda raw: text_of(raw, 1, "The years in politics: None"), None),
    (22, "an unfilled blank", "residue", "sim_app_privacy", unfilled, None),
    (23, "a text cut at its end", "truncation", "sim_app_privacy", lambda raw: text_of(raw, 1, "More data leaks each day and..."), None),
    (23, "a treatment left out with dots", "elision", "sim_app_privacy", lambda raw: text_of(raw, 1, "More data [...] each day."), None),
    (24, "a name blacked out", "elision", "sim_app_privacy", lambda raw: text_of(raw, 1, "People in [city name redacted] agree."), None),
    (25, "arms with one text", "same_text", "sim_app_privacy", lambda raw: _same(raw, 1, 2), None),
    (26, "every arm carries another arm's text", "minimal_pairs", "sim_app_privacy", lambda raw: rotate(raw, "text"), None),
    (26, "a factor turned round", "minimal_pairs", "sim_heat_pumps", lambda raw: exchange(raw, "text", 2, 3), None),
    (
        26,
        "one cell of a factorial carries another cell's text",
        "minimal_pairs",
        "sim_heat_pumps",
        lambda raw: exchange(raw, "text", 2, 5),
        None,
    ),
    (26, "two texts exchanged", "minimal_pairs", "sim_app_privacy", lambda raw: exchange(raw, "text", 1, 2), None),
    (28, "one arm asked half as often", "asked_equally", "sim_water_meters", None, column("Q4", half_asked)),
    (28, "an arm that answered but is not named", "asked_equally", "sim_app_privacy", one_arm_unnamed, None),
    (
        29,
        "the design in the text",
        "leakage",
        "sim_app_privacy",
        lambda raw: text_of(raw, 1, "Participants in the urgency condition read this."),
        None,
    ),
    (
        29,
        "a label in place of the text",
        "leakage",
        "sim_app_privacy",
        lambda raw: every(raw, lambda n: raw["conditions"][n]["label"]),
        None,
    ),
    (29, "a published number that is not reproduced", "stated", "sim_app_privacy", _mean, None),
]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)


def raw_of(study: str) -> Raw:
    raw: Raw = yaml.safe_load(Registry().study_file(study).read_text(encoding="utf-8"))
    return raw


@pytest.mark.parametrize("study", sorted(DESIGNS))
def test_every_simulated_study_passes(study: str, simulated_deposits: Path) -> None:
    assert passed(Registry().get(study).load(), simulated_deposits) == {}


@pytest.mark.parametrize(("number", "what", "gate", "study", "spoil", "codes"), SEEDED, ids=[f"{n} {what}" for n, what, *_ in SEEDED])
def test_a_known_defect_is_stopped(
    number: int, what: str, gate: str, study: str, spoil: Spoil | None, codes: Codes | None, simulated_deposits: Path
) -> None:
    raw = raw_of(study)
    if spoil is not None:
        spoil(raw)
    if gate == "template":  # such a text is no valid quotation at all
        with pytest.raises(SocSciError, match="brace"):
            passed(StudyFile.model_validate(raw), simulated_deposits, codes)
        return
    found = passed(StudyFile.model_validate(raw), simulated_deposits, codes)
    assert gate in found, found


# --- real deposits -------------------------------------------------------------------------------------------------------------------

REAL = ("holbrook120", "kallaBR42", "ryanS14", "schuldt301", "singer251", "tannenbaum2017_1", "tannenbaum2017_2")


def belief_turned(raw: Raw) -> None:
    for outcome in raw["outcomes"]:
        labels = outcome["scale"]["labels"]
        outcome["scale"] = outcome["scale"] | {"labels": {6 - value: label for value, label in labels.items()}, "direction": "up"}


def wording_turned(raw: Raw) -> None:
    """The version that speaks of a baby is given to the conditions that are named after the other word, and the other way round."""
    for outcome in raw["outcomes"]:
        first, second = outcome["variants"]
        first["conditions"], second["conditions"] = second["conditions"], first["conditions"]
    raw["conditions"][0]["where"], raw["conditions"][2]["where"] = raw["conditions"][2]["where"], raw["conditions"][0]["where"]
    raw["conditions"][1]["where"], raw["conditions"][3]["where"] = raw["conditions"][3]["where"], raw["conditions"][1]["where"]


def half_the_cells(raw: Raw) -> None:
    """Eight cells become four: the order of the questions is lost."""
    for place, codes in enumerate(("1, 5", "2, 6", "3, 7", "4, 8")):
        raw["conditions"][place]["where"] = f"XTESS117 in ({codes})"
    kept = [condition["id"] for condition in raw["conditions"][:4]]
    raw["conditions"] = raw["conditions"][:4]
    for outcome in raw["outcomes"]:
        for variant in outcome["variants"]:
            variant["conditions"] = [name for name in variant["conditions"] if name in kept]


SPOILT = [
    ("minimal_pairs", "tannenbaum2017_2", lambda raw: exchange(raw, "text", 1, 2)),
    ("arm_counts", "tannenbaum2017_2", lambda raw: exchange(raw, "where", 1, 2)),
    ("minimal_pairs", "tannenbaum2017_1", lambda raw: exchange(raw, "text", 1, 4)),
    ("arm_counts", "tannenbaum2017_1", lambda raw: rotate(raw, "where")),
    ("scale_direction", "ryanS14", belief_turned),
    ("arm_counts", "schuldt301", half_the_cells),
    ("minimal_pairs", "singer251", wording_turned),
    ("stated", "holbrook120", lambda raw: exchange(raw, "where", 0, 3)),
]


@pytest.mark.parametrize("study", REAL)
def test_every_real_study_passes(study: str, deposits_dir: Path) -> None:
    loaded = Registry().get(study).load()
    assert gates_of(loaded, deposit_folder(loaded, deposits_dir)) == {}


@pytest.mark.parametrize(("gate", "study", "spoil"), SPOILT, ids=[f"{study} {gate}" for gate, study, _ in SPOILT])
def test_a_spoilt_real_study_is_stopped(gate: str, study: str, spoil: Spoil, deposits_dir: Path) -> None:
    raw = raw_of(study)
    spoil(raw)
    spoilt = StudyFile.model_validate(raw)
    found = gates_of(spoilt, deposit_folder(spoilt, deposits_dir))
    assert gate in found, found
