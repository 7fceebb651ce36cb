"""YAML of study files and crosswalks: safe, strict about repeated keys, and with the line of every key.

Only YAML's plain data is read (PyYAML's safe loader): no tag can make an object. Errors of the models are rewritten, so that each says
where it stands (file, line, key path), what was found, what was expected and what to do.
"""

from __future__ import annotations

import re
import types
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .errors import StudyFileError

MAX_BYTES: Final = 4_000_000
MAX_DEPTH: Final = 40  # the C parser builds its tree recursively, and a file of brackets alone would end the process
MAX_NODES: Final = 200_000  # aliases count each time they are used, so a few lines cannot unfold into gigabytes
SHOWN: Final = 8  # problems printed before "and N more"

Key = str | int
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """A parsed YAML file. `lines` holds the line (from 1) of every key path."""

    path: Path
    data: Any
    lines: dict[tuple[Key, ...], int]

    def where(self, keys: tuple[Key, ...]) -> str:
        """`FILE, line 12: outcomes[0].scale.kind`, with the line of the nearest key that is in the file."""
        place = f"{self.path}, line {self.line(keys)}"
        return f"{place}: {key_path(keys)}" if keys else place

    def line(self, keys: tuple[Key, ...]) -> int:
        """The line of a key path, or of the nearest one above it."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return self.lines[keys]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader (the C one is some eight times faster), which refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if isinstance(key, Hashable):
                if key in seen:
                    raise _RepeatedKey(key, seen[key], line)
                seen[key] = line
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class _RepeatedKey(Exception):
    def __init__(self, key: Hashable, first: int, second: int) -> None:
        self.key, self.first, self.second = key, first, second
        super().__init__(key)


class Misplaced(ValueError):
    """A fault that a model's own check finds below its place: `keys` is the path from there."""

    def __init__(self, found: str, keys: tuple[Key, ...], *, expected: str = "", fix: str = "") -> None:
        self.keys, self.expected, self.fix = keys, expected, fix
        super().__init__(found)


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """`Did you mean 'x'?` with up to three near names, or an empty string."""
    by_fold = {str(k).casefold(): str(k) for k in known}
    near = [by_fold[match] for match in get_close_matches(str(name).casefold(), by_fold, n=3, cutoff=0.6)]
    return f"Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""


def key_path(keys: Iterable[Key]) -> str:
    """`outcomes[0].scale.kind`"""
    path = ""
    for key in keys:
        path += f"[{key}]" if isinstance(key, int) else f".{key}" if path else str(key)
    return path


def read_yaml(path: Path) -> Document:
    """Parse one YAML file whose top level is a mapping.

    Raises:
        StudyFileError: the file is missing, too large, not UTF-8, not YAML, repeats a key, or unfolds into too much.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StudyFileError(f"cannot be read ({error.strerror})", where=str(path), fix="check the path and its permissions") from None
    if len(raw) > MAX_BYTES:
        raise StudyFileError(f"larger than {MAX_BYTES:,} bytes", where=str(path), fix="quote texts by pointer instead of pasting them")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise StudyFileError(
            f"byte {raw[error.start]:#04x} is not UTF-8", where=f"{path}, line {line}", expected="UTF-8 text", fix="save the file as UTF-8"
        ) from None
    return _parse(text, path)


def _parse(text: str, path: Path) -> Document:
    loader = _Loader(text)
    try:
        _check_events(text, path)
        node = loader.get_single_node()
        if node is None or not isinstance(node, yaml.MappingNode):
            raise StudyFileError(
                "no keys at its top level", where=str(path), expected="`key: value` lines", fix="compare loaders/_template"
            )
        _count(node, path)
        data = loader.construct_document(node)
        lines: dict[tuple[Key, ...], int] = {}
        _locate(node, (), lines, loader)
    except _RepeatedKey as error:
        raise StudyFileError(
            f"key {error.key!r} is given twice",
            where=f"{path}, lines {error.first} and {error.second}",
            expected="every key once",
            fix="remove or rename one of them",
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
        raise StudyFileError(f"not valid YAML: {error.problem}", where=where, fix="check indentation, quotes and colons there") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an impossible date such as 2012-13-45
        raise StudyFileError(f"not valid YAML: {error}", where=str(path), fix="check the value; quote it if it is text") from None
    finally:
        loader.dispose()
    return Document(path, data, lines)


def _check_events(text: str, path: Path) -> None:
    """Refuse deep nesting, and characters that no text has, while the file is still a flat stream of events."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.ScalarEvent) and (control := _CONTROL.search(event.value)):
            raise StudyFileError(
                f"control character {control[0]!r} in a value",
                where=f"{path}, line {line}",
                expected="text as people read it",
                fix="remove it; it is written as an escape between double quotes",
            )
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise StudyFileError(
                f"nested more than {MAX_DEPTH} deep", where=f"{path}, line {line}", fix="close brackets, or flatten the file"
            )


