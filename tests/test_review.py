"""What a review shows, what it hides, and how a decision gets into a study file and decides what is built."""

from __future__ import annotations

import re
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml

from socsci210.build import validate
from socsci210.crosswalks import crosswalk, crosswalk_names
from socsci210.errors import GateError, StudyFileError
from socsci210.registry import VARIABLE, Registry, load_study_file
from socsci210.review import collect, page, record, version
from socsci210.review.codes import code_table
from socsci210.review.marks import marked
from socsci210.review.record import edit, with_item
from socsci210.review.samples import samples
from socsci210.reviewing import check_reviewed, content_hash, open_questions, standing
from socsci210.small_counts import told
from socsci210.study_file import Quote, StudyFile

from .reviewed_study import IMAGE, QUESTION, SCRIPT, drafted, path_of, study
from .study_files import small
from .toys import Toy, read_here, toy

DAY = date(2026, 11, 23)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)


def decide(one: Toy, decision: Any, note: str = "Looked at everything.") -> StudyFile:
    path = path_of(one)
    return record(path, decision=decision, reviewer="Rita", note=note, seen=version(path), day=DAY)


def words(html: str) -> str:
    """The text of a page without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html.partition("<body>")[2])).split())


# --- content and decisions -----------------------------------------------------------------------------------------------------------


def parsed(**changes: Any) -> StudyFile:
    return StudyFile.model_validate(small(**changes))


def test_the_hash_is_of_what_the_file_says() -> None:
    base = content_hash(parsed())
    one = {"reviewer": "R", "date": "2026-11-23", "decision": "accepted", "note": "n", "content": "0" * 64}
    assert content_hash(parsed(reviewed=[one])) == base
    assert content_hash(StudyFile.model_validate(dict(reversed(small().items())))) == base  # the order of keys of the format
    assert content_hash(parsed(conditions__0__where="arm = 2")) != base
    assert content_hash(parsed(drafted=drafted(("Why?",)) | {"evidence": [{"claim": "a", "variable": "b"}]})) != base
    codes = [content_hash(parsed(outcomes__0__missing=missing)) for missing in ({1: "refused"}, {"1": "refused"})]
    assert codes[0] != codes[1] != base
    edits = [{"label": "q1", "replace": dict(order)} for order in ((("a", " "), ("b", " ")), (("b", " "), ("a", " ")))]
    assert len({content_hash(parsed(outcomes__0__question=[one])) for one in edits}) == 2  # edits are made one after the other


def test_the_hash_is_of_the_crosswalk_too(monkeypatch: pytest.MonkeyPatch) -> None:
    name = crosswalk_names()[0]
    fields = dict(crosswalk(name))
    first, second = list(fields)[:2]
    study = parsed(demographics={"crosswalk": name, "fields": {first: None}})
    base = content_hash(study)
    assert base != content_hash(parsed(demographics={"fields": {first: None}}))
    for changed, differs in ((first, False), (second, True)):  # the study reads the first otherwise, or not at all
        other = fields | {changed: fields[changed].model_copy(update={"columns": ("elsewhere",)})}
        monkeypatch.setattr("socsci210.reviewing.crosswalk", lambda _, other=other: other)
        assert (content_hash(study) != base) is differs
    assert content_hash(parsed(demographics={"crosswalk": "gone"})) != base  # the build says that there is none


def test_open_questions_and_refusals_are_a_gate(tmp_path: Path) -> None:
    one = study(tmp_path)
    path = path_of(one)
    with pytest.raises(GateError, match=r"open question of the draft: Is 5 more") as caught:
        check_reviewed(load_study_file(path))
    assert caught.value.gate == "review" and "socsci210 review toy" in caught.value.fix
    assert set(validate(["toy"], deposits=one.deposits, registry=one.registry).failed) == {"toy"}

    study_file = decide(one, "accepted")
    assert standing(study_file) == "accepted" and open_questions(study_file) == ()
    assert validate(["toy"], deposits=one.deposits, registry=one.registry).failed == {}

    path.write_text(path.read_text().replace("label: Support", "label: Backing"), encoding="utf-8")  # other content: open again
    changed = load_study_file(path)
    assert standing(changed) == "unreviewed" and open_questions(changed) == (QUESTION,)
    with pytest.raises(GateError, match="changed after the last decision"):
        check_reviewed(changed)

    decide(one, "accepted")
    refused = decide(one, "refused", "The direction is wrong.")
    assert [one.decision for one in refused.reviewed] == ["accepted", "accepted", "refused"]
    failed = validate(["toy"], deposits=one.deposits, registry=one.registry).failed["toy"]
    assert "[review] Rita refused it on 2026-11-23: The direction is wrong." in failed
    assert standing(decide(one, "accepted")) == "accepted"  # the newest counts


def test_a_file_without_draft_and_decision_is_built(tmp_path: Path) -> None:
    one = toy(tmp_path)
    check_reviewed(load_study_file(path_of(one)))
    decide(one, "refused")
    with pytest.raises(GateError, match="refused it"):
        check_reviewed(load_study_file(path_of(one)))


# --- writing -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("a: 1\n", "a: 1\n\nreviewed:\n  - {n: 1}\n"),
        ("a: 1  # why", "a: 1  # why\n\nreviewed:\n  - {n: 1}\n"),
        ("reviewed:\n- x: 1\n  y: 2\nb: 2  # c\n", "reviewed:\n- x: 1\n  y: 2\n- {n: 1}\nb: 2  # c\n"),
        ("reviewed:\n    - {x: 1}  # first\n# end\n", "reviewed:\n    - {x: 1}  # first\n    - {n: 1}\n# end\n"),
        ("reviewed: []\nb: 3\n", "reviewed:\n  - {n: 1}\nb: 3\n"),
        ("a: 1\r\nreviewed: [{x: 1}]\r\nb: 3\r\n", "a: 1\r\nreviewed:\r\n  - {x: 1}\r\n  - {n: 1}\r\nb: 3\r\n"),
    ],
)
def test_an_item_is_added_and_the_rest_stays(text: str, after: str) -> None:
    assert with_item(text, "- {n: 1}") == after
    assert yaml.safe_load(after)["reviewed"][-1] == {"n": 1}


def test_comments_layout_and_mode_survive_a_decision(tmp_path: Path) -> None:
    one = toy(tmp_path)
    path = path_of(one)
    text = "# Why it is so: ...\n" + path.read_text() + "# the end\n"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o640)
    note = 'She said: "a \\ b" – ünïcode 🙂 {x}: [y] # no comment'
    decide(one, "accepted", note)
    after = path.read_text(encoding="utf-8")
    assert after.startswith(text.rstrip()) and path.stat().st_mode & 0o777 == 0o640
    assert load_study_file(path).reviewed[0].note == note
    assert [p.name for p in path.parent.iterdir()] == ["study.yaml"]


@pytest.mark.parametrize(("reviewer", "note"), [("", "n"), ("R", " \n "), ("R\x00", "n"), ("R", "n" * 4001), ("R", "\ud800")])
def test_a_decision_has_a_name_and_a_reason(tmp_path: Path, reviewer: str, note: str) -> None:
    path = path_of(toy(tmp_path))
    before = path.read_bytes()
    with pytest.raises(StudyFileError, match="a decision"):
        record(path, decision="accepted", reviewer=reviewer, note=note, seen=version(path))
    assert path.read_bytes() == before


def test_what_changed_meanwhile_is_not_decided_or_overwritten(tmp_path: Path) -> None:
    path = path_of(toy(tmp_path))
    seen, text = version(path), path.read_text()
    path.write_text(text + "# somebody else\n")
    for do in (
        lambda: record(path, decision="accepted", reviewer="R", note="n", seen=seen),
        lambda: edit(path, text.replace("label: Support", "label: Backing"), seen=seen),
    ):
        with pytest.raises(StudyFileError, match="changed since you looked"):
            do()
    assert path.read_text() == text + "# somebody else\n"


def test_an_edit_must_be_a_valid_study_with_the_same_id_and_decisions(tmp_path: Path) -> None:
    one = toy(tmp_path)
    path = path_of(one)
    decide(one, "refused")
    text = path.read_text()
    for bad, message in (
        (text.replace("kind: ordinal", "kind: odd"), r"study.yaml, line \d+: outcomes\[0\].scale.kind"),
        (text.replace("id: toy", "id: toys"), "name of its folder"),
        (text.replace("decision: refused", "decision: accepted"), "`reviewed` was changed"),
        (text.partition("\nreviewed:")[0], "`reviewed` was changed"),
        ("a: [", "not valid YAML"),
    ):
        with pytest.raises(StudyFileError, match=message):
            edit(path, bad, seen=version(path))
        assert path.read_text() == text
    assert edit(path, text + "# better\n", seen=version(path)).reviewed[0].decision == "refused"
    assert path.read_text().endswith("# better\n")


# --- what the page shows -------------------------------------------------------------------------------------------------------------


def test_the_page_shows_source_and_text_codes_gates_and_questions(tmp_path: Path) -> None:
    one = study(tmp_path)
    sheet = collect(path_of(one), one.deposits)
    assert sheet.passes and not sheet.faults
    html = page(sheet)
    text = words(html)
    for part in (
        "every gate passes", "about 60 answers", "1 question of the draft, open", "no decision yet", QUESTION,
        "Q1. Trees [SHOW PICTURE] cool",  # the source, whole
        "Reads in the dataset", "{name}", "Oldham",
        "variable q1: without a label", "form, block 1 : Q1. Trees", "variable nowhere: the data file has no such column",
        "no answer: refused", "<10", "all but <10", "n of the study: 60 (Table 1)",
        "Note to the programmer", "Nobody quotes this.",  # what stands around it, and what is not quoted
        "You are a survey respondent", "socsci210 review toy --deposits DEPOSITS --accept",
    ):  # fmt: skip
        assert part in text, part
    assert "<del>[SHOW PICTURE] </del>" in html and "<del>streets</del><ins>{name}</ins>" in html
    assert not re.search(r"secret\d", html)  # ids of people


def test_nothing_of_a_deposit_is_markup_on_the_page(tmp_path: Path) -> None:
    one = study(tmp_path)
    decide(one, "refused", f"No. {IMAGE}")
    html = page(collect(path_of(one), one.deposits))
    body = html.partition("<body>")[2]
    assert unescape(body).count(SCRIPT) >= 3 and unescape(body).count(IMAGE) >= 2
    assert "<script" not in html and "<img" not in html and "javascript:" not in html
    assert 'http-equiv="Content-Security-Policy" content="default-src \'none\';' in html
    assert not re.search(r"<[^>]*(\son\w+=|\ssrc=)", body)


def test_a_study_that_fails_shows_what_could_be_read(tmp_path: Path) -> None:
    changes = {"outcomes.0.scale.max": 3, "outcomes.0.scale.labels": {}}
    one = study(tmp_path, changes)
    sheet = collect(path_of(one), one.deposits)
    assert not sheet.passes and sheet.rows is None and sheet.cells is not None
    text = words(page(sheet))
    assert "it could not be read to the end" in text and "off the scale" in text and "Q1. Trees" in text and "Not reached: arms" in text

    wrong = study(tmp_path / "quote", {"conditions.1.text": [{"doc": "form", "blocks": [99]}]})
    text = words(page(collect(path_of(wrong), wrong.deposits)))
    assert "there is no block '99'" in text and "Do you support trees?" in text

    failing = study(tmp_path / "gate", {"stated.0.value": 7})
    sheet = collect(path_of(failing), failing.deposits)
    assert [gate.name for gate in sheet.gates if gate.errors] == ["stated_numbers"]
    assert "1 gate fails" in words(page(sheet))


def test_what_only_a_person_can_judge_is_shown(tmp_path: Path) -> None:
    why = "Both saw the same screen, see page 3."
    changes = {
        "drafted": None,
        "exceptions": [{"gate": "leakage", "outcomes": ["support"], "why": why}],
        "conditions.0.reads_outcome": "The arm stands nowhere else.",
        "conditions.0.text": [{"description": f"A photograph of an oak {IMAGE}"}],
        "outcomes.0.scale.direction": "unknown",
        "data.duplicates": "keep_first",
    }
    one = study(tmp_path, changes)
    (one.deposits / "toy" / "codes.txt").write_text("V1 age\nV2 sex\nV3 town\n")
    (one.deposits / "toy" / "empty.pdf").write_bytes(b"not one")
    sheet = collect(path_of(one), one.deposits)
    html = page(sheet)
    text = words(html)
    for part in (
        "exceptions exception the gate leakage is left out for support May the gate leakage be left out here? " + why,
        "conditions.control May the arm be told from answers? The arm stands nowhere else.",
        f"conditions.control.text described Does the description fit what people saw? A photograph of an oak {IMAGE}",
        "outcomes.support Which end of the scale means more of it?",
        "data.duplicates People stand in the file twice; is keep_first right?",
        "5 texts in the study file's own words", "fills.name.values.1 Oldham", "outcomes.support.question Do you support trees?",
        "codes.txt 3 blocks, not named in the study file", "empty.pdf cannot be read:",
    ):  # fmt: skip
        assert part in text, part
    assert "<img" not in html and [one.name for one in sheet.others] == ["codes.txt", "empty.pdf"]


def test_a_missing_deposit_is_told_on_the_page(tmp_path: Path) -> None:
    one = study(tmp_path)
    sheet = collect(path_of(one), tmp_path / "elsewhere")
    assert not sheet.passes and "no folder toy" in words(page(sheet))


def test_small_counts_and_what_would_give_them_away_are_not_told(tmp_path: Path) -> None:
    shown = [str(one) for one in told([3, 150, 40])]
    assert shown == ["<10", "about 160", "40"]
    assert [str(one) for one in told([4, 7, 150])] == ["<10", "<10", "150"]  # the two could be any of 2 to 9
    assert [str(one) for one in told([0, 25])] == ["0", "25"]
    assert [str(one) for one in told([1, 2])] == ["<10", "<10"] and told([]) == []
    one = study(tmp_path)
    sheet = collect(path_of(one), one.deposits)
    assert sheet.cells is not None
    table = code_table(
        sheet,
        sheet.study.outcomes[0],
        sheet.study.outcomes[0].items[0] if sheet.study.outcomes[0].items else _only(),
        sheet.cells[0, 0, 0],
        [0, 1],
    )
    by_code = {line.code: str(line.n) for line in table.lines}
    assert by_code["98"] == "<10" and sum(count.startswith("about") for count in by_code.values()) == 1


def _only() -> Any:
    from socsci210.extract import items_of

    return items_of(StudyFile.model_validate(small()).outcomes[0])[0]


def test_samples_are_of_made_up_people_and_the_same_every_time(tmp_path: Path) -> None:
    rows = {"demographics": {"fields": {"age": {"columns": ["age"]}, "gender": {"columns": ["sex"], "values": {1: "Male", 2: "Female"}}}}}
    one = toy(
        tmp_path, rows, [{"id": n, "arm": n % 2, "q1": 1 + n % 5, "age": 30 if n < 20 else 41 + n, "sex": 1 + n % 2} for n in range(60)]
    )
    found = samples(collect(path_of(one), one.deposits))
    assert [(sample.condition, sample.outcome) for sample in found] == [("control", "support"), ("treated", "support")]
    assert all("- Age: 30" in sample.prompt and re.search("- Gender: (Male|Female)", sample.prompt) for sample in found)  # no rare age
    assert "Trees cool streets." in found[1].prompt and found == samples(collect(path_of(one), one.deposits))


@pytest.mark.parametrize("study_id", ["sim_town_budget", "sim_phone_repair", "sim_flu_clinic"])
def test_conjoints_items_and_fills_are_shown(study_id: str, simulated_deposits: Path) -> None:
    sheet = collect(Registry().study_file(study_id), simulated_deposits)
    assert sheet.passes
    text = words(page(sheet))
    for condition in sheet.study.conditions:
        assert condition.label in text
    assert all("{" not in sample.prompt for sample in samples(sheet))


# --- edits marked --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "quote", "pieces"),
    [
        ("abc", {}, "abc"),
        ("Q1. Hello [NOTE] you", {"drop": [r"^Q1\. ", r"\[NOTE\] "]}, "-Q1. -Hello -[NOTE] -you"),
        ("a NAME b", {"replace": {"NAME": "{n}"}}, "a -NAME-+{n}+ b"),
        ("x. keep me [end]", {"extract": r"x\. (.*) \["}, "~x. ~keep me~ [end]~"),
        ("one two three", {"extract": "two"}, "~one ~two~ three~"),
        ("a b c d", {"drop": ["b "], "replace": {"a c": "a"}}, "-a --b --c-+a+ d"),  # an edit across an earlier one
        ("abc", {"extract": "z", "drop": ["("]} | {"drop": ["y"]}, "abc"),
    ],
)
def test_edits_are_marked_where_the_build_makes_them(source: str, quote: dict[str, Any], pieces: str) -> None:
    signs = {"kept": "", "dropped": "-", "put_in": "+", "left_out": "~"}
    found = marked(source, Quote(label="x", **quote), {})
    assert "".join(f"{signs[one.kind]}{one.text}{signs[one.kind]}" for one in found) == pieces


# --- where study files live ----------------------------------------------------------------------------------------------------------


def test_folders_of_the_environment_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = toy(tmp_path)
    assert "toy" not in Registry().ids()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "studies"))
    assert Registry().study_file("toy") == path_of(one)
    assert "toy" in Registry([tmp_path / "studies"]).ids()  # named twice is one
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    with pytest.raises(StudyFileError, match=f"{VARIABLE}=.*no such folder"):
        Registry().ids()


def test_a_study_may_be_named_by_its_path(tmp_path: Path) -> None:
    one = toy(tmp_path)
    for name in (path_of(one), path_of(one).parent):
        assert Registry().study_file(str(name)) == path_of(one)
    with pytest.raises(StudyFileError, match="no such study file"):
        Registry().study_file(str(tmp_path / "nothing"))
