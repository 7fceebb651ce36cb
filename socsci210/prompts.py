"""Prompts: one renderer for training, prediction and simulation.

A prompt is made of two parts, a head and a tail, and each part depends on one thing only: the persona or the stimulus. The join always
stands right after a blank line, so the parts may be tokenised apart and once per distinct text (`PromptEncoder`), which gives the same ids
as tokenising the whole.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

from .demographics import FIELDS
from .errors import SocSciError

SYSTEM_PROMPT: Final = (
    "You are simulating a survey respondent. Answer exactly as instructed, following the specified response format without additional "
    "commentary."
)
PERSONA_HEADER: Final = "You are a survey respondent with the following demographic profile:"
INSTRUCTION: Final = "Read the question below and answer exactly as this person would. Follow the response instructions precisely."
INSTRUCTION_AFTER: Final = (
    "Answer the question above exactly as the person described below would. Follow the response instructions precisely."
)
PLAIN_CUE: Final = "\n\nAnswer:\n"  # ends the prompt of a tokenizer without a chat template, and a rationale

_AT_ONCE: Final = 1000  # texts of one call of a tokenizer, which reads them in parallel

Ids: TypeAlias = "array[int]"
Demographic = Mapping[str, Any]
Part = Literal["persona", "stimulus"]


class PromptError(SocSciError):
    """A prompt that cannot be rendered or tokenised as asked."""


def field_label(field: str) -> str:
    """`party_id` -> `Party Id`, as the released prompts write it."""
    return field.replace("_", " ").title()


def persona(demographic: Demographic) -> str:
    """The persona text: a header, then one `- Field: value` line for every field that is known."""
    lines = [f"- {field_label(field)}: {demographic[field]}" for field in FIELDS if demographic.get(field) is not None]
    return "\n".join([PERSONA_HEADER, *lines])


@dataclass(frozen=True)
class Template:
    """A prompt layout. `head` renders the part that `head_part` names and ends in a blank line, `tail` renders the other one."""

    name: str
    version: int
    head_part: Part
    between: str

    def head(self, text: str) -> str:
        """First part, from the persona text or the stimulus (see `head_part`)."""
        return f"{text}\n\n{self.between}\n\n"

    def join(self, persona_text: str, stimuli: str) -> str:
        """The user turn from a rendered persona and a stimulus."""
        first, last = (persona_text, stimuli) if self.head_part == "persona" else (stimuli, persona_text)
        return self.head(first) + last

    def render(self, demographic: Demographic, stimuli: str) -> str:
        """The user turn: persona, instruction and stimulus (verbatim), in the order of this template."""
        return self.join(persona(demographic), stimuli)


TEMPLATES: Final[dict[str, Template]] = {
    template.name: template
    for template in (
        Template("upstream", 1, "persona", INSTRUCTION),
        Template("stimulus_first", 1, "stimulus", INSTRUCTION_AFTER),
    )
}


def get_template(name: str) -> Template:
    """The template called `name`.

    Raises:
        PromptError: there is none.
    """
    if name not in TEMPLATES:
        raise PromptError(f"unknown prompt template {name!r}", expected=f"one of {', '.join(TEMPLATES)}", fix="name one of these templates")
    return TEMPLATES[name]


@lru_cache(maxsize=8)
def template_hash(name: str) -> str:
    """16 hex digits that change with every change of the wording or layout of a template, the system prompt included."""
    template = get_template(name)
    full = {field: f"<{field}>" for field in FIELDS}
    probes = [template.render(full, "<stimuli>"), template.render({}, "<stimuli>")]
    text = "\x00".join([template.name, str(template.version), SYSTEM_PROMPT, PLAIN_CUE, *probes])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def same_words(record: Mapping[str, Any], model: str) -> None:
    """Checks, by its run record, that the template a model was trained with still has the words it had then.

    Args:
        record: the model's run record; one that names no template or hash passes.
        model: for the message.

    Raises:
        PromptError: this version has no such template, or has other words in it.
    """
    name, trained = record.get("template"), record.get("template_hash")
    if name is None or trained is None:
        return
    if name not in TEMPLATES or template_hash(name) != trained:
        raise PromptError(
            f"the model was trained with other words in template {name!r}", where=model, expected=f"template hash {trained}",
            fix="use the version of socsci210 that its run record names, or choose a template yourself",
        )  # fmt: skip


def messages(template: str, demographic: Demographic, stimuli: str, response: int | None = None) -> list[dict[str, str]]:
    """The conversation of one row: system, user and, where a response is given, the assistant's bare integer."""
    return _conversation(get_template(template).render(demographic, stimuli), response)


