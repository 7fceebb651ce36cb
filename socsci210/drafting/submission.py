"""From what a model submits to a study file: its form, what it may not write itself, and what is filled in for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from textwrap import indent
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field

from ..profiling.records import Variable
from ..study_origin import Claim
from ..study_schema import export_json_schema
from .material import Material
from .trial import Fault

_GIVEN: Final = ("format", "id", "simulated", "own_deposit", "files", "drafted", "reviewed")
_GIVEN_PROVENANCE: Final = ("rights", "same_as", "family")
_BY_CODE: Final = frozenset({"recode", "missing", "values"})
_RIGHTS: Final = {"redistribute": "unknown", "why": "A draft: nobody has looked into the rights yet."}
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")


class Submission(BaseModel):
    """The arguments of the tool `submit`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    study: dict[str, Any]
    evidence: list[Claim]
    questions: list[str] = Field(default_factory=list, max_length=30)


def submission_schema(*, own_words: bool) -> dict[str, Any]:
    """The JSON schema of a submission: the study file's own, less what is filled in for the model.

    Args:
        own_words: whether text may stand in the study file itself (a person's own deposit).
    """
    exported = export_json_schema()
    parts: dict[str, Any] = exported.pop("$defs")
    for name in (*_GIVEN, "$schema"):
        exported.get("properties", {}).pop(name, None)
    exported.pop("$schema", None)
    exported["required"] = [name for name in exported["required"] if name not in _GIVEN]
    provenance = parts["Provenance"]
    for name in _GIVEN_PROVENANCE:
        provenance["properties"].pop(name)
    provenance["required"] = [name for name in provenance["required"] if name not in _GIVEN_PROVENANCE]
    if not own_words:
        parts["Quote"]["properties"].pop("text")
    for unused in ("DepositFile", "Drafted", "Reviewed", "Rights"):
        parts.pop(unused, None)
    claim = {"type": "array", "items": {"$ref": "#/$defs/Claim"}, "minItems": 1}
    questions = {"type": "array", "items": {"type": "string"}, "maxItems": 30}
    whole = {
        "type": "object",
        "properties": {"study": exported, "evidence": claim, "questions": questions},
        "required": ["study", "evidence"],
        "additionalProperties": False,
        "$defs": parts,
    }
    untitled: dict[str, Any] = _untitled(whole)
    return untitled


def _untitled(value: Any, *, names: bool = False) -> Any:
    """Without the titles that repeat the names of keys; a key that is itself called title stays."""
    if isinstance(value, dict):
        return {key: _untitled(child, names=key in ("properties", "$defs")) for key, child in value.items() if names or key != "title"}
    return [_untitled(child) for child in value] if isinstance(value, list) else value


def completed(study: Mapping[str, Any], material: Material, *, study_id: str, own_words: bool, origin: Mapping[str, str]) -> dict[str, Any]:
    """The study file as data: what the model wrote, and what is not its business (id, hashes, rights).

    Args:
        study: as submitted.
        material: the deposit.
        study_id: the id of the study.
        own_words: whether this is a person's own deposit.
        origin: `source_url` and `licence` where the deposit was fetched.
    """
    written = {key: value for key, value in study.items() if key not in _GIVEN}
    provenance = written.pop("provenance", {})
    known = provenance if isinstance(provenance, dict) else {}
    family = re.sub(r"[^a-z0-9_]", "_", study_id.lower())
    given = {**known, **origin, "rights": _RIGHTS, "same_as": [], "family": family}
    files = {key: {"file": material.files[key].file, "sha256": material.files[key].sha256} for key in _named_files(written, material)}
    whole: dict[str, Any] = {"format": 1, "id": study_id, **({"own_deposit": True} if own_words else {})}
    whole |= {"design": written.pop("design", None), "provenance": given, "files": files, **written}
    converted: dict[str, Any] = _codes(whole, material, None, ())
    return converted


def _named_files(study: Mapping[str, Any], material: Material) -> list[str]:
    """Keys of the files that the study file uses: the data and all documents, so that evidence may name them."""
    data = study.get("data")
    named = data.get("file") if isinstance(data, dict) else None
    documents = [key for key, file in material.files.items() if file.role == "document"]
    return [*([named] if isinstance(named, str) and named in material.files else []), *documents]


