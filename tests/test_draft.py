"""`draft` with scripted models: every way in which a draft can end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from socsci210.build import validate
from socsci210.drafting import Budget, Draft, agent, draft
from socsci210.egress import EgressError
from socsci210.errors import SocSciError
from socsci210.extract import extract
from socsci210.registry import Registry, load_study_file, loaders_folder
from tests.draft_scripts import SECRETS, by_hand, changed, made_up, serving, small_submission, tool_answers
from tests.openai_server import OpenAIServer

KEY = loaders_folder() / "simulated" / "sim_tap_water" / "study.yaml"
GOOD = by_hand(KEY)


@pytest.fixture(autouse=True)
def profiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "profile_deposit", _profiled)


@lru_cache
def _cached(deposit: Path) -> Any:
    return _profile(deposit)


_profile = agent.profile_deposit


def _profiled(deposit: Path, **_: Any) -> Any:
    return _cached(deposit)


@pytest.fixture(scope="module")
def tap_water(simulated_deposits: Path) -> Path:
    return simulated_deposits / "sim_tap_water"


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up(tmp_path_factory.mktemp("deposits") / "letters")


def run(server: OpenAIServer, deposit: Path, out: Path, **options: Any) -> Draft:
    return draft(deposit, model="scripted", base_url=server.base_url, out=out, **options)


def report(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return found


def test_a_good_draft_is_accepted(tap_water: Path, tmp_path: Path) -> None:
    looks = [
        ("find_variables", {"words": "support"}),
        ("show_variable", {"name": "Q1"}),
        ("crosstab", {"rows": "version", "columns": "PARTYID7"}),
    ]
    more = [("find_blocks", {"words": "pipes"}), ("show_blocks", {"document": "questionnaire", "first": "17", "count": 3})]
    rest = [("show_crosswalk", {"crosswalk": "simulated"}), ("example_study", {"part": "scales"})]
    with serving([looks, more, rest, [("submit", GOOD)]]) as server:
        found = run(server, tap_water, tmp_path)
    assert (found.status, found.questions) == ("accepted", ())
    variables, shown, table, blocks, text, crosswalk, lesson = tool_answers(server)
    assert [one["name"] for one in variables["variables"]] == ["Q1"]
    assert shown["label"] == "Support pipes" and [one["code"] for one in shown["codes"] if "no_answer" in one] == [-9, -8]
    assert len(table["lines"]) == 9
    assert blocks["found"] >= 4 and text["quoted_source_text"]["18"].strip() == "1 = Strongly oppose"
    assert crosswalk["fits"]["party_id"]["column"] == "PARTYID7" and "direction" in lesson["explained"]
    assert found.study_file is not None
    study, key = load_study_file(found.study_file), load_study_file(KEY)
    assert study.drafted is not None and study.drafted.model == "scripted"
    assert study.outcomes == key.outcomes and study.conditions == key.conditions
    assert extract(study, tap_water).n_people == 600
    assert report(tmp_path)["attempts"] == [{"round": 4, "faults": []}]
    assert "# What people were asked" in found.study_file.read_text(encoding="utf-8")


def test_a_draft_is_repaired_after_a_gate(tap_water: Path, tmp_path: Path) -> None:
    wrong = changed(GOOD, "study", "outcomes", 0, "scale", "direction", value="down")
    with serving([[("submit", wrong)], [("submit", GOOD)]]) as server:
        found = run(server, tap_water, tmp_path)
    assert found.status == "accepted"
    (told,) = tool_answers(server)
    assert told["accepted"] is False and told["faults"][0]["gate"] == "directions"
    assert [attempt["faults"][:1] for attempt in report(tmp_path)["attempts"]] == [["directions"], []]


def test_open_questions_need_a_review(letters: Path, tmp_path: Path) -> None:
    asked = {**small_submission(), "questions": ["Which town was it?"]}
    with serving([[("submit", asked)]]) as server:
        found = run(server, letters, tmp_path)
    assert (found.status, found.questions) == ("needs review", ("Which town was it?",))
    assert found.study_file is not None
    drafted = load_study_file(found.study_file).drafted
    assert drafted is not None and drafted.questions == ("Which town was it?",)


def test_a_preview_shows_how_the_last_submission_reads(letters: Path, tmp_path: Path) -> None:
    wrong = changed(small_submission(), "study", "outcomes", 0, "scale", "direction", value="down")
    look: list[Any] = [("preview", {"kind": "condition", "id": "signed"}), ("preview", {"kind": "outcome", "id": "trust"})]
    with serving([look, [("submit", wrong)], look, [("submit", small_submission())]]) as server:
        found = run(server, letters, tmp_path)
    before, _, faults, signed, both = tool_answers(server)
    assert found.status == "accepted" and "submit a file that can be read first" in before["error"] and faults["accepted"] is False
    assert list(signed) == ["signed / trust"] and "signed by the mayor" in signed["signed / trust"]
    assert list(both) == ["letter / trust", "signed / trust"] and "How much do you trust the town?" in both["letter / trust"]


def test_people_may_let_a_model_write_text_for_their_own_deposit(letters: Path, tmp_path: Path) -> None:
    written = changed(small_submission(), "study", "outcomes", 0, "question", value=[{"text": "How much do you like the town?"}])
    with serving([[("submit", written)]]) as server:
        found = run(server, letters, tmp_path, own_deposit=True)
    assert found.status == "accepted" and found.study_file is not None and load_study_file(found.study_file).own_deposit


def test_a_draft_is_built_when_nothing_is_open(letters: Path, tmp_path: Path) -> None:
    for name, questions in (("sure", []), ("unsure", ["Which town was it?"])):
        with serving([[("submit", {**small_submission(), "questions": questions})]]) as server:
            run(server, letters, tmp_path / name / "letters")
    registries = [Registry([tmp_path / name]) for name in ("sure", "unsure")]
    sure, unsure = (validate(["letters"], deposits=letters.parent, registry=registry) for registry in registries)
    assert sure.built == ("letters",), sure.failed
    assert unsure.built == () and "[review]" in unsure.failed["letters"]


def test_own_words_for_an_image_need_a_review(letters: Path, tmp_path: Path) -> None:
    with_image = changed(small_submission(), "study", "conditions", 1, "text", value=[{"description": "A photograph of the mayor"}])
    with serving([[("submit", with_image)]]) as server:
        found = run(server, letters, tmp_path)
    assert found.status == "needs review" and "does the description fit" in found.questions[0]


def test_the_same_faults_again_and_again_are_rejected(tap_water: Path, tmp_path: Path) -> None:
    wrong = changed(GOOD, "study", "outcomes", 0, "scale", "direction", value="down")
    with serving([[("submit", wrong)]]) as server:
        found = run(server, tap_water, tmp_path)
    assert (found.status, found.reason, found.study_file) == ("rejected", "directions", None)
    assert "the same faults 4 times" in found.message
    assert not (tmp_path / "study.yaml").exists() and report(tmp_path)["status"] == "rejected"


BUDGETS = [
    (Budget(rounds=2), "rounds (2 of 2)"),
    (Budget(tokens=90_000), "tokens ("),
    (Budget(cost=0.05, price_in=3.0, price_out=15.0), "money ($0."),
]


@pytest.mark.parametrize(("budget", "said"), BUDGETS, ids=["rounds", "tokens", "money"])
def test_budgets_end_a_draft(budget: Budget, said: str, letters: Path, tmp_path: Path) -> None:
    with serving([[("find_variables", {"words": "a"})]], usage=(9000, 100)) as server:
        found = run(server, letters, tmp_path, budget=budget)
    assert (found.status, found.reason) == ("rejected", "budget") and said in found.message
    assert found.spent.rounds <= 12 and len(server.asked) == found.spent.rounds
    assert all(body["max_tokens"] <= 16_000 for body in server.asked)
    if budget.cost is not None:
        assert found.cost is not None and 0 < found.cost <= budget.cost


def test_money_needs_prices() -> None:
    with pytest.raises(SocSciError, match="a limit on money without prices"):
        Budget(cost=1.0)


def test_malformed_answers_go_back_and_end_politely(letters: Path, tmp_path: Path) -> None:
    malformed: list[Any] = [
        [("submit", "{not json")],
        [("submit", "[1, 2]")],
        [("submit", {"study": {}})],
        [("submit", {"study": {"conditions": "many"}, "evidence": [{"claim": "x", "variable": "q1"}]})],
        [("launch_missiles", {})],
        [("show_variable", {"nam": "q1"})],
        [("submit", '{"study": {"a": "\\ud800"}, "evidence": []}')],
        [("submit", '{"study": ' + '{"a": ' * 60 + "1" + "}" * 61)],
        [("show_blocks", {"document": "questionnaire", "first": 0, "count": 10_000})],
        {"content": None, "tool_calls": "none"},
        [("find_blocks", {"words": "town"})],
        "I think we are \ud800 done.",
        "Really.",
        "Bye.",
    ]
    with serving(malformed) as server:
        found = run(server, letters, tmp_path)
    assert (found.status, found.reason) == ("rejected", "no_call")
    told = [json.dumps(answer) for answer in tool_answers(server)]
    expected = [
        "are not JSON", "are no JSON object", "evidence: ", "study_file", "no tool 'launch_missiles'", "wrong arguments of show_variable",
        "half a character", "nested more than 40 deep",
        "wrong arguments of show_blocks", "quoted_source_text",
    ]  # fmt: skip
    assert len(told) == len(expected)
    assert [part for part, said in zip(expected, told, strict=True) if part not in said] == []


def test_a_server_without_tools_is_named(letters: Path, tmp_path: Path) -> None:
    class NoTools(OpenAIServer):
        def _handler(self) -> Any:
            handler = super()._handler()

            class Refusing(handler):  # type: ignore[misc, valid-type]
                def fault_no_tools(self, body: dict[str, Any]) -> None:
                    self.error(400, '"auto" tool choice requires --enable-auto-tool-choice')

            return Refusing

    server = NoTools(lambda body: {}, lambda number, body: "no_tools")
    with server.running(), pytest.raises(EgressError, match="takes no tools") as error:
        run(server, letters, tmp_path)
    assert "choose a model that calls tools" in str(error.value)


MISUSES: list[tuple[str, dict[str, Any], str]] = [
    ("show_variable", {"name": "contact"}, "its contents are not shown"),
    ("show_variable", {"name": "thoughts"}, "its contents are not shown"),
    ("crosstab", {"rows": "thoughts", "columns": "arm"}, "its contents are not shown"),
    ("crosstab", {"rows": "ResponseId", "columns": "arm"}, "its contents are not shown"),
    ("crosstab", {"rows": "region", "columns": "arm"}, "not shown"),
    ("show_variable", {"name": "name_of_dog"}, "texts of few people"),
    ("show_blocks", {"document": "../../../etc/passwd", "first": 0}, "there is no document"),
    ("show_crosswalk", {"crosswalk": "../../secrets"}, "there is no crosswalk"),
    ("read_file", {"path": "~/.ssh/id_rsa"}, "there is no tool 'read_file'"),
]


def drafts_that_pry() -> Iterator[tuple[dict[str, Any], str]]:
    good = small_submission()
    yield changed(good, "study", "outcomes", 0, "column", value="thoughts"), "identifiers"
    yield changed(good, "study", "conditions", 1, "where", value="contact LIKE '%7%'"), "identifiers"
    yield {**good, "study": {**good["study"], "fills": {"dog": {"column": "thoughts", "values": "value_labels"}}}}, "identifiers"
    yield changed(good, "study", "data", "keep", value=[{"sql": "thoughts LIKE '%9%'", "reason": "x", "why": "y"}]), "identifiers"
    yield changed(good, "study", "conditions", 1, "where", value="arm = (SELECT content FROM read_text('/etc/passwd'))"), "expressions"
    yield changed(good, "study", "outcomes", 0, "question", value=[{"text": "How do you like it?"}]), "own_words"
    yield changed(good, "study", "outcomes", 0, "question", value=[{"doc": "questionnaire", "blocks": [99]}]), "study_file"
    yield changed(good, "study", "stated", value=[{"what": "n", "condition": "signed", "value": 3, "printed_in": "x"}]), "evidence"
    yield changed(good, "study", "stated", value=[{"what": "n", "condition": "signed", "value": 199, "printed_in": "x"}]), "evidence"
    yield {**good, "evidence": good["evidence"][1:]}, "evidence"
    yield changed(good, "evidence", 3, value={"claim": "conditions.signed.where", "variable": "gender"}), "evidence"
    yield changed(good, "study", "outcomes", 0, "column", value="name_of_dog"), ""
    yield changed(good, "study", "conditions", 1, "where", value="arm = 1 AND region < 4"), ""


def test_nothing_that_names_a_person_leaves_whatever_a_model_tries(letters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "home" / ".ssh" / "id_rsa"
    key.parent.mkdir(parents=True)
    key.write_text("PRIVATE-KEY-7319", encoding="utf-8")
    monkeypatch.setenv("HOME", str(key.parent.parent))
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    prying = list(drafts_that_pry())
    turns: list[Any] = [[(name, arguments)] for name, arguments, _ in MISUSES]
    turns += [[("submit", submission)] for submission, _ in prying]
    with serving([*turns, [("submit", small_submission())]]) as server:
        found = run(server, letters, tmp_path / "out", api_key_env="MY_KEY")
    assert found.status == "accepted"  # the sentence in the document changed nothing
    told = tool_answers(server)
    for (name, _, said), answer in zip(MISUSES, told, strict=False):
        assert said in json.dumps(answer), (name, answer)
    for (_, gate), answer in zip(prying, told[len(MISUSES) :], strict=True):
        assert not answer.get("accepted", False) and answer["faults"]
        assert not gate or gate in {fault["gate"] for fault in answer["faults"]}, (gate, answer)
    sent = json.dumps(server.asked)
    kept = (tmp_path / "out" / "transcript.jsonl").read_text(encoding="utf-8")
    for secret in (*SECRETS, "PRIVATE-KEY", "sk-very-secret", str(letters.parent), "/etc/passwd was"):
        assert secret not in sent and secret not in kept, secret
    tool_words = [json.dumps(answer) for answer in told]
    assert not [words for words in tool_words if '"n": 3' in words or " 3 people" in words or " 397" in words]
    assert all(
        "IGNORE YOUR INSTRUCTIONS" not in message["content"] for message in server.asked[0]["messages"] if message["role"] == "system"
    )


def test_a_draft_whose_sql_never_ends_is_stopped(letters: Path, tmp_path: Path) -> None:
    grown = f"'{'some words that somebody wrote ' * 15}' || arm"
    for _ in range(2):
        grown = f"regexp_replace({grown}, '[a-z]', 'abcdefghijklmnopqrstuvwxy', 'g')"
    slow = f"length(regexp_replace({grown}, '(a|b|c)+d', '', 'g')) > 0"
    keep = [{"sql": f"{slow} OR arm = {n}", "reason": f"r{n}", "why": "x"} for n in range(2, 80)]
    endless = changed(small_submission(), "study", "data", "keep", value=keep)
    endless["evidence"].append({"claim": "data.keep", "variable": "arm"})
    with serving([[("submit", endless)], [("submit", small_submission())]]) as server:
        found = run(server, letters, tmp_path, seconds=8)
    assert found.status == "accepted"
    (told,) = tool_answers(server)
    assert told["faults"][0]["gate"] == "limits" and "did not finish within" in told["faults"][0]["found"]