def _conversation(user: str, response: int | None = None, *, system: bool = True) -> list[dict[str, str]]:
    turns = [{"role": "system", "content": SYSTEM_PROMPT}] if system else []
    turns.append({"role": "user", "content": user if system else f"{SYSTEM_PROMPT}\n\n{user}"})
    if response is not None:
        turns.append({"role": "assistant", "content": str(response)})
    return turns


class ChatFrame:
    """What a tokenizer's chat template puts around a user turn, as two constant strings, and the token that ends the assistant's turn.

    A tokenizer without a chat template (a base model) gets the system prompt, the user turn and `PLAIN_CUE` as plain text.
    """

    _MARK: Final = "\u241eSOCSCI210\u241e"

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        if getattr(tokenizer, "chat_template", None):
            self.before, self.after, closing = self._chat_strings()
        else:
            bos = self._leading_bos()
            self.before, self.after, closing = f"{bos}{SYSTEM_PROMPT}\n\n", PLAIN_CUE, ""
        self.end_of_turn = self._end_token(closing)

    def _chat_strings(self) -> tuple[str, str, str]:
        user = self._MARK
        system = self._accepts_system()
        opened = self._apply(_conversation(user, system=system), add_generation_prompt=True)
        before, found, after = opened.partition(user)
        if not found or self._MARK in after:
            raise PromptError(
                "the chat template does not show the user turn exactly once",
                where=str(getattr(self.tokenizer, "name_or_path", "tokenizer")),
                fix="give the model's tokenizer a chat template that renders system, user and assistant turns",
            )
        whole = self._apply(_conversation(user, 5, system=system), add_generation_prompt=False)
        closing = whole[len(opened) + 1 :] if whole.startswith(opened + "5") else ""
        return before, after, closing

    def _accepts_system(self) -> bool:
        from jinja2.exceptions import TemplateError

        try:
            return SYSTEM_PROMPT in self._apply(_conversation("x"), add_generation_prompt=True)
        except TemplateError:  # some families (Gemma 2, Mistral 1) refuse a system turn: its text then opens the user turn
            return False

    def _apply(self, turns: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
        # Fixed extras: no thinking block before the answer, and no "today" in the prompt (a date would change it from day to day).
        text = self.tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=add_generation_prompt, enable_thinking=False, date_string="26 Jul 2024"
        )
        return str(text)

    def _leading_bos(self) -> str:
        bos = getattr(self.tokenizer, "bos_token_id", None)
        ids = self.tokenizer("x")["input_ids"]
        return str(self.tokenizer.bos_token) if bos is not None and ids and ids[0] == bos else ""

    def _end_token(self, closing: str) -> int:
        ids = self.tokenizer.encode(closing, add_special_tokens=False) if closing else []
        if ids and ids[0] in set(self.tokenizer.all_special_ids) | set(self.tokenizer.get_added_vocab().values()):
            return int(ids[0])
        if self.tokenizer.eos_token_id is None:
            raise PromptError(
                "the tokenizer has neither a chat template that closes the assistant's turn nor an end-of-text token",
                where=str(getattr(self.tokenizer, "name_or_path", "tokenizer")),
                fix="set tokenizer.eos_token",
            )
        return int(self.tokenizer.eos_token_id)

    def chat_template(self) -> str:
        """The tokenizer's chat template; where it has none, one that puts around a user turn what this class puts around it."""
        if getattr(self.tokenizer, "chat_template", None):
            return str(self.tokenizer.chat_template)
        bos, cue = "{{ bos_token }}" if self._leading_bos() else "", json.dumps(PLAIN_CUE)
        return (
            bos + "{% for message in messages %}{% if message['role'] == 'assistant' %}{{ " + cue + " + message['content'] + eos_token }}"
            "{% elif message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}{% else %}{{ message['content'] }}{% endif %}"
            "{% endfor %}{% if add_generation_prompt %}{{ " + cue + " }}{% endif %}"
        )

    def wrap(self, user: str) -> str:
        """Everything the model reads before it answers."""
        return self.before + user + self.after


