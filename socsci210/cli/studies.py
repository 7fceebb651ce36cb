"""The command that lists studies: study files that can be built, and the 210 studies of the release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .app import STUDIES, AsJson, StudiesDir, app
from .shown import dump, show

_FILES = {"id": "study", "simulated": "simulated", "broken": "broken"}
_RELEASE = {"id": "study", "split": "split", "listed": "year", "rows": "rows", "W_socrates": "W", "n_defects": "defects", "title": "title"}
_HIDDEN = ("id", "kind", "defects", "listed", "n_defects", "simulated", "broken")


@app.command(rich_help_panel=STUDIES)
def studies(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[STUDY...]", help="Studies of the release to show in full.")] = None,
    split: Annotated[str | None, typer.Option(help="Release: seen or unseen.")] = None,
    topic: Annotated[str | None, typer.Option(help="Release: one broad topic.")] = None,
    search: Annotated[str | None, typer.Option(help="Release: words in title, authors, topic, notes or defects.")] = None,
    defect: Annotated[str | None, typer.Option(help="Release: studies with this defect, or `any`, or `none`.")] = None,
    sort: Annotated[str, typer.Option(help="Release: field to sort by, such as rows, year or W_socrates.")] = "study_id",
    descending: Annotated[bool, typer.Option("--descending", help="Release: largest first.")] = False,
    files_in: StudiesDir = None,
    as_json: AsJson = False,
) -> None:
    """List every study: study files that can be found, broken ones too, and the 210 studies of the release."""
    from ..catalogue import get, select

    if ids:
        _details([_entry(get(study)) for study in ids], as_json)
        return
    filters = {"split": split, "topic": topic, "text": search}
    known = {"any": True, "none": False}.get(defect, defect) if defect is not None else None
    release = [_entry(one) for one in select(**filters, defects=known, sort=sort, descending=descending)]
    narrowed = any(value is not None for value in (*filters.values(), defect))
    files = [] if narrowed else _study_files(files_in or [])
    if as_json:
        dump([*files, *release])
    else:
        if files:
            show(files, _FILES, title="Study files that can be built from their deposits")
        show(release, _RELEASE, title=_title(len(release)))
    if any(file["broken"] for file in files):
        raise typer.Exit(1)


def _study_files(folders: list[Path]) -> list[dict[str, Any]]:
    from ..registry import Registry

    return [
        {"id": e.id, "kind": "study_file", "simulated": e.simulated, "folder": str(e.folder), "broken": e.broken}
        for e in Registry(folders).entries()
    ]


def _entry(entry: Any) -> dict[str, Any]:
    """One study of the release as a flat record."""
    record = entry.model_dump(mode="json")
    seen_by_readers = {"listed": str(entry.year), "n_defects": len(entry.defects) or None}  # a year takes no thousands separator
    return {"id": record.pop("study_id"), "kind": "release", **record, **seen_by_readers, "simulated": False, "broken": None}


def _title(n: int) -> str:
    from ..catalogue import figures

    socrates = figures()["W_socrates"]
    return (
        f"{n} of the 210 studies of the release; W: {socrates.model}, convention `{socrates.convention}`, "
        f"as measured by {socrates.measured_by}"
    )


def _details(entries: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        dump(entries)
        return
    for entry in entries:
        told = {field: value for field, value in entry.items() if field not in _HIDDEN and value not in (None, [])}
        rows = [{"field": field, "value": _words(value)} for field, value in told.items()]
        rows += [{"field": f"defect {one['defect']} ({one['basis']})", "value": one["note"]} for one in entry["defects"]]
        show(rows, {"field": "field", "value": "value"}, title=entry["id"])


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
