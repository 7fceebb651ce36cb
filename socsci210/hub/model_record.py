"""The run record as it is published: everything that made the model, but for what tells of the machine it was made on."""

from __future__ import annotations

import getpass
import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..contamination import released
from ..errors import HubError
from ..language_model import RECORD, TRAINING, split_revision

LEFT_OUT: Final = "[left out: a place on the machine that it was trained on]"
NOTE: Final = "left_out"
"""Key of a published record: which of its values were left out."""
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_PATHS: Final = frozenset({"settings.dataset", "settings.output", "settings.dpo.reference"})
_MODELS: Final = re.compile(r"model|settings\.model|(base_training\.)+base")
_PLACE: Final = re.compile(r"""(?:^|[\s"'=(,;])(?:file:|~|\.{1,2}/|/|[A-Za-z]:[\\/]|\\\\)""")
_NEEDED: Final = ("settings", *TRAINING)


def read_record(folder: Path) -> dict[str, Any]:
    """The run record of a model folder.

    Raises:
        HubError: no such folder, a folder that `socsci210 train` did not write, or a record that does not read.
    """
    if not folder.is_dir():
        raise HubError("no such folder", where=str(folder), expected="the folder that socsci210 train wrote", fix="check the path")
    path = folder / RECORD
    if not path.is_file():
        raise HubError(
            f"not a model of socsci210: it has no {RECORD}, so nobody could tell what it was trained on", where=str(folder),
            expected="the folder that socsci210 train wrote", fix="train with socsci210 train; other models are uploaded with hf upload",
        )  # fmt: skip
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HubError(f"does not read ({error})", where=str(path), fix="take the folder as socsci210 train wrote it") from error
    missing = [key for key in _NEEDED if key not in record] if isinstance(record, dict) else list(_NEEDED)
    if missing:
        raise HubError(
            f"a run record without {', '.join(missing)}", where=str(path), expected="the record that socsci210 train wrote",
            fix="take the folder as socsci210 train wrote it",
        )  # fmt: skip
    bare = {key: _bare(value) for key, value in record["settings"].items() if key == "model"}  # its commit stands in model_revision
    return {**record, "model": _bare(record.get("model")), "settings": {**record["settings"], **bare}}


def _bare(model: str | None) -> str | None:
    return None if model is None else split_revision(model)[0]


def is_on_hub(model: str | None, revision: str | None) -> bool:
    """Whether a model that training started from is one of the Hub: then its revision is a commit; that of a folder is a shorter hash."""
    return model is not None and _REPOSITORY.fullmatch(model) is not None and COMMIT.fullmatch(revision or "") is not None


def published(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record without paths, names of machines and names of users; what was left out is listed under `NOTE`.

    A path goes as a whole: its last part may be a name as well. A model stays named where it is one of the Hub.
    """
    left_out: list[str] = []
    words = _words()

    def clean(value: Any, key: str) -> Any:
        if isinstance(value, Mapping):
            return {name: clean(inner, f"{key}.{name}" if key else name) for name, inner in value.items()}
        if isinstance(value, list):
            return [clean(inner, key) for inner in value]
        if not isinstance(value, str) or (kept := _kept(value, key, record, words)) == value:
            return value
        left_out.append(key)
        return kept

    found: dict[str, Any] = clean(dict(record), "")
    return {**found, NOTE: list(dict.fromkeys(left_out))}


def _kept(value: str, key: str, record: Mapping[str, Any], words: re.Pattern[str] | None) -> str:
    """What is published of a value: itself, or a note that it was left out; of a released model in a folder, its name on the Hub."""
    if key in _PATHS:
        return LEFT_OUT
    if _MODELS.fullmatch(key):
        return value if _is_public(value, key, record) else released(value) or LEFT_OUT
    if key.rpartition(".")[2] in TRAINING:  # ids, hashes and names of this project
        return value
    return LEFT_OUT if _PLACE.search(value) or (words is not None and words.search(value)) else value


def _is_public(model: str, key: str, record: Mapping[str, Any]) -> bool:
    """Whether the name of a model says nothing of the machine: a model of the Hub, or one made from nothing."""
    if model == "nano":
        return True
    if key.startswith("base_training"):  # whose revision nobody noted
        return _REPOSITORY.fullmatch(model) is not None and not Path(model).exists()
    return is_on_hub(model, record.get("model_revision"))


def _words() -> re.Pattern[str] | None:
    """Names of this machine and its user, as whole words. Very short ones would be found in everything."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # an account without a name
        user = ""
    names = {user, Path.home().name, socket.gethostname(), socket.gethostname().partition(".")[0]} - {"root", "user", "localhost"}
    long = [re.escape(name) for name in sorted(names) if len(name) > 3]
    return re.compile(rf"(?<![\w.-])(?:{'|'.join(long)})(?![\w-])", re.IGNORECASE) if long else None
