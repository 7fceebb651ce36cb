"""The exact probability of every answer on a scale, from any causal language model.

Prompts are read in packs (packing.py): what they share is read once, nothing is padded, and the nodes of each prompt's answer tree stand
behind it in the same forward pass; logits are made where a prompt ends and at the nodes, nowhere else. Whether a model reads packs rightly
is checked once, on loading it, against plain forward passes; a model that does not (recurrent layers, ALiBi, attention of its own kind) is
then read answer by answer instead, which is slower and always right.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import torch

from ..errors import DatasetError
from ..packs.attention import reads_packs
from ..packs.packing import Pack, packs
from ..packs.probe import CANNOT, probe
from ..packs.trie import Trie, build_trie
from ..prompts import PromptEncoder

Floats = npt.NDArray[np.float64]
TOKENS: Final = {"cpu": 1536, "cuda": 32768}  # of one forward pass: enough to fill the machine, little enough for its memory
LOGIT_ELEMENTS: Final = 2**26
AGREEMENT: Final = {torch.float32: 1e-3, torch.float64: 1e-3}  # log-probability; half precision: below
COARSE: Final = 0.15


class Asked(Protocol):
    """What gives log-probabilities of answers: `ExactAnswers`, or `Rationales` around it.

    Attributes:
        method: how, as a predictions file names it.
        encoder: makes the ids of prompts and answers.
    """

    @property
    def method(self) -> str: ...

    encoder: PromptEncoder

    def ask(self, prompts: Sequence[list[int]], answers: Sequence[Sequence[Sequence[int]]]) -> list[Floats]:
        """For each prompt the log-probabilities of its answers."""


class ExactAnswers:
    """Answer distributions of one model.

    Args:
        model: a causal language model in evaluation mode.
        encoder: makes the ids of prompts and answers.
        batch_size: prompts per forward pass, at most; a pass also ends at so many tokens.
    """

    method: Final = "exact"

    def __init__(self, model: Any, encoder: PromptEncoder, *, batch_size: int = 64) -> None:
        self.model, self.encoder, self.batch_size = model, encoder, batch_size
        self.device, self.dtype = model.device, model.dtype
        self.keeps_logits = "logits_to_keep" in inspect.signature(model.forward).parameters
        text_config = model.config.get_text_config()
        self.vocabulary = int(text_config.vocab_size)
        self.context = int(getattr(text_config, "max_position_embeddings", 0) or 0)
        self.tokens = TOKENS.get(self.device.type, TOKENS["cpu"])
        self.packs = self._packs_agree()

    def _packs_agree(self) -> bool:
        """Whether packs give what plain forward passes give, with shared beginnings, a carried-over one and unequal lengths."""
        prompts, answers = probe(self.encoder)
        plain = self.by_answer(prompts, answers)
        trie = build_trie(answers)
        try:
            found = self._by_packs(prompts, [trie] * 3, rows=2)
        except CANNOT:
            return False
        return bool(np.allclose(found, plain, atol=AGREEMENT.get(self.dtype, COARSE), rtol=1e-3))

    def log_probabilities(self, prompts: Sequence[list[int]], answers: Sequence[Sequence[int]]) -> Floats:
        """Log-probability of every whole answer (end of turn included), not normalised: (prompts, answers).

        Raises:
            DatasetError: a prompt and its answers are longer than the model's context.
        """
        return np.array(self.ask(prompts, [answers] * len(prompts))).reshape(len(prompts), len(answers))

    def ask(self, prompts: Sequence[list[int]], answers: Sequence[Sequence[Sequence[int]]]) -> list[Floats]:
        """The same for prompts with answers of their own: for each prompt the log-probabilities of its answers.

        Raises:
            DatasetError: a prompt and its answers are longer than the model's context.
        """
        known: dict[int, Trie] = {}  # one tree for each list of answers, of which there are few
        tries = [known.get(id(one)) or known.setdefault(id(one), build_trie(one)) for one in answers]
        longest = max((len(prompt) + trie.paths.shape[1] for prompt, trie in zip(prompts, tries, strict=True)), default=0)
        if self.context and longest > self.context:
            raise too_long(longest, self.context)
        if not self.packs:
            return [self.by_answer([prompt], some)[0] for prompt, some in zip(prompts, answers, strict=True)]
        return self._by_packs(prompts, tries, rows=self.batch_size)

    @torch.inference_mode()
    def _by_packs(self, prompts: Sequence[list[int]], tries: Sequence[Trie], rows: int) -> list[Floats]:
        out: list[Floats] = [np.empty(0)] * len(prompts)
        wanted = LOGIT_ELEMENTS // self.vocabulary
        with reads_packs(self.model, keep=True) as attention:
            for pack in packs(prompts, tries, tokens=self.tokens, rows=rows, wanted=wanted):
                with attention.reading(pack):
                    logits = self._logits(pack)
                for row, found in zip(pack.rows, _answers(logits, [tries[row] for row in pack.rows]), strict=True):
                    out[row] = found
        return out

    def _logits(self, pack: Pack) -> torch.Tensor:
        """(wanted tokens, vocabulary)."""
        ids, positions, wanted = (torch.from_numpy(array).to(self.device) for array in (pack.ids, pack.positions, pack.wanted))
        keep = {"logits_to_keep": wanted} if self.keeps_logits else {}
        logits: torch.Tensor = self.model(input_ids=ids[None], position_ids=positions[None], use_cache=False, **keep).logits[0]
        return logits if self.keeps_logits else logits[wanted]

    @torch.inference_mode()
    def by_answer(self, prompts: Sequence[list[int]], answers: Sequence[Sequence[int]]) -> Floats:
        """The same by one plain forward pass per prompt and answer: slow, free of masks, caches and padding."""
        out = np.empty((len(prompts), len(answers)))
        for row, prompt in enumerate(prompts):
            for column, answer in enumerate(answers):
                ids = torch.tensor([[*prompt, *answer[:-1]]], device=self.device)
                keep = {"logits_to_keep": len(answer)} if self.keeps_logits else {}
                logits = self.model(input_ids=ids, use_cache=False, **keep).logits[0, -len(answer) :]
                log = torch.log_softmax(logits.double(), dim=-1)
                out[row, column] = log[range(len(answer)), list(answer)].sum().item()
        return out


def too_long(tokens: int, context: int) -> DatasetError:
    """The error of a prompt that has no place in a model's context."""
    return DatasetError(
        f"a prompt with its answer has {tokens} tokens", expected=f"at most {context}, the context of the model",
        fix="use a model with a longer context; prompts are never cut",
    )  # fmt: skip


