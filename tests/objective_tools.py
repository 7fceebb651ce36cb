"""What tests of objectives share: log-probabilities of tree edges by plain forward passes, without packs, masks or caches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from socsci210.dataset_folder import DatasetFolder
from socsci210.packs.trie import Trie
from socsci210.prompts import PromptEncoder
from socsci210.train.examples import RowTokens
from socsci210.train.objectives import Objective
from tests.tiny import tiny_tokenizer


def row_tokens(dataset: Path, template: str = "upstream") -> RowTokens:
    """All rows of a dataset as training rows."""
    folder = DatasetFolder(dataset)
    return RowTokens(folder.rows("all"), folder, PromptEncoder(tiny_tokenizer(), template))


def beginnings(trie: Trie) -> list[list[int]]:
    """The tokens that lead to every node, node 0 included."""
    return [[], *([int(trie.tokens[node]) for node in np.flatnonzero(seen)] for seen in trie.sees)]


def plain_edges(model: Any, objective: Objective, examples: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """(edges, starts) of some examples, as a training step hands them to `Objective.loss`; one forward pass for every node."""
    found, starts = [], [0]
    for index in examples:
        example = objective.example(index)
        paths = beginnings(example.trie)
        logs = [
            torch.log_softmax(model(torch.tensor([[*map(int, example.prompt), *path]])).logits[0, -1].float(), dim=-1) for path in paths
        ]
        found += [logs[node][token] for node, token in zip(example.trie.edge_node.tolist(), example.trie.edge_token.tolist(), strict=True)]
        starts.append(len(found))
    return torch.stack(found), torch.tensor(starts)


def loss_of(model: Any, objective: Objective, examples: Sequence[int]) -> torch.Tensor:
    """Summed loss of some examples."""
    edges, starts = plain_edges(model, objective, examples)
    return objective.loss(np.asarray(examples, np.int64), edges, starts, 0.0)


def whole_log_probability(model: Any, prompt: Sequence[int], answer: Sequence[int]) -> torch.Tensor:
    """Log-probability of an answer behind a prompt."""
    ids = [*map(int, prompt), *answer]
    log = torch.log_softmax(model(torch.tensor([ids])).logits[0].float(), dim=-1)
    return torch.stack([log[len(ids) - len(answer) + k - 1, token] for k, token in enumerate(answer)]).sum()


def gradient(model: Any, loss: torch.Tensor) -> torch.Tensor:
    """All gradients of a loss as one vector."""
    model.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def person_thinks(study: str, sample: int) -> str:
    """A rationale that tells the row."""
    return f" Person {sample} of {study} thinks.\n"


def with_rationales(dataset: Path, *, missing: int | None = 3, text: Callable[[str, int], str] = person_thinks) -> Path:
    """Writes rationales for the training rows of a tiny dataset, but for every 24th one."""
    for path in sorted((dataset / "data").glob("*/*.parquet")):
        if "studies-train" not in path.parent.name:
            continue
        table = pq.read_table(path, columns=["study_id", "sample_id"])
        texts = [None if int(sample) % 24 == missing else text(study, int(sample)) for study, sample in
                 zip(table.column("study_id").cast("string").to_pylist(), table.column("sample_id").to_pylist(), strict=True)]  # fmt: skip
        target = dataset / "reasoning" / path.relative_to(dataset / "data")
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.append_column("reasoning", pa.array(texts)), target)
    return dataset
