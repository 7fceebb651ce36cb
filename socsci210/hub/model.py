"""What a push of a model publishes: safetensors, a tokenizer that reloads to the same ids, chat template, decoding, record and card."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from ..checksums import file_sha256
from ..errors import HubError
from ..language_model import ADAPTER, GENERATION, RECORD, load_tokenizer, revision, split_revision, token_ids
from ..prompts import ChatFrame
from ..results import Results
from .client import checked_id
from .guard import found_token, guard
from .model_merging import merged
from .model_record import COMMIT, NOTE, is_on_hub, published, read_record
from .model_state import fingerprint
from .package import CARD, Package
from .trained_on import check_dataset

WEIGHTS: Final = re.compile(r"(adapter_)?model(-\d+-of-\d+)?\.safetensors")
_KNOWN: Final = re.compile(
    rf"{WEIGHTS.pattern}(\.index\.json)?|(config|generation_config|adapter_config|run_record)\.json|train_log\.jsonl|README\.md"
    r"|tokenizer(_config)?\.json|(special_tokens_map|added_tokens|vocab)\.json|vocab\.txt|merges\.txt|(tokenizer|spiece|sentencepiece\.bpe)\.model"
    r"|chat_template\.(jinja|json)|(LICENSE|NOTICE)(\.txt|\.md)?|\.gitattributes"
)
_EVIDENCE: Final = re.compile(r".*results\.json")  # what is known of the model; scores go onto its card, the file stays
_ADAPTERS: Final = re.compile(r"adapter_(config\.json|model.*\.safetensors(\.index\.json)?)")
_CODE: Final = re.compile(r".*\.(bin|pt|pth|ckpt|pkl|pickle|joblib|npy|npz|h5|msgpack|py)", re.IGNORECASE)
_STATE: Final = re.compile(
    r"(optimizer|scheduler|scaler|rng_state|random_states|training_args|trainer_state|checkpoint|global_step).*", re.I
)


def prepare_model(
    path: Path, repo: str, work: Path, *, merge: bool = False, results: Sequence[Path] = (), licence: str | None = None,
    dataset: str | None = None,
) -> Package:  # fmt: skip
    """What is to stand in the repository of a model that `socsci210 train` wrote.

    Args:
        path: model folder; it stays as it is.
        repo: id of the repository.
        work: folder for what is made here; weights are pointed to where they lie, unless they are merged.
        merge: an adapter is added to the weights of its model, and the whole is published.
        results: results files of this model, whose scores the card shows.
        licence: of the weights, as the Hub calls it.
        dataset: Hub id of the dataset that the model was trained on.

    Raises:
        HubError: not a model of ours, a file that does not belong into it, a pickled one, an adapter of a model that is not on the Hub, a
            tokenizer that reloads with other ids, weights that do not load, or a dataset that it was not trained on.
        SocSciError: results that are not of this model, or a card that cannot be made.
    """
    from ..cards.model import model_card

    checked_id(repo)
    record = read_record(path)
    if dataset is not None:
        check_dataset(dataset, record["dataset_fingerprint"])
    notes: list[str] = []
    _check_files(path)
    stage = _Stage(work)
    for one in sorted(path.iterdir()):
        if not (one.name == CARD or _EVIDENCE.fullmatch(one.name) or (merge and _ADAPTERS.fullmatch(one.name))):
            stage.point(one.name, one)
    if merge:
        notes.append(merged(path, record, work / "merged"))
        for one in sorted((work / "merged").iterdir()):
            stage.point(one.name, one)
        settings = record["settings"]
        record = {**record, "settings": {**settings, "lora": {**(settings.get("lora") or {}), "merge": True}}}
    elif ADAPTER in stage.files:
        stage.write(ADAPTER, _pinned(path, record))
    notes += [*_decoding(stage), *_tokenizer(stage, path)]
    shown = published(record)
    stage.write(RECORD, json.dumps(shown, indent=1, ensure_ascii=False) + "\n")
    notes.append(f"left out of {RECORD}: {', '.join(shown[NOTE]) or 'nothing'}")
    content = _fingerprint(stage)
    card = model_card(
        shown, results=results, repository=repo, revision=_scored_as(path, repo, stage, results), licence=licence, dataset=dataset
    )
    stage.write(CARD, card)
    return Package(
        kind="model", files=stage.files, card=card, fingerprint=content, notes=tuple(notes), check_back=check_back,
        message="Adapter, tokenizer, run record and card" if ADAPTER in stage.files else "Model, tokenizer, run record and card",
    )  # fmt: skip


def check_back(repo: str, commit: str) -> str:
    """The fingerprint of a model as `from_pretrained` loads it from the Hub, at a commit and into a cache of its own."""
    with TemporaryDirectory() as cache:
        return fingerprint(repo, at=commit, cache=Path(cache))


def _scored_as(path: Path, repo: str, stage: _Stage, results: Sequence[Path]) -> str:
    """The revision by which results know the model: a commit of the repository that holds the same weights, or else the folder's hash.

    Raises:
        DatasetError: results that do not read.
        HubError: the Hub cannot be asked for a commit that they name.
    """
    from huggingface_hub import HfApi

    runs = [run for one in results for run in Results.read_json(one).runs if split_revision(run.model or "")[0] == repo]
    commits = {run.revision for run in runs if COMMIT.fullmatch(run.revision or "")}
    own = {name: file_sha256(one) for name, one in stage.files.items() if WEIGHTS.fullmatch(name)} if commits else {}
    for commit in sorted(filter(None, commits)):
        with guard(repo, found_token(), say=lambda text: None):
            siblings = HfApi().model_info(repo, revision=commit, files_metadata=True).siblings or []
        if {one.rfilename: one.lfs.sha256 for one in siblings if one.lfs is not None and WEIGHTS.fullmatch(one.rfilename)} == own:
            return commit
    return revision(str(path))


def _check_files(folder: Path) -> None:
    names = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if _STATE.fullmatch(path.name) or _CODE.fullmatch(path.name):
            raise HubError(
                f"{name}: a file that loads by running code, or the state of a training run", where=str(folder),
                expected="weights as safetensors, and nothing that is pickled",
                fix="delete it, or move it out of the folder; save_pretrained writes weights as safetensors",
            )  # fmt: skip
        if not (_KNOWN.fullmatch(name) or _EVIDENCE.fullmatch(path.name)):
            raise HubError(
                f"{name} is not part of a model", where=str(folder), expected="what socsci210 train writes: weights, tokenizer, record",
                fix="move it out of the folder",
            )  # fmt: skip
        names.append(name)
    if not any(WEIGHTS.fullmatch(name) for name in names):
        raise HubError("no weights", where=str(folder), expected="model.safetensors or adapter_model.safetensors", fix="train it again")


def _pinned(folder: Path, record: dict[str, Any]) -> str:
    """The config of an adapter, with the commit of the model below it.

    Raises:
        HubError: that model is not on the Hub, or nobody knows at which commit it was.
    """
    config = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))
    base, at = str(config.get("base_model_name_or_path")), record.get("model_revision")
    if base != record["settings"].get("model") or not is_on_hub(base, at):
        raise HubError(
            f"the folder holds an adapter of {base}, which is not a model of the Hub at a known commit: nobody else could load it",
            where=str(folder), expected="an adapter of a model of the Hub, whose commit the run record has",
            fix="push the model in one piece, with --merge; or push that model first and train on it by its id",
        )  # fmt: skip
    return json.dumps({**config, "revision": at, "inference_mode": True}, indent=2, sort_keys=True) + "\n"


def _decoding(stage: _Stage) -> list[str]:
    """Sees to the generation config. Returns what was changed."""
    from transformers import GenerationConfig

    name = "generation_config.json"
    given = GenerationConfig.from_pretrained(str(stage.view)) if name in stage.files else GenerationConfig()
    if all(getattr(given, key) == value for key, value in GENERATION.items()):
        return []
    given.update(**GENERATION)
    stage.write(name, given.to_json_string())
    return [f"{name}: temperature {GENERATION['temperature']}, top_p {GENERATION['top_p']}, as in the paper"]


def _tokenizer(stage: _Stage, folder: Path) -> list[str]:
    """Sees to the tokenizer and its chat template. Returns what was changed.

    Raises:
        HubError: the tokenizer does not load, reloads with other ids than those in its own file, or can have no chat template.
    """
    try:
        tokenizer = load_tokenizer(str(stage.view))
    except (OSError, ValueError, ImportError) as error:
        raise HubError(f"its tokenizer does not load ({error})", where=str(folder), fix="take the folder as it was written") from error
    _check_ids(folder, tokenizer)
    if tokenizer.chat_template:
        return []
    before = token_ids(tokenizer)
    tokenizer.chat_template = ChatFrame(tokenizer).chat_template()
    if token_ids(tokenizer) != before:
        raise HubError(
            "the tokenizer has no chat template, and none can be made that says what the model was trained on", where=str(folder),
            expected="a tokenizer with a chat template", fix="train with a tokenizer that has one",
        )  # fmt: skip
    stage.write("chat_template.jinja", tokenizer.chat_template)
    return ["the tokenizer had no chat template: one was added that says what the model was trained on"]


def _check_ids(folder: Path, tokenizer: Any) -> None:
    """A class that does not belong to the model reads tokenizer.json as something else, without an error."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        return
    from tokenizers import Tokenizer

    stored = Tokenizer.from_file(str(path))
    for text in ("Age: 34\n- Party Id: Lean Democrat", 'You read: "Tea – café 文 🍵".  Only return 1 to 100.', "-5 007 100"):
        found = tokenizer.encode(text, add_special_tokens=False)
        if list(found) != stored.encode(text, add_special_tokens=False).ids:
            raise HubError(
                f"the tokenizer reloads as {type(tokenizer).__name__} with other ids than those of its own file", where=str(path),
                expected="the ids that the model was trained on", fix="save the tokenizer with the class of the model's architecture",
            )  # fmt: skip


def _fingerprint(stage: _Stage) -> str:
    """The fingerprint of exactly what is published.

    Raises:
        HubError: it does not load.
    """
    from safetensors import SafetensorError

    try:
        return fingerprint(str(stage.view))
    except (OSError, ValueError, ImportError, RuntimeError, KeyError, SafetensorError) as error:
        raise HubError(
            f"what would be published does not load ({error})", expected="a model that from_pretrained loads",
            fix="check that the folder is whole; for an adapter, that its model can be read on the Hub",
        ) from error  # fmt: skip


class _Stage:
    """The files of a repository, and a folder of links to them, from which they are loaded as one.

    Args:
        work: folder for both.
    """

    def __init__(self, work: Path) -> None:
        self.own, self.view = work / "own", work / "view"
        self.files: dict[str, Path] = {}
        for folder in (self.own, self.view):
            folder.mkdir(parents=True)

    def point(self, name: str, path: Path) -> None:
        """Take a file where it lies."""
        self.files[name] = path
        link = self.view / name
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())

    def write(self, name: str, text: str) -> None:
        """Take a text in place of a file."""
        (self.own / name).write_text(text, encoding="utf-8")
        self.point(name, self.own / name)
