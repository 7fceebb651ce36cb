r"""Answers of models that write a rationale first (objective `reasoning`): exact behind each rationale, averaged over several of them.

Such a model says how a person x answers a only through the rationales r that it may write before:

    p(a | x) = sum over r of q(r | x) p(a | x, r)

No one can sum over all texts, but each term is known exactly once r is written. So K rationales are drawn, and

    p_K(a | x) = 1/K * sum over k of p(a | x, r_k),    r_1 ... r_K drawn from q(. | x)

is the mean of K distributions (Monte Carlo; behind each rationale the sum over answers is exact, a conditional expectation, so it varies
less than K drawn answers would: Rao-Blackwell). It is unbiased for every K, and its standard error is s / sqrt(K), where s is the standard
deviation of p(a | x, r) over rationales: at most sqrt(p (1 - p) / K), which is what K drawn answers have, and 0 where rationales do not
matter. With K = 1 a single person's distribution is that behind one rationale; the mean over a cell of n people is one over n rationales.

q is the model as it is published to be used: temperature 0.6, top_p 0.9 (`language_model.GENERATION`), up to `TOKENS` tokens or as many as
the context leaves. A rationale ends with the cue (`prompts.PLAIN_CUE`); text and cue are then encoded as training encodes them. One that
ends without the cue, or leaves no room for an answer, has no answer: its p(a | x, r) is 0 for all a, so the mean sums to less than 1, as
`answer_mass` shows. Where all K are like that there is nothing to normalise, and the row counts as one that could not be read.

Rationales hang on the seed and the prompt, not on the batch, the shard or the process: people with equal prompts have equal rationales.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..language_model import GENERATION
from ..prompts import PLAIN_CUE
from .draws import ANSWER, Decoding, Draws
from .exact import ExactAnswers, too_long

Floats = npt.NDArray[np.float64]
TOKENS: Final = 512
DECODING: Final = Decoding(TOKENS, temperature=float(GENERATION["temperature"]), top_p=float(GENERATION["top_p"]), until=PLAIN_CUE)


class Rationales:
    """Answer distributions of a model that writes rationales. Asked like `ExactAnswers`, and for draws like `Draws`.

    Args:
        exact: the model, asked behind rationales.
        number: rationales for each prompt.
        seed: decides them, together with the prompt.
    """

    method: Final = "rationales"

    def __init__(self, exact: ExactAnswers, *, number: int = 1, seed: int = 0) -> None:
        self.exact, self.encoder, self.number = exact, exact.encoder, number
        self._writer = Draws(exact.model, exact.encoder, seed=seed, batch_size=exact.batch_size, decoding=DECODING)
        self._answerer = Draws(exact.model, exact.encoder, seed=seed, batch_size=exact.batch_size)

    def ask(self, prompts: Sequence[list[int]], answers: Sequence[Sequence[Sequence[int]]]) -> list[Floats]:
        """For each prompt the logarithm of the mean probability of its answers; -inf for all where no rationale came to an answer.

        Raises:
            DatasetError: a prompt, the cue and an answer are longer than the model's context.
        """
        longest = [max(map(len, some)) for some in answers]
        behind = self._behind(prompts, [_name(prompt) for prompt in prompts], self.number, longest)
        asked = [(row, ids) for row, some in enumerate(behind) for ids in some if ids is not None]
        logs = self.exact.ask([ids for _, ids in asked], [answers[row] for row, _ in asked])
        found = [np.full(len(some), -np.inf) for some in answers]
        for (row, _), log in zip(asked, logs, strict=True):
            found[row] = np.logaddexp(found[row], log - np.log(self.number))
        return found

    def texts(self, prompts: Sequence[list[int]], keys: Sequence[str], draws: int) -> list[list[str]]:
        """`draws` answers as texts for each prompt, each behind a rationale of its own; "" where that came to no answer.

        Raises:
            DatasetError: as `ask`.
        """
        behind = self._behind(prompts, [f"rationale\0{key}" for key in keys], draws, [ANSWER.tokens] * len(prompts))
        asked = [(row, draw, ids) for row, some in enumerate(behind) for draw, ids in enumerate(some) if ids is not None]
        found = [[""] * draws for _ in prompts]
        texts = self._answerer.texts([ids for _, _, ids in asked], [f"{keys[row]}\0{draw}" for row, draw, _ in asked], 1)
        for (row, draw, _), (text,) in zip(asked, texts, strict=True):
            found[row][draw] = text
        return found

    def _behind(self, prompts: Sequence[list[int]], keys: Sequence[str], number: int, kept: Sequence[int]) -> list[list[list[int] | None]]:
        """For each prompt `number` times its ids with those of a rationale and the cue; None where there is no cue, or no place for `kept`
        tokens behind it."""
        context, cue = self.exact.context, len(self.encoder.rationales([""])[0])
        needed = max((len(prompt) + cue + some for prompt, some in zip(prompts, kept, strict=True)), default=0)
        if context and needed > context:
            raise too_long(needed, context)
        left = [(context or len(prompt) + some + TOKENS) - len(prompt) - some for prompt, some in zip(prompts, kept, strict=True)]
        found: list[list[list[int] | None]] = []
        for prompt, room, texts in zip(prompts, left, self._writer.texts(prompts, keys, number, left), strict=True):
            rationales = self.encoder.rationales([text.partition(PLAIN_CUE)[0] for text in texts])
            ended = [PLAIN_CUE in text and (not context or len(ids) <= room) for text, ids in zip(texts, rationales, strict=True)]
            found.append([[*prompt, *ids] if whole else None for ids, whole in zip(rationales, ended, strict=True)])
        return found


def noted(number: int) -> dict[str, Any]:
    """What the metadata of a predictions file tells of its rationales."""
    return {"number": number, "temperature": DECODING.temperature, "top_p": DECODING.top_p, "tokens": DECODING.tokens}


def _name(prompt: list[int]) -> str:
    """A name of a prompt by its content."""
    return hashlib.blake2b(np.asarray(prompt, "<i8").tobytes(), digest_size=16).hexdigest()
