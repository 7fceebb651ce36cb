"""Log-probabilities of the model that dpo starts from, noted once in a parquet file: training need not read that model again.

For every training row the file has the answers of its cell and the log-probability of each behind the row's prompt, whole answers with the
end of turn. So it serves every seed, every epoch and any number of pairs per row. It is named after a key, a digest of everything that the
numbers depend on: the weights, the rows and their answers, the template, the tokens and the precision. Another model or other rows make
another file; a file whose own key is not the one in its name is refused. It is written in shards of which each appears whole, so a run that
is killed goes on where it was; several processes share the work. Nothing of it is written into the dataset folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from socsci210.errors import DatasetError
from socsci210.predict.exact import ExactAnswers
from socsci210.predict.shards import Processes, parts_folder, run_sharded
from socsci210.prompts import template_hash

from .config import TrainError
from .lock import alone
from .objectives import Index
from .objectives.dpo import Dpo

Say = Callable[[str], None]
SHARD_ROWS: Final = 8192
_SCHEMA: Final = pa.schema(
    [("study_id", pa.string()), ("sample_id", pa.int64()), ("answers", pa.list_(pa.int64())), ("log_probabilities", pa.list_(pa.float64()))]
)


def note(model: Any, dpo: Dpo, folder: Path, *, context: int, dataset_fingerprint: str, accelerator: Any, say: Say) -> Path:
    """Give `dpo` the log-probabilities of `model`, computed now or read from the file of an earlier run. Returns the file.

    Args:
        model: as training starts from it, before it is wrapped. It is moved to the device of this process.
        dpo: the pairs.
        folder: of the files; made if it is not there.
        context: longest input of the model; the numbers of longer rows are not a number.
        dataset_fingerprint: noted in the file.
        accelerator: tells which part is this process's, on which device and in which precision.
        say: called with a line about what is done.

    Raises:
        TrainError: the file is of something else, does not read, or another run computes it at this moment.
    """
    identity = _identity(model, dpo, dataset_fingerprint, accelerator.mixed_precision)
    path = folder / f"{_digest(identity)}.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    say(f"reference of dpo: {'read from' if path.exists() else 'computed into'} {path}")
    processes = Processes(accelerator.process_index, accelerator.num_processes, accelerator.wait_for_everyone)
    was_training = model.training
    if model.device != accelerator.device:  # a model in four bits is where it must be, and cannot be moved
        model.to(accelerator.device)
    model.eval()
    try:
        computes = accelerator.is_main_process and not path.exists()
        with alone(path, "computes this reference") if computes else nullcontext(), accelerator.autocast():
            _computed(model, dpo, context, path, identity, processes, say)
    except DatasetError as error:
        fix = f"delete {path} and {parts_folder(path)}, or name another folder in dpo.reference"
        raise TrainError(str(error.found), where=str(path), expected="the reference of this model and these rows", fix=fix) from error
    finally:
        model.train(was_training)
    dpo.reference = _read(path, dpo, context)
    return path


def _computed(model: Any, dpo: Dpo, context: int, path: Path, identity: dict[str, Any], processes: Processes, say: Say) -> None:
    rows = dpo.tokens.rows
    keys = pa.table({"study_id": rows.column("study_id").cast(pa.string()), "sample_id": rows.column("sample_id")})
    exact = ExactAnswers(model, dpo.tokens.encoder) if not path.exists() else None

    def shard(indices: Index) -> pa.Table:
        assert exact is not None
        return _shard(exact, dpo, context, keys, indices)

    def told(done: int, wanted: int) -> None:
        say(f"reference of dpo: {done} of {wanted} rows")

    order = np.lexsort((dpo.tokens.texts.persona, dpo.tokens.texts.stimulus, dpo.tokens.head))  # prompts that begin alike
    run_sharded(
        keys, shard, out=path, metadata=identity, shard_rows=SHARD_ROWS, progress=told, schema=_SCHEMA, order=order, processes=processes
    )


def _shard(exact: ExactAnswers, dpo: Dpo, context: int, keys: pa.Table, indices: Index) -> pa.Table:
    """Answers and log-probabilities of some rows. Equal prompts in one cell are asked once."""
    texts = dpo.tokens.texts
    answers = {id(some): dpo.tokens.encoder.answers(some) for some in map(dpo.answers_of, indices.tolist())}
    asked: dict[tuple[int, int, int], int] = {}
    names = [(int(texts.persona[row]), int(texts.stimulus[row]), id(dpo.answers_of(row))) for row in indices.tolist()]
    place = [asked.setdefault(name, len(asked)) for name in names]
    first = dict(zip(place, indices.tolist(), strict=True))  # number of a prompt -> a row that has it
    logs = {number: np.full(len(dpo.answers_of(row)), np.nan) for number, row in first.items()}
    short = [number for number, row in first.items() if dpo.row_lengths[row] <= context]
    prompts = [list(map(int, dpo.tokens.prompt(first[number]))) for number in short]
    logs.update(zip(short, exact.ask(prompts, [answers[id(dpo.answers_of(first[number]))] for number in short]), strict=True))
    found = {"answers": [dpo.answers_of(row) for row in indices.tolist()], "log_probabilities": [logs[number] for number in place]}
    chosen = keys.take(pa.array(indices))
    return pa.table([*chosen.columns, *(pa.array(found[name], _SCHEMA.field(name).type) for name in found)], schema=_SCHEMA)


def _read(path: Path, dpo: Dpo, context: int) -> npt.NDArray[np.float64]:
    """The log-probabilities of all rows, one after the other, in the order of the rows."""
    table = pq.read_table(path)
    flat = table.column("log_probabilities").combine_chunks()
    answers = table.column("answers").combine_chunks()
    expected = [value for row in range(len(dpo.tokens.response)) for value in dpo.answers_of(row)]
    values = flat.flatten().to_numpy()
    short = np.repeat(dpo.row_lengths <= context, np.diff(dpo.offsets))
    if answers.flatten().to_pylist() != expected or not np.isfinite(values[short]).all():
        raise TrainError(
            "answers that are not those of the rows, or log-probabilities that are no numbers", where=str(path), fix="delete this file"
        )
    found: npt.NDArray[np.float64] = values.astype(np.float64)
    return found


def _identity(model: Any, dpo: Dpo, dataset_fingerprint: str, precision: str) -> dict[str, Any]:
    """Everything that the numbers depend on."""
    rows, encoder = dpo.tokens.rows, dpo.tokens.encoder
    data = hashlib.blake2b(digest_size=16)
    for study, sample in zip(rows.column("study_id").cast(pa.string()).to_pylist(), rows.column("sample_id").to_pylist(), strict=True):
        data.update(f"{study}\0{sample}\n".encode())
    data.update(dpo.tokens.response.tobytes())
    probe = [int(i) for i in dpo.tokens.prompt(0)], [encoder.answer(value) for value in (-5, 0, 1, 10, 100)]
    return {
        "format": 1,
        "weights": weights_digest(model),
        "rows": data.hexdigest(),
        "dataset_fingerprint": dataset_fingerprint,
        "template_hash": template_hash(encoder.template.name),
        "tokens": hashlib.blake2b(repr(probe).encode(), digest_size=16).hexdigest(),
        "prompt_tokens": int(dpo.tokens.prompt_lengths.sum()),
        "precision": precision,
    }


def weights_digest(model: Any) -> str:
    """32 hex digits over names, types, shapes and all bytes of a model's weights; adapters that add nothing yet are left out."""
    state = model.state_dict()
    idle = {name for name, tensor in state.items() if "lora_B" in name and not tensor.any()}
    idle |= {name.replace("lora_B", "lora_A") for name in idle}  # drawn at random, and multiplied by zero
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted((name, tensor) for name, tensor in state.items() if name not in idle):
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _digest(identity: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=16).hexdigest()
