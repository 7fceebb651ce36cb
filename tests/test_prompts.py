"""Prompts: the upstream template to the character, and answers as the only trained tokens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from socsci210 import prompts
from socsci210.demographics import FIELDS
from tests.tiny import tiny_tokenizer

# The persona of study 9nphm, sample 0, as the released prompt shows it; the stimulus is our own.
PERSON = {
    "age": 34,
    "gender": "Female",
    "education": "Post grad study/professional degree",
    "employment": "Employed as paid employee",
    "ethnicity": None,
    "marital_status": "Married",
    "housing_ownership": "Owned or being bought by you or someone in your household",
    "housing_type": "A building with 2 or more apartments",
    "location": "New Jersey",
    "metro_status": "Metro Area",
    "income": "75-99K",
    "internet_access": "Internet Household",
    "household_size": 4,
    "party_id": "Moderate Democrat",
    "ideology": "Moderate",
    "phone_service": "Cellphone only",
}
STIMULUS = 'You were asked: "How warm is the tea? Only return an integer from 1 to 7, nothing else."'
PERSONA = """You are a survey respondent with the following demographic profile:
- Age: 34
- Gender: Female
- Education: Post grad study/professional degree
- Employment: Employed as paid employee
- Marital Status: Married
- Housing Ownership: Owned or being bought by you or someone in your household
- Housing Type: A building with 2 or more apartments
- Location: New Jersey
- Metro Status: Metro Area
- Income: 75-99K
- Internet Access: Internet Household
- Household Size: 4
- Party Id: Moderate Democrat
- Ideology: Moderate
- Phone Service: Cellphone only"""
UPSTREAM = f"""{PERSONA}

Read the question below and answer exactly as this person would. Follow the response instructions precisely.