def _count(node: yaml.Node, path: Path) -> int:
    """Number of nodes once every alias is written out; refuses a file that unfolds into too many or contains itself."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if id(node) in sizes:
            if sizes[id(node)] == 0:
                raise StudyFileError("an alias refers to itself", where=f"{path}, line {node.start_mark.line + 1}", fix="write it out")
            return sizes[id(node)]
        sizes[id(node)] = 0
        total = 1
        if isinstance(node, yaml.SequenceNode):
            total += sum(size(child) for child in node.value)
        elif isinstance(node, yaml.MappingNode):
            total += sum(size(key) + size(value) for key, value in node.value)
        sizes[id(node)] = total
        if total > MAX_NODES:
            raise StudyFileError(f"unfolds into more than {MAX_NODES:,} values", where=str(path), fix="use fewer aliases")
        return total

    return size(node)


def _locate(node: yaml.Node, at: tuple[Key, ...], lines: dict[tuple[Key, ...], int], loader: Any) -> None:
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for number, child in enumerate(node.value):
            _locate(child, (*at, number), lines, loader)
    elif isinstance(node, yaml.MappingNode):
        for key_node, child in node.value:
            key = loader.construct_object(key_node, deep=True)
            path = (*at, key if isinstance(key, int) and not isinstance(key, bool) else str(key))
            lines[path] = key_node.start_mark.line + 1
            _locate(child, path, lines, loader)


# --- from a parsed file to a model ---------------------------------------------------------------------------------------------------


def parse_model(model: type[Model], document: Document) -> Model:
    """Validate a parsed file against a strict model.

    Raises:
        StudyFileError: with every problem of the file, each with its line and key path.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        problems = [_explain(model, document, detail) for detail in _significant(document, error.errors(include_url=False))]
    first = problems[0]
    if len(problems) == 1:
        raise first from None
    others = [str(p) for p in problems[1:SHOWN]] + ([f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else [])
    fix = first.fix + f"\n{len(problems) - 1} more in this file:\n" + "\n".join(others)
    raise StudyFileError(first.found, where=first.where, expected=first.expected, fix=fix) from None


def _significant(document: Document, errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """One error per place, in the order of the file: a value that fits no member of a union fails once for each of them."""
    kept: dict[tuple[Key, ...], ErrorDetails] = {}
    for error in errors:
        missing = error["loc"][-1:] if error["type"] == "missing" else ()
        kept.setdefault((*_keys(document.data, error["loc"]), *missing), error)
    # A list whose items fail also counts as too short.
    hollow = [keys for keys, error in kept.items() if error["type"] == "too_short" and any(k[: len(keys)] == keys != k for k in kept)]
    return [kept[keys] for keys in sorted(kept, key=document.line) if keys not in hollow]


def _explain(model: type[BaseModel], document: Document, error: ErrorDetails) -> StudyFileError:
    kind, context = error["type"], error.get("ctx", {})
    missing = kind == "missing"
    keys = _keys(document.data, error["loc"][:-1] if missing else error["loc"])
    where, value = document.where(keys), error["input"]
    if missing:
        name = str(error["loc"][-1])
        return StudyFileError(f"key {name!r} is missing", where=where or "top level", expected=f"`{name}: ...` here", fix=f"add {name!r}")
    if kind == "extra_forbidden":
        known = _fields(model, keys[:-1])
        fix = did_you_mean(keys[-1], known) or "remove it, or correct its name"
        return StudyFileError(f"unknown key {keys[-1]!r}", where=where, expected=f"one of {', '.join(known)}", fix=fix)
    if kind == "literal_error":
        expected = str(context.get("expected", ""))
        options = [option.strip("' ") for option in expected.replace(" or ", ",").split(",")]
        return StudyFileError(f"found {value!r}", where=where, expected=expected, fix=did_you_mean(value, options) or "use one of these")
    if kind == "value_error" and isinstance(fault := context.get("error"), Misplaced):
        return StudyFileError(str(fault), where=document.where((*keys, *fault.keys)), expected=fault.expected, fix=fault.fix)
    if kind == "value_error":
        return StudyFileError(str(context.get("error", error["msg"])), where=where, fix="correct this part of the file")
    if kind == "string_pattern_mismatch":
        expected = f"text of the form {context['pattern']}"
        return StudyFileError(f"found {value!r}", where=where, expected=expected, fix="use letters, digits and underscores as shown")
    found = f"found {_short(value)}"
    if isinstance(value, bool):
        return StudyFileError(found, where=where, expected=error["msg"], fix="YAML reads yes, no, on and off as true and false: quote them")
    numeric = kind in ("finite_number", "greater_than_equal", "less_than_equal")  # a number was wanted, but another one
    fix = "quote it if it is text: YAML reads 12.10 as the number 12.1" if isinstance(value, float) and not numeric else "correct the value"
    return StudyFileError(found, where=where, expected=error["msg"], fix=fix)


def _keys(data: Any, location: tuple[int | str, ...]) -> tuple[Key, ...]:
    """The part of an error's location that is a path in the file (it also names members of unions, and `[key]`)."""
    keys: list[Key] = []
    for part in location:
        if isinstance(data, dict):
            # pydantic writes a key that is a number as text
            found = next((key for key in data if key == part or str(key) == str(part)), None)
            if found is None:
                continue
            keys.append(found if isinstance(found, int) and not isinstance(found, bool) else str(found))
            data = data[found]
        elif isinstance(data, list | tuple) and isinstance(part, int) and part < len(data):
            keys.append(part)
            data = data[part]
    return tuple(keys)


def _fields(model: Any, keys: tuple[Key, ...]) -> list[str]:
    """The keys that the model allows at a place."""
    annotations = [model]
    for key in keys:
        below: list[Any] = []
        for annotation in annotations:
            for member in _members(annotation):
                below += _below(member, key)
        annotations = below
    models = [m for annotation in annotations for m in _members(annotation) if isinstance(m, type) and issubclass(m, BaseModel)]
    return [name for m in models for name in m.model_fields]


def _below(annotation: Any, key: Key) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(key))
        return [field.annotation] if field else []
    origin, arguments = get_origin(annotation), get_args(annotation)
    return [arguments[1]] if origin is dict else [arguments[0]] if origin in (tuple, list) else []


def _members(annotation: Any) -> list[Any]:
    """The alternatives of a union, without annotations."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [m for member in get_args(annotation) for m in _members(member)]
    return [annotation]


def _short(value: object) -> str:
    text = repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 120 else text[:117] + "..."