def normalise(log_probabilities: Floats) -> tuple[Floats, Floats]:
    """Probabilities that sum to 1 over the answers, (rows, answers), and the mass they had before, (rows,).

    Where no answer has any mass, as `Rationales` may find, the probabilities are nan and the mass is 0.
    """
    top = log_probabilities.max(axis=1, keepdims=True)
    some = np.isfinite(top)
    weights = np.where(some, np.exp(log_probabilities - np.where(some, top, 0.0)), np.nan)
    total = weights.sum(axis=1, keepdims=True)
    return weights / total, np.where(some[:, 0], np.minimum(np.exp(top[:, 0]) * total[:, 0], 1.0), 0.0)


def _answers(logits: torch.Tensor, tries: list[Trie]) -> list[Floats]:
    """Log-probabilities of the answers of each tree, from the logits of all trees' nodes one after the other, (nodes, vocabulary)."""
    first = np.cumsum([0, *(len(trie.tokens) + 1 for trie in tries)])
    node = np.concatenate([start + trie.edge_node for start, trie in zip(first, tries, strict=False)])
    token = np.concatenate([trie.edge_token for trie in tries])
    at = torch.from_numpy(node).to(logits.device)
    normaliser = torch.logsumexp(logits.float(), dim=-1)
    edges = (logits[at, torch.from_numpy(token).to(logits.device)].float() - normaliser[at]).double().cpu().numpy()
    cuts = np.cumsum([len(trie.edge_node) for trie in tries])[:-1]
    return [trie.log_probabilities(some[None])[0] for trie, some in zip(tries, np.split(edges, cuts), strict=True)]
