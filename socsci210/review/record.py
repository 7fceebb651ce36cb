"""Writing to a study file: a decision at the end of `reviewed`, or a new text from an editor. All else stays as it was, comments too."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import ValidationError

from ..errors import StudyFileError
from ..registry import load_study_file
from ..reviewing import content_hash
from ..study_file import StudyFile
from ..study_origin import Reviewed
from ..study_yaml import read_yaml

Decision = Literal["accepted", "refused"]
LONGEST: Final = {"reviewer": 200, "note": 4000}  # characters
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def version(path: Path) -> str:
    """sha256 of the bytes of a study file: what a person looked at."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def record(path: Path, *, decision: Decision, reviewer: str, note: str, seen: str, day: date | None = None) -> StudyFile:
    """Write a decision into a study file, atomically.

    Args:
        path: the study.yaml.
        decision, reviewer, note: what was decided, by whom and why.
        seen: `version` of the file that the reviewer looked at.
        day: of the decision; today without it.

    Returns:
        The study file with the decision.

    Raises:
        StudyFileError: no name or no note, or the file has changed since it was looked at.
    """
    reviewer, note = _line(reviewer, "reviewer"), _line(note, "note")
    study = load_study_file(path)
    entry = {"reviewer": reviewer, "date": (day or date.today()).isoformat(), "decision": decision, "note": note}
    item = ", ".join(f"{key}: {_scalar(value) if key in LONGEST else value}" for key, value in entry.items())
    text = with_item(path.read_bytes().decode("utf-8"), f'- {{{item}, content: "{content_hash(study)}"}}')
    new = replace_text(path, text, seen=seen, decisions=[*study.reviewed, {**entry, "content": content_hash(study)}])
    if content_hash(new) != content_hash(study):  # cannot be, as nothing but `reviewed` was touched
        raise AssertionError(f"{path}: recording a decision changed the content")
    return new


def edit(path: Path, text: str, *, seen: str) -> StudyFile:
    """Replace a study file by what somebody made of it, if that is a valid study file with the same id and the same decisions.

    Raises:
        StudyFileError: what is wrong with the text, with its line; nothing was written.
    """
    return replace_text(path, text, seen=seen, decisions=_decisions(path))


def _decisions(path: Path) -> list[Any] | None:
    """The decisions in a study file, which may be broken elsewhere; None where they cannot be read either."""
    try:
        given = read_yaml(path).data.get("reviewed") or []
        return [Reviewed.model_validate(one) for one in given]
    except (StudyFileError, ValidationError, TypeError):
        return None


def check_text(text: str, path: Path) -> StudyFile:
    """A study file from text, as if it stood at `path`.

    Raises:
        StudyFileError: what is wrong with it, with its line.
    """
    with tempfile.TemporaryDirectory(prefix="socsci210-") as folder:
        draft = Path(folder) / path.name
        draft.write_text(text, encoding="utf-8")
        try:
            study = load_study_file(draft)
        except StudyFileError as error:
            error.args = (str(error).replace(str(draft), path.name),)
            error.where = error.where.replace(str(draft), path.name)
            raise
    if study.id != path.parent.name:
        raise StudyFileError(
            f"id {study.id!r}", where=f"{path.name}: id", expected=f"{path.parent.name!r}, the name of its folder", fix="put the id back"
        )
    return study


def replace_text(path: Path, text: str, *, seen: str, decisions: list[Any] | None) -> StudyFile:
    """Write a study file whose `reviewed` must be `decisions` (None: may be anything); a crash leaves the old one or the new one."""
    path = path.resolve()
    study = check_text(text, path)
    if decisions is not None and [_as_dict(one) for one in study.reviewed] != [_as_dict(one) for one in decisions]:
        raise StudyFileError(
            "`reviewed` was changed",
            where=path.name,
            expected="the decisions that are there",
            fix="leave `reviewed` alone: decisions are written by `socsci210 review`",
        )
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".study-", suffix=".yaml")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(path.stat().st_mode & 0o777)
        if version(path) != seen:
            raise StudyFileError(
                "it has changed since you looked at it",
                where=str(path),
                expected="the file that was shown",
                fix="look at it again, then decide or edit",
            )
        Path(name).replace(path)
    except OSError as error:
        raise StudyFileError(
            f"cannot be written ({error.strerror})", where=str(path), fix="copy the study's folder to a place of your own"
        ) from None
    finally:
        Path(name).unlink(missing_ok=True)
    return study


def _as_dict(one: Any) -> dict[str, Any]:
    return dict(one) if isinstance(one, dict) else one.model_dump()


def _line(text: str, what: str) -> str:
    text = " ".join(text.split())
    if not text or len(text) > LONGEST[what] or _CONTROL.search(text):
        raise StudyFileError(
            f"a {what} of {len(text):,} characters" if text else f"no {what}",
            where=f"the {what} of a decision",
            expected=f"one to {LONGEST[what]:,} characters of plain text",
            fix="say who decides, and why",
        )
    return text


def _scalar(text: str) -> str:
    """Text between double quotes, as YAML reads it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def with_item(text: str, item: str) -> str:
    """The text of a study file with one more item at the end of its top-level list `reviewed`."""
    newline = "\r\n" if "\r\n" in text else "\n"
    found = _reviewed_node(text)
    if found is None:
        return f"{text.rstrip()}{newline * 2}reviewed:{newline}  {item}{newline}"
    node, indent = found
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        at = node.value[-1].end_mark.index
        at = at - len(text[:at]) + len(text[:at].rstrip())  # a block item ends where the next line begins
        rest = text[at:].partition("\n")  # a comment behind the last item stays there
        return f"{text[:at]}{rest[0].rstrip()}{newline}{' ' * indent}{item}{newline}{rest[2]}"
    kept = "".join(f"{newline}  - {text[one.start_mark.index : one.end_mark.index]}" for one in getattr(node, "value", None) or ())
    return f"{text[:start].rstrip(' ')}{kept}{newline}  {item}{text[end:] or newline}"


def _reviewed_node(text: str) -> tuple[yaml.Node, int] | None:
    """The value of `reviewed`, and the column of its items."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "reviewed":
            return value, value.start_mark.column
    return None
