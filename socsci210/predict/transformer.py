"""The `transformers` engine: a causal language model from a folder or the Hub, asked for the exact distribution of every row.

Rows whose answers cannot be enumerated get drawn answers instead, and the file says which. A model that writes a rationale first is asked
behind rationales of its own (`rationales`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..prompts import PromptEncoder
from ..row_texts import RowTexts
from .draws import Draws
from .exact import Asked, normalise
from .openai_reading import UNBOUNDED, read_text
from .rationales import Rationales
from .shards import predictions_schema

Ints = npt.NDArray[np.int64]


def prompt_order(texts: RowTexts, encoder: PromptEncoder) -> Ints:
    """Rows in the order in which prompts share the most: by the text that comes first, then by the other one."""
    ranks = {}
    for part, some, index in (("persona", texts.personas, texts.persona), ("stimulus", texts.stimuli, texts.stimulus)):
        rank = np.empty(len(some), np.int64)
        rank[sorted(range(len(some)), key=some.__getitem__)] = np.arange(len(some))
        ranks[part] = rank[index]
    head = encoder.template.head_part
    tail = "stimulus" if head == "persona" else "persona"
    return np.lexsort((ranks[tail], ranks[head])).astype(np.int64)


class ModelPredictor:
    """Predictions of some rows, by index. Equal prompts are asked once.

    Args:
        exact: asked for distributions. Other than exact ones add the columns `shards.DRAWN`.
        sampler: asked for draws.
        draws: texts of each row that is drawn.
        keys: key of every row.
        texts: texts and scale of every row.
        drawn: (rows,) which rows are drawn; any of them adds the columns `shards.DRAWN`.
    """

    def __init__(
        self, exact: Asked, sampler: Draws | Rationales, *, draws: int, keys: pa.Table, texts: RowTexts, drawn: npt.NDArray[np.bool_]
    ) -> None:
        self.exact, self.sampler, self.draws, self.keys, self.texts, self.drawn = exact, sampler, draws, keys, texts, drawn
        self.encoder = exact.encoder
        self.schema = predictions_schema(keys.schema, drawn=bool(drawn.any()) or exact.method != "exact")

    def __call__(self, indices: Ints) -> pa.Table:
        """Predictions (columns `schema`) of the rows at `indices`, in that order."""
        found: list[dict[str, Any]] = [{}] * len(indices)
        drawn = self.drawn[indices] if len(self.drawn) else np.zeros(len(indices), bool)
        self._enumerate(indices, np.flatnonzero(~drawn), found)
        self._draw(indices, np.flatnonzero(drawn), found)
        keys = self.keys.take(pa.array(indices))
        names = [name for name in self.schema.names if name not in keys.column_names]
        columns = [pa.array([row.get(name) for row in found], self.schema.field(name).type) for name in names]
        return pa.table([*keys.columns, *columns], [*keys.column_names, *names])

    def _prompt(self, row: int) -> list[int]:
        texts = self.texts
        return self.encoder.prompt(texts.personas[texts.persona[row]], texts.stimuli[texts.stimulus[row]])

    def _enumerate(self, indices: Ints, places: Ints, found: list[dict[str, Any]]) -> None:
        texts = self.texts
        asked: dict[tuple[int, int, int], list[int]] = {}
        for place in places.tolist():
            row = indices[place]
            asked.setdefault((int(texts.persona[row]), int(texts.stimulus[row]), int(texts.scale[row])), []).append(place)
        values = [list(scale.values) for scale in texts.scales]
        answers = {scale: self.encoder.answers(values[scale]) for scale in {scale for _, _, scale in asked}}
        prompts = [self._prompt(int(indices[some[0]])) for some in asked.values()]
        logs = self.exact.ask(prompts, [answers[scale] for _, _, scale in asked])
        for (_, _, scale), some, log in zip(asked, asked.values(), logs, strict=True):
            probabilities, mass = normalise(log[None])
            row_found = {"answer_mass": mass[0], "method": self.exact.method, "parsed": not np.isnan(probabilities).any()}
            if row_found["parsed"]:
                row_found |= {"support": values[scale], "probabilities": probabilities[0]}
            for place in some:
                found[place] = row_found

    def _draw(self, indices: Ints, places: Ints, found: list[dict[str, Any]]) -> None:
        rows = indices[places]
        names = ["\0".join(map(str, key.values())) for key in self.keys.take(pa.array(rows)).to_pylist()]
        texts = self.sampler.texts([self._prompt(int(row)) for row in rows], names, self.draws)
        for place, row, some in zip(places.tolist(), rows, texts, strict=True):
            found[place] = _read(some, self.texts.scales[self.texts.scale[row]].values or UNBOUNDED)


def not_parsed(table: pa.Table) -> dict[str, Any]:
    """What the metadata tells when a run is over: how many rows have no answer."""
    return {"rows_not_parsed": table.column("parsed").to_pylist().count(False)}


def _read(texts: list[str], values: range) -> dict[str, Any]:
    """The columns of a row whose answers were drawn: the shares of those draws that are answers."""
    answers = [answer for text in texts if (answer := read_text(text, values)) is not None]
    columns: dict[str, Any] = {"answer_mass": len(answers) / len(texts), "method": "draws", "parsed": bool(answers), "raw": texts}
    if answers:
        support, counts = np.unique(answers, return_counts=True)
        columns |= {"support": support, "probabilities": counts / len(answers), "prediction": answers[0]}
    return columns