def _codes(value: Any, material: Material, column: str | None, path: tuple[str, ...]) -> Any:
    """JSON has text for every key: keys that are codes become numbers again, unless the column holds text."""
    if isinstance(value, list):
        return [_codes(child, material, column, path) for child in value]
    if not isinstance(value, dict):
        return value
    columns = value.get("columns")
    own = value.get("column") or (columns[0] if isinstance(columns, list) and columns else None)
    column = own if isinstance(own, str) else column
    found: dict[Any, Any] = {}
    for key, child in value.items():
        here = (*path, key)
        if key == "value_label" and isinstance(child, list) and len(child) == 2:
            found[key] = [child[0], _code(child[1], material, str(child[0]))]
        elif here == ("data", "missing") and isinstance(child, dict):
            found[key] = {name: _numbered(codes, material, name) for name, codes in child.items()}
        elif key in _BY_CODE and isinstance(child, dict) and value.get("by") != "condition":
            found[key] = {_code(k, material, column): _codes(v, material, column, here) for k, v in child.items()}
        elif key == "labels" and path[-1:] == ("scale",) and isinstance(child, dict):
            found[key] = {_code(k, material, None): _codes(v, material, column, here) for k, v in child.items()}
        else:
            found[key] = _codes(child, material, column, here)
    return found


def _numbered(codes: Any, material: Material, column: str) -> Any:
    return {_code(key, material, column): child for key, child in codes.items()} if isinstance(codes, dict) else codes


def _code(code: Any, material: Material, column: str | None) -> Any:
    """A code as the data file holds it."""
    if not isinstance(code, str) or not _NUMBER.fullmatch(code):
        return code
    known = material.variable(column) if column is not None else None
    if known is not None and _holds_text(known[1]):
        return code
    number = float(code)
    return int(number) if number == int(number) else number


def _holds_text(variable: Variable) -> bool:
    return variable.codes_are_text or (variable.kind == "text" and any(isinstance(value.code, str) for value in variable.values))


def own_text(study: Mapping[str, Any], material: Material) -> Iterator[Fault]:
    """Words of a model that would stand in a stimulus: it may choose words of the deposit, and write none."""
    for path, value in walk(study):
        if not isinstance(value, str):
            continue
        where = ".".join(map(str, path))
        if path[-1:] == ("text",):
            yield Fault(
                "own_words",
                f"own words: {value[:80]!r}",
                where,
                "a quotation: doc and blocks, label, value_label or header",
                "find the block that holds these words, and quote it; describe images with `description`",
            )
        elif ("bind" in path or path[-1:] == ("unit",)) and not material.holds(value):
            fix = "take the words from the document that lists them"
            yield Fault("own_words", f"{value[:80]!r} stands nowhere in the deposit", where, "words of the deposit", fix)


def walk(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every leaf with its path."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from walk(child, (*path, key))
    elif isinstance(value, list | tuple):
        for number, child in enumerate(value):
            yield from walk(child, (*path, number))
    else:
        yield path, value


def as_yaml(study: Mapping[str, Any]) -> str:
    """A study file as text, one comment before each of its parts, nothing wrapped that people read as one."""
    parts = []
    for key, value in study.items():
        body = yaml.dump(value, Dumper=_Dumper, **_LAYOUT).removesuffix("...\n")
        within = isinstance(value, dict | list) and not body.startswith(("{", "["))
        text = f"{key}:\n{indent(body, '  ')}" if within else f"{key}: {indent(body, '  ').lstrip()}"
        parts.append(f"\n# {_COMMENTS[key]}\n{text}" if key in _COMMENTS else text)
    return "".join(parts)


class _Dumper(yaml.SafeDumper):
    """Writes everything out: what stands twice stands there twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_LAYOUT: Final[dict[str, Any]] = {"sort_keys": False, "allow_unicode": True, "width": 120, "default_flow_style": None}
_COMMENTS: Final = {
    "provenance": "Where the study comes from. `unknown` is a value.",
    "files": "The files of the deposit; the build refuses any other bytes.",
    "data": "The data file: who is who, who stays, and which codes are no answer.",
    "demographics": "The persona: a panel's crosswalk, and what this study adds to it.",
    "fills": "Blanks in quoted text, filled from closed sets.",
    "conditions": "The arms: who is in each, and what they met.",
    "outcomes": "What people were asked, and what their answers mean.",
    "stated": "Numbers that the source prints, which the build reproduces.",
    "drafted": "Who drafted this, where each part was read, and what a reviewer has to decide.",
}
