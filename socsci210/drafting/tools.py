"""The tools of the drafting agent: looking things up in a deposit. Arguments are data, checked before anything is done with them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ..child import run_child
from ..crosswalks import crosswalk, crosswalk_names
from ..errors import SocSciError
from ..profiling.records import Table, Variable
from ..study_yaml import MAX_DEPTH
from .crosstab import MAX_CODES, margins
from .lessons import LESSONS, Part
from .material import SILENT, Material
from .outward import NOT_SHOWN, counts, variable_view
from .submission import submission_schema

_MOST: Final = 12_000
"""Characters of one answer."""
_Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class FindVariables(_Arguments):
    """Variables whose name or label holds the words; at most 40."""

    words: _Words


class ShowVariable(_Arguments):
    """One variable: label, codes with their labels and counts, role."""

    name: _Words
    file: str | None = None


class Crosstab(_Arguments):
    """People by the codes of two variables. Small counts are not shown, nor others that would give them away."""

    rows: _Words
    columns: _Words
    file: str | None = None


class FindBlocks(_Arguments):
    """Blocks of the documents that hold the words, or that name a variable; at most 30."""

    words: _Words
    document: str | None = None


class ShowBlocks(_Arguments):
    """Blocks of a document in full, from one id on."""

    document: _Words
    first: str | int
    count: Annotated[int, Field(ge=1, le=60)] = 20


class ShowCrosswalk(_Arguments):
    """A panel's crosswalk: which columns and codes it maps to which field."""

    crosswalk: _Words


class ExampleStudy(_Arguments):
    """A part of a study file explained on a made-up example."""

    part: Part


class Preview(_Arguments):
    """How the texts of the last submission that could be read run, for one condition or outcome (blanks unfilled)."""

    kind: Literal["condition", "outcome"]
    id: _Words


TOOLS: Final[dict[str, type[_Arguments]]] = {
    "find_variables": FindVariables,
    "show_variable": ShowVariable,
    "crosstab": Crosstab,
    "find_blocks": FindBlocks,
    "show_blocks": ShowBlocks,
    "show_crosswalk": ShowCrosswalk,
    "example_study": ExampleStudy,
    "preview": Preview,
}


def definitions(*, own_words: bool) -> list[dict[str, Any]]:
    """The tools as the API wants them, `submit` with the schema of study files."""
    tools = [_tool(name, str(model.__doc__), model.model_json_schema()) for name, model in TOOLS.items()]
    said = "Hand in the study file with the evidence for every part and the questions that stay open. Faults come back."
    return [*tools, _tool("submit", said, submission_schema(own_words=own_words))]


def _tool(name: str, description: str, parameters: dict[str, Any]) -> dict[str, Any]:
    shape = {key: value for key, value in parameters.items() if key not in ("title", "description")}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": shape}}


class ToolError(Exception):
    """A call that cannot be answered; the words go back to the model."""


def parse_arguments(name: str, arguments: object) -> dict[str, Any]:
    """The arguments of a call as a dict.

    Raises:
        ToolError: they are not a JSON object.
    """
    try:
        found = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError) as error:
        raise ToolError(f"the arguments of {name} are not JSON ({error}); call it again with one JSON object") from None
    if not isinstance(found, dict):
        raise ToolError(f"the arguments of {name} are no JSON object; call it again with one")
    if _depth(found) > MAX_DEPTH:
        raise ToolError(f"the arguments of {name} are nested more than {MAX_DEPTH} deep")
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ToolError(f"the arguments of {name} hold half a character (a lone surrogate)") from None
    return found


def _depth(value: Any) -> int:
    """How deep lists and objects stand in each other."""
    level, depth = [value], 0
    while level := [child for one in level if isinstance(one, dict | list) for child in (one.values() if isinstance(one, dict) else one)]:
        depth += 1
    return depth


def problems(error: ValidationError) -> str:
    """What is wrong with arguments, without links and without their values."""
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in error.errors(include_url=False)[:6])


