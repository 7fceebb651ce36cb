"""The JSON Schema of `study.yaml`, for editors: completion, hover help and red lines while one writes.

`python -m socsci210.study_schema > loaders/study.schema.json` renews the committed file; a test compares the two.
"""

from __future__ import annotations

import ast
import inspect
import json
from types import ModuleType
from typing import Any

from . import schema, study_declared, study_file, study_origin


def export_json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12), with the docstrings of classes and keys as descriptions."""
    exported = study_file.StudyFile.model_json_schema()
    help_texts = {**_docstrings(schema), **_docstrings(study_file), **_docstrings(study_origin), **_docstrings(study_declared)}
    for name, definition in (("StudyFile", exported), *exported["$defs"].items()):
        for key, described in definition.get("properties", {}).items():
            if text := help_texts.get((name, key)):
                described["description"] = text
    for key in ("field_start", "field_end"):  # YAML reads a bare year as a number, which the model accepts
        given = exported["$defs"]["Provenance"]["properties"][key]
        exported["$defs"]["Provenance"]["properties"][key] = {
            **{k: given.pop(k) for k in ("title", "description") if k in given},
            "anyOf": [given, {"type": "integer"}],
        }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **exported}


def schema_text() -> str:
    """The schema as the committed file holds it."""
    return json.dumps(export_json_schema(), indent=1, ensure_ascii=False) + "\n"


def _docstrings(module: ModuleType) -> dict[tuple[str, str], str]:
    """(class, attribute) -> the text that follows the attribute."""
    found = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef):
            for statement, following in zip(node.body, node.body[1:], strict=False):
                if isinstance(statement, ast.AnnAssign) and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                    found[node.name, ast.unparse(statement.target)] = inspect.cleandoc(str(following.value.value))
    return found


if __name__ == "__main__":
    print(schema_text(), end="")