class PromptEncoder:
    """Token ids of prompts and answers, each distinct persona, stimulus and answer tokenised once.

    Training and prediction both use this class, so the ids of a prompt are the same in both.
    """

    def __init__(self, tokenizer: Any, template: str = "upstream") -> None:
        self.tokenizer, self.template = tokenizer, get_template(template)
        self.frame = ChatFrame(tokenizer)
        self.end_of_turn = self.frame.end_of_turn
        self._head: dict[str, list[int]] = {}
        self._tail: dict[str, list[int]] = {}
        self._answers: dict[int, tuple[int, ...]] = {}
        self._anchor = self._encode(self.frame.wrap("x"))
        self._apart = self._splits_after_blank_line()

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def _splits_after_blank_line(self) -> bool:
        """Whether ids of head and tail, put together, are the ids of the whole (true of every byte-level tokenizer)."""
        probes = [("A 1.", "B"), ("a?", '"q"'), ("x:", "- 1"), ("(1)", "1 2"), ("é", "É"), ("You read:", "You were asked"), ("n", "'s 5")]
        return all(
            self._encode(self.frame.before + self.template.head(a)) + self._encode(b + self.frame.after)
            == self._encode(self.frame.wrap(self.template.head(a) + b))
            for a, b in probes
        )

    def prompt(self, persona_text: str, stimuli: str) -> list[int]:
        """Ids of everything before the answer."""
        if self.template.head_part == "persona":
            first, last = persona_text, stimuli
        else:
            first, last = stimuli, persona_text
        if not self._apart or last[:1].isspace() or not last:
            return self._encode(self.frame.wrap(self.template.join(persona_text, stimuli)))
        head = self._cached(self._head, first, lambda: self.frame.before + self.template.head(first))
        return head + self._cached(self._tail, last, lambda: last + self.frame.after)

    def parts(self, heads: Sequence[str], tails: Sequence[str]) -> tuple[list[Ids], list[Ids | None]]:
        """Ids of many heads and tails, each tokenised once and none kept: `head + tail` is the prompt of such a pair.

        Args:
            heads: personas or stimuli, whichever the template puts first.
            tails: the other ones. A tail that cannot be tokenised apart from its head gives None: such prompts are tokenised whole.
        """
        apart = [self._apart and bool(tail) and not tail[0].isspace() for tail in tails]
        first = self._encode_all([self.frame.before + self.template.head(head) for head in heads]) if self._apart else []
        last = iter(self._encode_all([tail + self.frame.after for tail, alone in zip(tails, apart, strict=True) if alone]))
        return first, [next(last) if alone else None for alone in apart]

    def _encode_all(self, texts: list[str]) -> list[Ids]:
        some = range(0, len(texts), _AT_ONCE)
        batches = (self.tokenizer(texts[at : at + _AT_ONCE], add_special_tokens=False)["input_ids"] for at in some)
        return [array("i", ids) for batch in batches for ids in batch]

    def _cached(self, cache: dict[str, list[int]], key: str, text: Callable[[], str]) -> list[int]:
        ids = cache.get(key)
        if ids is None:
            ids = cache[key] = self._encode(text())
        return ids

    def rationales(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of rationales as they follow a prompt, without the blanks around them and each with `PLAIN_CUE`, which ends it, behind it."""
        return self._encode_all([f"{text.strip()}{PLAIN_CUE}" for text in texts])

    def answer(self, response: int) -> tuple[int, ...]:
        """Ids of an answer as they follow a prompt, the end of turn included."""
        ids = self._answers.get(response)
        if ids is None:
            # Tokenised behind a prompt: some tokenizers put a space before a first word.
            joined = self._encode(self.frame.wrap("x") + str(response))
            start = len(self._anchor)
            bare = joined[start:] if joined[:start] == self._anchor else self._encode(str(response))
            ids = self._answers[response] = (*bare, self.end_of_turn)
        return ids

    def answers(self, values: Iterable[int]) -> list[tuple[int, ...]]:
        """Ids of several answers."""
        return [self.answer(int(value)) for value in values]


def common_length(prompts: Sequence[list[int]]) -> int:
    """Tokens that all prompts begin with; at least one token is left of each."""
    first, last = min(prompts), max(prompts)  # whatever these two share, all share
    limit = min(map(len, prompts)) - 1
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), limit)
    return max(0, min(same, limit))


def tokenise(
    tokenizer: Any, demographic: Demographic, stimuli: str, response: int, *, template: str = "upstream"
) -> tuple[list[int], list[int]]:
    """One training example: (ids, labels), where labels are -100 everywhere but on the answer and the end of turn."""
    encoder = PromptEncoder(tokenizer, template)
    prompt, answer = encoder.prompt(persona(demographic), stimuli), encoder.answer(response)
    return [*prompt, *answer], [*([-100] * len(prompt)), *answer]
