"""The stimulus sentence: what a participant met, the question, and how to answer, as one string without line breaks.

The patterns are those of the released SocSci210, so that built and released rows read alike. One place serves build and simulation.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .schema import Scale

LONGEST_LIST: Final = 4  # options that are listed one by one; longer scales name their ends only, as the release does


class AnswerWording(NamedTuple):
    """How the sentence about the answer begins and ends."""

    opening: str
    closing: str


RELEASED: Final = AnswerWording("Only return ", ", nothing else.")
"""The words of the released rows, and of every dataset."""
PARAPHRASES: Final = (
    AnswerWording("Answer with ", ", and write nothing more."),
    AnswerWording("Reply by giving ", ", without any comment."),
)
"""Other words for the same. Answers that hang on which of them is used hang on little."""

OPENINGS: Final[dict[str, str]] = {
    "read": "You read",
    "viewed": "You viewed",
    "watched": "You watched",
    "heard": "You heard",
    "told": "You were told",
    "did": "You did the following:",
}
"""How a stimulus begins, by the way in which something was met."""


def stimulus(
    frame: str,
    context: str,
    question: str,
    scale: Scale,
    *,
    then_read: str = "",
    wording: AnswerWording = RELEASED,
    descending: bool = False,
) -> str:
    """What was met (`context`, opened by the verb of `frame`), what was read after it (`then_read`), the question and the answer format.

    Text that was read is one quotation; text read after something viewed, heard, ... is quoted on its own. `wording` and `descending` are
    those of `answer_format`.
    """
    if frame == "read" or not context:
        frame, context, then_read = "read", " ".join(part for part in (context, then_read) if part), ""
    asked = f'asked: "{question} {answer_format(scale, wording=wording, descending=descending)}"'
    if not context:
        return f"You were {asked}"
    after = f', then read "{then_read}"' if then_read else ""
    return f'{OPENINGS[frame]} "{context}"{after} and then were {asked}'


def answer_format(scale: Scale, *, wording: AnswerWording = RELEASED, descending: bool = False) -> str:
    """The sentence that tells how to answer, e.g. `Only return 1 for Yes or 2 for No, nothing else.`

    Args:
        scale: the answers.
        wording: the words around them.
        descending: name the highest of the labelled answers first.
    """
    return f"{wording.opening}{_answers(scale, -1 if descending else 1)}{wording.closing}"


def _answers(scale: Scale, order: int) -> str:
    if scale.min is None or scale.max is None:
        return f"an integer{_representing(scale)}"
    values = scale.values
    if scale.kind != "numeric" and len(values) <= LONGEST_LIST and all(value in scale.labels for value in values):
        options = [f"{value} for {scale.labels[value]}" for value in values][::order]
        return f"{', '.join(options[:-1])} or {options[-1]}"
    return f"{_range(scale, scale.min, scale.max)}{_representing(scale)}{_meanings(scale, order)}"


def _range(scale: Scale, low: int, high: int) -> str:
    if scale.step == 1:
        return f"an integer from {low} to {high}"
    if low % scale.step == 0:
        return f"a multiple of {scale.step} between {low} and {high}"
    return f"one of {', '.join(str(value) for value in scale.values)}"


def _representing(scale: Scale) -> str:
    return f" representing {scale.unit}" if scale.unit else ""


def _meanings(scale: Scale, order: int) -> str:
    """The labels of both ends; where an end has none, every label there is."""
    ends = [value for value in (scale.min, scale.max) if value is not None]
    named = ends if all(value in scale.labels for value in ends) else sorted(scale.labels)
    if not named:
        return ""
    meanings = [f"{value} means {scale.labels[value]}" for value in named][::order]
    return f", where {' and '.join([', '.join(meanings[:-1]), meanings[-1]] if len(meanings) > 1 else meanings)}"