@dataclass
class Tools:
    """Answers calls about one deposit. `texts` is filled by submissions that could be read."""

    material: Material
    texts: dict[str, str]

    def call(self, name: str, arguments: dict[str, Any]) -> str:
        """The answer to one call, as JSON.

        Raises:
            ToolError: no such tool, wrong arguments, or something that is not shown.
        """
        model = TOOLS.get(name)
        if model is None:
            raise ToolError(f"there is no tool {name[:60]!r}; the tools are {', '.join([*TOOLS, 'submit'])}")
        try:
            given = model.model_validate_json(json.dumps(arguments))
        except ValidationError as error:
            raise ToolError(f"wrong arguments of {name}: {problems(error)}") from None
        handlers: dict[str, Callable[[Any], Any]] = {name: getattr(self, f"_{name}") for name in TOOLS}
        said = json.dumps(handlers[name](given), ensure_ascii=False, default=list)
        return said if len(said) <= _MOST else f"{said[:_MOST]} (cut: ask for less at a time)"

    def _known(self, name: str, file: str | None) -> tuple[Table, Variable]:
        found = self.material.variable(name, file)
        if found is None:
            raise ToolError(f"there is no variable {name!r}; find_variables looks for names and labels")
        return found

    def _find_variables(self, given: FindVariables) -> Any:
        words = given.words.lower().split()
        found = []
        for table in self.material.tables:
            for variable in table.variables:
                text = f"{variable.name} {variable.label or ''}".lower()
                if all(word in text for word in words):
                    found.append({"name": variable.name, "label": variable.label, "role": variable.role})
        return {"found": len(found), "variables": found[:40]}

    def _show_variable(self, given: ShowVariable) -> Any:
        table, variable = self._known(given.name, given.file)
        return variable_view(table, variable, self.material.key_of(table.file))

    def _crosstab(self, given: Crosstab) -> Any:
        table, down = self._known(given.rows, given.file)
        _, across = self._known(given.columns, self.material.key_of(table.file))
        for variable in (down, across):
            if variable.role in SILENT:
                raise ToolError(f"{variable.name} is {variable.role}: its contents are not shown, and it cannot be cross-tabulated")
            if not variable.values or len(variable.values) > MAX_CODES:
                raise ToolError(f"{variable.name} has no list of at most {MAX_CODES} codes")
        if down.name == across.name:
            raise ToolError("name two different variables")
        return self._cells(table, down, across)

    def _cells(self, table: Table, down: Variable, across: Variable) -> Any:
        sides = []
        for variable in (down, across):
            codes = [value.code for value in variable.values]
            sides.append({"name": variable.name, "codes": codes, "margins": margins(counts(variable, table.rows), codes)})
        path = (self.material.deposit / table.file).resolve()
        payload = {"path": str(path), "member": table.member, "sheet": table.sheet, "rows": sides[0], "columns": sides[1]}
        with tempfile.TemporaryDirectory(prefix="socsci210-") as scratch:
            try:
                cells = run_child("socsci210.drafting.crosstab:tabulate", payload, out=Path(scratch), seconds=120)["cells"]
            except SocSciError as error:
                raise ToolError(f"the table could not be made: {error.found}") from None
        if cells is None:
            raise ToolError("every form of this table would give counts of few people away: it is not shown")
        names = [[*(str(code) for code in side["codes"]), "(everything else)"] for side in sides]
        shown = [[NOT_SHOWN if n is None else n for n in line] for line in cells]
        return {"rows": down.name, "columns": across.name, "codes_across": names[1], "lines": dict(zip(names[0], shown, strict=True))}

    def _find_blocks(self, given: FindBlocks) -> Any:
        words = given.words.lower().split()
        naming = {block for _, v in self._named(given.words) for block in v.blocks}
        found = []
        for document, blocks in self._documents(given.document):
            file = self.material.files[document].file
            for block, text in blocks.items():
                if all(word in text.lower() for word in words) or f"{file}:{block}" in naming:
                    found.append({"doc": document, "block": block, "text": text[:400]})
        return {"found": len(found), "quoted_source_text": found[:30]}

    def _named(self, name: str) -> Sequence[tuple[Table, Variable]]:
        found = self.material.variable(name)
        return [] if found is None else [found]

    def _documents(self, document: str | None) -> Sequence[tuple[str, Any]]:
        documents = self.material.documents
        if document is not None and document not in documents:
            raise ToolError(f"there is no document {document!r}; there are {', '.join(documents) or 'none'}")
        return [(key, blocks) for key, blocks in documents.items() if document in (None, key)]

    def _show_blocks(self, given: ShowBlocks) -> Any:
        ((document, blocks),) = self._documents(given.document)
        ids = list(blocks)
        if str(given.first) not in ids:
            raise ToolError(
                f"there is no block {given.first!r} in {document}; its ids run from {ids[0]} to {ids[-1]}" if ids else "it is empty"
            )
        start = ids.index(str(given.first))
        return {"doc": document, "quoted_source_text": {block: blocks[block] for block in ids[start : start + given.count]}}

    def _show_crosswalk(self, given: ShowCrosswalk) -> Any:
        if given.crosswalk not in crosswalk_names():
            raise ToolError(f"there is no crosswalk {given.crosswalk!r}; there are {', '.join(crosswalk_names())}")
        fits = [fit for table in self.material.tables for fit in table.crosswalks if fit.crosswalk == given.crosswalk]
        matches = {
            one.field: {"column": one.column, "unmapped": [code for code in one.unmapped if not isinstance(code, str)]}
            for fit in fits[:1]
            for one in fit.fields
        }
        fields = {name: field.columns for name, field in crosswalk(given.crosswalk).items()}
        return {"crosswalk": given.crosswalk, "fits": matches, "fields": fields}

    def _example_study(self, given: ExampleStudy) -> Any:
        return {"part": given.part, "explained": LESSONS[given.part]}

    def _preview(self, given: Preview) -> Any:
        place = 0 if given.kind == "condition" else 1
        found = {key: text for key, text in self.texts.items() if key.split(" / ")[place] == given.id}
        if not found:
            raise ToolError(f"no text of {given.kind} {given.id!r} yet: submit a file that can be read first")
        return found