{STIMULUS}"""


def test_upstream_template_to_the_character() -> None:
    assert prompts.TEMPLATES["upstream"].render(PERSON, STIMULUS) == UPSTREAM


def test_ethnicity_stands_after_employment() -> None:
    lines = prompts.persona({**PERSON, "ethnicity": "Black"}).splitlines()
    assert lines[5] == "- Ethnicity: Black"
    assert lines[4].startswith("- Employment")


def test_unknown_fields_have_no_line() -> None:
    assert prompts.persona({"age": None, "party_id": "Lean Democrat"}).splitlines()[1:] == ["- Party Id: Lean Democrat"]


def test_stimulus_first_holds_the_same_words() -> None:
    text = prompts.TEMPLATES["stimulus_first"].render(PERSON, STIMULUS)
    assert text.startswith(STIMULUS + "\n\n")
    assert text.endswith("\n\n" + PERSONA)


def test_template_hash_is_stable_and_distinct() -> None:
    first, second = prompts.template_hash("upstream"), prompts.template_hash("stimulus_first")
    assert len(first) == 16 and first != second
    assert first == prompts.template_hash("upstream")


def test_template_hash_changes_with_the_wording(monkeypatch: pytest.MonkeyPatch) -> None:
    before = prompts.template_hash("upstream")
    monkeypatch.setattr(prompts, "SYSTEM_PROMPT", "Answer.")
    prompts.template_hash.cache_clear()
    assert prompts.template_hash("upstream") != before
    monkeypatch.undo()
    prompts.template_hash.cache_clear()
    assert prompts.template_hash("upstream") == before


def test_unknown_template_names_the_known_ones() -> None:
    with pytest.raises(prompts.PromptError, match=r"'upstraem'.*\n.*upstream, stimulus_first"):
        prompts.get_template("upstraem")


def test_messages() -> None:
    turns = prompts.messages("upstream", PERSON, STIMULUS, -3)
    assert [turn["role"] for turn in turns] == ["system", "user", "assistant"]
    assert turns[0]["content"] == prompts.SYSTEM_PROMPT
    assert turns[1]["content"] == UPSTREAM
    assert turns[2]["content"] == "-3"


TEMPLATES = {
    "none": None,
    "chatml": "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "no system": "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "[{{ m['role'] }}] {{ m['content'] | trim }}<|im_end|>{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}",
}


@pytest.fixture(params=list(TEMPLATES))
def tokenizer(request: pytest.FixtureRequest) -> Iterator[object]:
    made = tiny_tokenizer()
    made.chat_template = TEMPLATES[request.param]
    return made


@pytest.mark.parametrize("template", ["upstream", "stimulus_first"])
def test_parts_give_the_ids_of_the_whole(tokenizer: object, template: str) -> None:
    encoder = prompts.PromptEncoder(tokenizer, template)
    for stimulus in (STIMULUS, " leading space", "\nleading line", "1 to 7?", "«é»", "trailing line\n"):
        whole = encoder.frame.wrap(prompts.TEMPLATES[template].render(PERSON, stimulus))
        for _ in range(2):  # the second time from the cache
            assert encoder.prompt(PERSONA, stimulus) == tokenizer.encode(whole, add_special_tokens=False)  # type: ignore[attr-defined]


@pytest.mark.parametrize("response", [0, 7, 10, 100, -5])
def test_answer_is_the_only_trained_part(tokenizer: object, response: int) -> None:
    ids, labels = prompts.tokenise(tokenizer, PERSON, STIMULUS, response)
    trained = [label for label in labels if label != -100]
    assert tokenizer.decode(trained[:-1]).strip() == str(response)  # type: ignore[attr-defined]
    assert trained[-1] == tokenizer.eos_token_id  # type: ignore[attr-defined]
    assert ids[-len(trained) :] == trained and all(label == -100 for label in labels[: -len(trained)])
    assert prompts.PromptEncoder(tokenizer).prompt(PERSONA, STIMULUS) == ids[: -len(trained)]


def test_chat_rendering_equals_the_tokenizers_own() -> None:
    made = tiny_tokenizer()
    made.chat_template = TEMPLATES["chatml"]
    ids, _ = prompts.tokenise(made, PERSON, STIMULUS, 5)
    own = made.apply_chat_template(prompts.messages("upstream", PERSON, STIMULUS, 5), tokenize=False)
    assert made.decode(ids) + "\n" == own


def test_a_family_without_system_turn_reads_it_in_the_user_turn() -> None:
    made = tiny_tokenizer()
    made.chat_template = TEMPLATES["no system"]
    assert prompts.ChatFrame(made).wrap("hello") == f"[user] {prompts.SYSTEM_PROMPT}\n\nhello<|im_end|>[assistant] "


@pytest.mark.parametrize("bos", [None, "<|endoftext|>"])
def test_a_base_model_gets_a_chat_template_that_says_the_same(bos: str | None) -> None:
    """What a server renders by it is what the model was trained on; the encoder reads it as it read the tokenizer without one."""
    plain, made = tiny_tokenizer(), tiny_tokenizer()
    if bos:  # a tokenizer that opens every text with a token of its own
        from tokenizers.processors import TemplateProcessing

        for one in (plain, made):
            one.bos_token = bos
            one.backend_tokenizer.post_processor = TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, one.bos_token_id)])
    made.chat_template = prompts.ChatFrame(plain).chat_template()
    one, other = prompts.ChatFrame(plain), prompts.ChatFrame(made)
    assert (one.before, one.after, one.end_of_turn) == (other.before, other.after, other.end_of_turn)
    assert one.before.startswith(bos or prompts.SYSTEM_PROMPT)
    asked = prompts.messages("upstream", PERSON, STIMULUS)
    ids = made.apply_chat_template(asked, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert list(ids) == prompts.PromptEncoder(plain).prompt(PERSONA, STIMULUS)
    whole = made.apply_chat_template(prompts.messages("upstream", PERSON, STIMULUS, 5), tokenize=False)
    assert whole == one.wrap(UPSTREAM) + "5" + made.eos_token


def test_every_field_has_a_label() -> None:
    assert [prompts.field_label(field) for field in FIELDS][-3:] == ["Party Id", "Ideology", "Phone Service"]


def test_common_length() -> None:
    assert prompts.common_length([[1, 2, 3], [1, 2, 4, 5]]) == 2
    assert prompts.common_length([[1, 2, 3]]) == 2  # one token is left
    assert prompts.common_length([[1, 2], [1, 2, 3]]) == 1
    assert prompts.common_length([[5], [6, 7]]) == 0
