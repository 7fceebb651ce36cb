"""`reasoning`: a rationale first, then the answer.

    loss = - sum over the tokens of (rationale, cue, answer, end of turn) of log p(token | prompt, tokens before it)

What follows the prompt is, character for character,

    <rationale>\\n\\nAnswer:\\n<integer><end of turn>

The rationale stands without the blanks around it; the cue `\\n\\nAnswer:\\n` ends it, and is how prediction knows where the answer begins:
a model trained like this answers behind a rationale, so asking it for an answer right behind the prompt asks for something it never
learned (`run_record.json` says `reasoning: true`; such a model is then asked as socsci210.predict.rationales tells).

The paper trains "reasoning SFT" on a rationale followed by the answer and finds it worse than plain `sft` on unseen studies; it does not
tell how the two are joined. Its rationales were written by a language model that was shown the true answer. So they are read for rows that
are trained on and for no other (`rationales`), and a row without one, or with one that holds the cue itself, is left out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import torch

from socsci210.checksums import file_sha256
from socsci210.dataset_folder import DatasetFolder, reasoning_glob
from socsci210.packs.trie import chain
from socsci210.prompts import PLAIN_CUE
from socsci210.reasoning import read_about, traces_about

from ..config import TrainError
from ..rows import row_keys
from . import Example, Index

if TYPE_CHECKING:
    from ..examples import RowTokens

CUE: Final = PLAIN_CUE
_AT_ONCE: Final = 10_000  # texts of one call of the tokenizer


class Reasoning:
    """An example for every row that has a rationale.

    Args:
        tokens: the training rows.
        rationales: (rows,) text, or None.

    Attributes:
        counts: how many rows are left out, by reason.

    Raises:
        TrainError: no row has a rationale.
    """

    name = "reasoning"

    def __init__(self, tokens: RowTokens, rationales: Sequence[str | None]) -> None:
        self.tokens = tokens
        texts = [(text or "").strip() for text in rationales]
        holds_cue = np.array([CUE in f"{text}\n" for text in texts], bool)
        usable = np.array([bool(text) for text in texts], bool) & ~holds_cue
        self.counts = {"rows_without_rationale": int((~usable & ~holds_cue).sum()), "rationales_with_cue": int(holds_cue.sum())}
        self._row: Index = np.flatnonzero(usable)
        if not len(self._row):
            raise TrainError(
                f"none of {len(texts)} training rows has a rationale",
                expected="a dataset imported with its rationales",
                fix="import the release again with --with-reasoning, or choose another objective",
            )
        self._ids, self._starts = _encoded(tokens, [texts[row] for row in self._row.tolist()])
        answers = np.array([len(tokens.answer(row)) for row in self._row.tolist()], np.int64)
        self.trained: Index = np.diff(self._starts) + answers
        self.lengths: Index = tokens.prompt_lengths[self._row] + self.trained
        self.head: Index = tokens.head[self._row]

    def __len__(self) -> int:
        return len(self._row)

    def begin(self, epoch: int) -> None:
        """Nothing is drawn."""

    def where(self, index: int) -> str:
        """The row's key."""
        return self.tokens.where(int(self._row[index]))

    def example(self, index: int) -> Example:
        """The row's prompt, and the chain of rationale, cue and answer."""
        row = int(self._row[index])
        rationale = self._ids[self._starts[index] : self._starts[index + 1]].tolist()
        return Example(self.tokens.prompt(row), chain([*rationale, *self.tokens.answer(row)]))

    def loss(self, examples: Index, edges: torch.Tensor, starts: torch.Tensor, done: float) -> torch.Tensor:
        """Summed cross-entropy."""
        return -edges.sum()


def _encoded(tokens: RowTokens, texts: list[str]) -> tuple[npt.NDArray[np.int32], Index]:
    """Ids of all rationales and their cues one after the other, and where each begins: four bytes a token."""
    parts, lengths = [], [0]
    for start in range(0, len(texts), _AT_ONCE):
        found = tokens.encoder.rationales(texts[start : start + _AT_ONCE])
        lengths += map(len, found)
        parts.append(np.fromiter((token for ids in found for token in ids), np.int32))
    return np.concatenate(parts), np.cumsum(lengths)


def traces_of(traces: str) -> dict[str, Any]:
    """What a run record tells of a file of traces: which file, and who wrote it how. Not where: that may be a private address."""
    told = ("answer_known", "model", "models", "train_on", "wording_hash", "seed", "rows_written")
    about = read_about(traces)
    return {"sha256": file_sha256(Path(traces)), **{name: about.get(name) for name in told}}


def rationales(folder: DatasetFolder, rows: pa.Table, train_on: Sequence[str], traces: Path | None = None) -> list[str | None]:
    """The rationale of every training row, None where there is none. No other row's rationale is kept.

    Args:
        folder: the dataset.
        rows: the training rows.
        train_on: their configs.
        traces: a file of `socsci210 trace`, instead of the rationales that the dataset was imported with.

    Raises:
        TrainError: the dataset has no rationales for the training rows of these configs.
        DatasetError: `traces` is no such file, or of another dataset.
    """
    if traces is not None:
        traces_about(traces, folder.fingerprint)
        files = {traces}
    else:
        files = set.intersection(*({*folder.path.glob(reasoning_glob(config))} for config in train_on))
    if not files:
        raise TrainError(
            f"no rationales of the training rows of {', '.join(train_on)}",
            where=str(folder.path),
            expected="a dataset imported with its rationales",
            fix="import the release again with --with-reasoning; or write some with socsci210 trace and set rationales to the file",
        )
    wanted = row_keys(rows)
    found: dict[str, str] = {}
    for path in sorted(files):
        table = pads.dataset(path).to_table(columns=["study_id", "sample_id", "reasoning"])
        keys = row_keys(table)
        kept = pc.is_in(keys, value_set=wanted.combine_chunks())
        found.update(zip(keys.filter(kept).to_pylist(), table.column("reasoning").filter(kept).to_pylist(), strict=True))
    return [found.get(key) for key in wanted.to_pylist()]
