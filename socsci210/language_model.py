"""Loading a causal language model, for training, prediction and publishing alike: whole, or as an adapter of another one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from .errors import DatasetError
from .prompts import TEMPLATES, PromptEncoder, persona

ADAPTER: Final = "adapter_config.json"
CONFIG: Final = "config.json"
GENERATION: Final = {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 0, "repetition_penalty": 1.0}
"""How a published model draws an answer: at the paper's temperature and top_p, and with nothing else."""
_EDGE: Final = 1 << 20
RECORD: Final = "run_record.json"
TRAINING: Final = ("dataset_fingerprint", "train_on", "template", "template_hash", "rows_trained", "studies_trained")
"""What of a run record tells what a model was trained on."""


def load_model(model: str, device: str | None = None, *, at: str | None = None) -> tuple[Any, Any]:
    """(model, tokenizer) of a folder or Hub id, ready for evaluation: float32 on a CPU, the stored precision on a GPU.

    A folder or repository that holds an adapter alone is loaded together with the model that it names, at the commit that it names.

    Args:
        model: folder or Hub id; `org/name@v1` is the branch, tag or commit v1 of a Hub id, everywhere in this package.
        device: default: a GPU if there is one.
        at: that v1, given apart.

    Raises:
        DatasetError: there is no such model.
    """
    import torch

    if Path(model).is_dir() and not any((Path(model) / name).is_file() for name in (CONFIG, ADAPTER)):
        raise DatasetError(f"no {CONFIG} in it, so no model", where=model, expected="a model folder or a Hub id", fix="check --model")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        tokenizer = load_tokenizer(model, at=at)
        loaded = load_weights(model, dtype=torch.float32 if device == "cpu" else "auto", at=at)
    except (OSError, ValueError, ImportError) as error:
        raise DatasetError(
            f"no causal language model loads ({error})", where=model, expected="a model folder or a Hub id", fix=_advice(model)
        ) from error
    return loaded.to(device).eval(), tokenizer


@contextmanager
def without_bars() -> Iterator[None]:
    """Weights load without a progress bar: for models so small that it is gone before it is read."""
    from transformers.utils import logging

    before = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if before:
            logging.enable_progress_bar()


def load_tokenizer(model: str, *, at: str | None = None) -> Any:
    """The tokenizer of a model folder or Hub id; errors are those of transformers."""
    from transformers import AutoTokenizer

    model, at = split_revision(model, at)
    return AutoTokenizer.from_pretrained(model, revision=at)


def load_weights(model: str, *, dtype: Any, at: str | None = None, cache: Path | None = None) -> Any:
    """The model alone; errors are those of transformers. Arguments as of `load_model`.

    transformers itself would look for the model below an adapter under the adapter's revision, and never under the one that it names.

    Args:
        dtype: of the weights; "auto": as they are stored.
        cache: where files of the Hub are put, but those of the model below an adapter; default: where the Hub's client puts them.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils.peft_utils import find_adapter_config_file

    model, at = split_revision(model, at)
    found = find_adapter_config_file(model, revision=at, cache_dir=cache)
    if found is None or (Path(model) / CONFIG).is_file():
        return AutoModelForCausalLM.from_pretrained(model, dtype=dtype, revision=at, cache_dir=cache)
    named = json.loads(Path(found).read_text(encoding="utf-8"))
    base = AutoModelForCausalLM.from_pretrained(named["base_model_name_or_path"], dtype=dtype, revision=named.get("revision"))
    return put_on(base, model, at=at, cache=cache)


def split_revision(model: str, at: str | None = None) -> tuple[str, str | None]:
    """(folder or Hub id, revision) of `org/name@v1`; no Hub id holds an @."""
    name, found, revision = model.partition("@")
    return (name, at or revision) if found and not Path(model).exists() else (model, at)


def put_on(base: Any, adapter: str | Path, *, at: str | None = None, cache: Path | None = None) -> Any:
    """A model with a stored adapter inside it; arguments as of `load_weights`."""
    names = vars(base).get("_weight_conversions")
    base.load_adapter(str(adapter), adapter_kwargs={"revision": at, "cache_dir": cache})
    base._weight_conversions = names  # those of the adapter would be put before every name when the whole is saved
    return base


def merge_adapters(model: Any) -> Any:
    """The model with its adapters added to its weights, and no adapters any more."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, layer in [(name, layer) for name, layer in model.named_modules() if isinstance(layer, BaseTunerLayer)]:
        layer.merge()
        model.set_submodule(name, layer.get_base_layer())
    model._hf_peft_config_loaded = False  # save_pretrained would save an adapter alone
    return model


def revision(model: str, *, at: str | None = None) -> str:
    """The commit of a Hub model; of a folder, 16 hex digits over names, sizes and both ends of its weight files."""
    model, at = split_revision(model, at)
    folder = Path(model)
    if not folder.is_dir():
        from huggingface_hub import resolve_revision
        from huggingface_hub.errors import HfHubHTTPError, RevisionResolutionError

        try:
            return str(resolve_revision(model, revision=at).resolved)
        except (HfHubHTTPError, RevisionResolutionError):
            return "unknown"
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".bin", ".json")):
        with path.open("rb") as file:
            size = path.stat().st_size
            digest.update(f"{path.name}\0{size}\0".encode() + file.read(_EDGE))
            file.seek(max(0, size - _EDGE))
            digest.update(file.read(_EDGE))
    return digest.hexdigest()[:16]


