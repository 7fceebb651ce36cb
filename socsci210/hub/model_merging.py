"""Adding an adapter to the weights of its model, for a push of the whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..errors import HubError
from ..language_model import ADAPTER, GENERATION, load_tokenizer, load_weights, merge_adapters, put_on, revision
from ..prompts import PromptEncoder, persona
from .model_record import COMMIT

Answers = Sequence[npt.NDArray[np.float64]]
WITHIN: Final = 1e-4
"""By how much merging may move a probability: half of it is what 32-bit sums in another order come to in the largest models."""
ROUNDED: Final = 0.01
"""By how much writing the sum in the type of the model below may move one more; above it, the sum stays in 32-bit floats."""
_ASKED: Final = (
    ({"age": 34, "gender": "Female", "party_id": "Lean Democrat"}, "How likely? Only return an integer from 1 to 7.", range(1, 8)),
    ({"age": 71, "gender": "Male", "state": "Ohio"}, "How warm do you feel? Only return an integer from 0 to 100.", range(101)),
)


def merged(folder: Path, record: Mapping[str, Any], out: Path) -> str:
    """Write the model of an adapter in one piece into `out`, in the type of the model below it where that changes next to nothing.

    Args:
        folder: model folder that holds an adapter alone.
        record: its run record.
        out: folder for config and weights.

    Returns:
        A line for people: by how much merging and rounding moved a probability, and in which type the weights are.

    Raises:
        HubError: no adapter, a model below it that is gone or another one than it was trained on, or answers that merging changes.
    """
    import torch

    if not (folder / ADAPTER).is_file():
        raise HubError(
            "the folder holds a whole model, no adapter: there is nothing to merge", where=str(folder), expected="an adapter",
            fix="leave --merge out",
        )  # fmt: skip
    base = str(json.loads((folder / ADAPTER).read_text(encoding="utf-8"))["base_model_name_or_path"])
    at = record.get("model_revision")
    commit = at if COMMIT.fullmatch(at or "") else None
    try:
        model = load_weights(base, dtype="auto", at=commit).eval()
    except (OSError, ValueError, ImportError) as error:
        raise HubError(
            f"the model below the adapter does not load ({error})", where=base, expected="the model that the adapter was trained on",
            fix="have it where it was when the adapter was trained",
        ) from error  # fmt: skip
    if at is not None and commit is None and revision(base) != at:
        raise HubError(
            f"the model below the adapter has changed: its files are {revision(base)} now", where=base,
            expected=f"{at}, on which the adapter was trained", fix="restore that model, or train the adapter again",
        )  # fmt: skip
    kept = model.dtype
    encoder = PromptEncoder(load_tokenizer(str(folder)), record["template"])
    whole = put_on(model.to(torch.float32), folder).eval()
    before = _answers(whole, encoder)
    after = _answers(merge_adapters(whole), encoder)
    moved = _most(before, after)
    if moved > WITHIN:
        raise HubError(
            f"merging moves a probability by {moved:.2g}", where=str(folder), expected=f"at most {WITHIN:g}",
            fix="push the adapter alone, without --merge",
        )  # fmt: skip
    whole.generation_config.update(**GENERATION)
    whole.save_pretrained(out)
    written = torch.float32
    if kept != torch.float32:
        for value in whole.parameters():
            value.data = value.data.to(kept).to(torch.float32)
        rounded = _most(before, _answers(whole, encoder))
        if rounded <= ROUNDED:
            shutil.rmtree(out)
            whole.to(kept).save_pretrained(out)
            written, moved = kept, max(moved, rounded)
    return f"merged into {base}, as {str(written).removeprefix('torch.')}: no probability that was tried moves by more than {moved:.1g}"


def _most(before: Answers, after: Answers) -> float:
    """The largest change of a probability."""
    return max(float(np.abs(one - other).max()) for one, other in zip(before, after, strict=True))


def _answers(model: Any, encoder: PromptEncoder) -> Answers:
    from ..predict.exact import ExactAnswers, normalise

    exact = ExactAnswers(model, encoder)
    prompts = [encoder.prompt(persona(who), stimulus) for who, stimulus, _ in _ASKED]
    found = exact.ask(prompts, [encoder.answers(scale) for _, _, scale in _ASKED])
    return [normalise(log[None])[0][0] for log in found]