def token_ids(tokenizer: Any) -> list[list[int]]:
    """What a tokenizer makes of some texts: of a persona, odd characters, both layouts of the prompt as the model reads them, and answers.

    Two tokenizers for which it is the same read the same prompts.
    """
    someone = {"age": 34, "gender": "Female", "party_id": "Lean Democrat", "state": "New York"}
    stimulus = 'You read: "Tea \u2013 caf\u00e9 \u6587 \U0001f375".\n\n  How likely?  Only return an integer from 1 to 100, nothing else.'
    found = [list(tokenizer.encode(text)) for text in (persona(someone), stimulus, "Age: 34 -5 007")]
    for name in TEMPLATES:
        encoder = PromptEncoder(tokenizer, name)
        found.append(encoder.prompt(persona(someone), stimulus))
        found.extend(map(list, encoder.answers((-5, 0, 1, 10, 100))))
    return [*found, [len(tokenizer)]]


def _advice(model: str) -> str:
    """What to look at when a model does not load."""
    if not Path(model).is_dir():
        return "check --model: there is no such folder here, and the Hub does not give it (is it spelt right, and this machine online?)"
    adapter = Path(model) / ADAPTER
    if not adapter.is_file():
        return f"check --model: the folder has a {CONFIG}, but something else is missing or damaged"
    base = json.loads(adapter.read_text(encoding="utf-8")).get("base_model_name_or_path")
    return f"the folder holds an adapter of {base}: have that model there, and peft installed (pip install 'socsci210[train]')"


def rationales_of(record: Mapping[str, Any], model: str, number: int | None) -> int | None:
    """How many rationales a model writes before its answer, which its distribution is averaged over; None where it answers at once.

    Args:
        record: its run record, or nothing.
        model: for the message.
        number: as wished; default: 1.

    Raises:
        DatasetError: fewer than one, or a wish where the run record does not say that the model was trained to write rationales.
    """
    if number is not None and number < 1:
        raise DatasetError(f"--rationales {number}", expected="1 or more", fix="check --rationales")
    if record.get("reasoning"):
        return number or 1
    if number is not None:
        raise DatasetError(
            f"--rationales {number} for a model that answers at once", where=model,
            expected="a model folder or Hub id with a run record of objective reasoning", fix="leave it out",
        )  # fmt: skip
    return None


def training_of(model: str, _later: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """What a model was trained on, and what the models were trained on that it started from.

    Returns:
        `TRAINING` of its run record; `base`, the model that it started from (by its record or, in a folder of adapters, by these; None for
        random weights); and `base_training`, the same of that one, None where it has none or cannot be found. None for a model that has
        neither a record nor a base.

    Raises:
        DatasetError: there is no such model.
    """
    stored = run_record(model)
    base = _base(stored, model)
    if not stored and base is None:
        return None
    told = {key: stored.get(key) for key in TRAINING}
    if "base_training" in stored:
        return {**told, "base": base, "base_training": stored["base_training"]}
    return {**told, "base": base, "base_training": base_training(base, (*_later, model))}


def base_training(base: str | None, _later: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """`training_of` a model that another one starts, or started, from; None where it has none, or cannot be found any more."""
    if base is None or base in _later:
        return None
    try:
        return training_of(base, (*_later, base))
    except DatasetError:  # a folder that is gone, or an id that only the one who trained can see
        return None


def _base(record: Mapping[str, Any], model: str) -> str | None:
    """The model that one started from, as its run record or its adapters name it."""
    if record:
        named = (record.get("settings") or record).get("model")
        return None if named == "nano" else named
    adapter = Path(model) / ADAPTER
    found: str | None = json.loads(adapter.read_text(encoding="utf-8")).get("base_model_name_or_path") if adapter.is_file() else None
    return found


def run_record(model: str, *, at: str | None = None, cache: Path | None = None) -> dict[str, Any]:
    """The run record beside the weights of a folder or Hub id, or nothing where there is none. `at`, `cache`: as of `load_weights`.

    Raises:
        DatasetError: there is no such model.
    """
    model, at = split_revision(model, at)
    path: str | None = str(Path(model) / RECORD)
    if not Path(model).is_dir():
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            path = hf_hub_download(model, RECORD, revision=at, cache_dir=cache)
        except LocalEntryNotFoundError:
            path = None  # no network: loading the model will tell, or it lies in the cache and has no record
        except EntryNotFoundError:
            path = None
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            raise DatasetError(
                f"no such model ({error})", where=model, expected="a model folder or a Hub id", fix="check the name"
            ) from error
    if path is None or not Path(path).is_file():
        return {}
    return dict(json.loads(Path(path).read_text(encoding="utf-8")))
