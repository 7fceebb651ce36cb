"""The command that fetches deposits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SocSciError
from .app import STUDIES, AsJson, StudiesDir, app
from .shown import console, dump, show

if TYPE_CHECKING:
    from ..fetching import Fetched, Plan
    from ..fetching.run import Progress as At
    from ..fetching.run import Step

_LISTED = {"path": "file", "size": "bytes", "taken": "taken", "reason": "why"}
_FETCHED = {"file": "file", "size": "bytes", "reason": "why"}


@app.command(rich_help_panel=STUDIES)
def fetch(
    asked: Annotated[list[str], typer.Argument(metavar="STUDY|OSF_ID|DOI|URL...", help="What to fetch; several are fetched in turn.")],
    only_list: Annotated[bool, typer.Option("--list", help="Show what is there and what would be taken; write nothing.")] = False,
    deposits: Annotated[Path, typer.Option(help="Folder that holds one folder per deposit.")] = Path("deposits"),
    name: Annotated[str | None, typer.Option(help="Name of the deposit's folder (with one STUDY only).")] = None,
    also: Annotated[list[str] | None, typer.Option(help="Glob of further files to take; may be given more than once.")] = None,
    studies: StudiesDir = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the data and documents of a study from OSF, a Dataverse, TESS, GitHub or the web."""
    from ..fetching import Fetcher, FetchError, Settings
    from ..load import cache_folder
    from ..registry import Registry, check_id

    if name is not None and len(asked) > 1:
        raise FetchError("one name for several deposits", where="--name", fix="fetch them one by one")
    if name is not None:
        check_id(name)
    settings = Settings.from_environment(cache_folder() / "fetched")
    answers, failed = [], False
    with Fetcher(settings, Registry(studies or ()), lambda line: console.print(line, markup=False, highlight=False)) as fetcher:
        for one in asked:
            try:
                plan = fetcher.plan(one, also=also or ())
                if only_list:
                    answers.append(_listed(plan, as_json))
                    continue
                with _progress() as step:
                    done = fetcher.fetch(plan, deposits, name=name, step=step)
                answers.append(_fetched(done, as_json))
            except SocSciError as error:
                failed = True
                answers.append({"asked": one, "error": str(error)})
                console.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        dump(answers)
    if failed:
        raise typer.Exit(1)


def _listed(plan: Plan, as_json: bool) -> dict[str, Any]:
    listing = plan.listing
    rows = [{"path": _shown(one.entry.path), "size": one.entry.size, "taken": one.taken, "reason": one.reason} for one in plan.choices]
    if not as_json:
        show(rows, _LISTED, title=_shown(f"{listing.title} ({listing.id}); licence: {listing.licence or 'unknown'}"))
        _tell(listing.notes)
    entries = [
        {
            **asdict(one.entry),
            "licence": one.entry.licence or listing.licence,
            "taken": one.taken,
            "reason": one.reason,
        }
        for one in plan.choices
    ]
    about = {"kind": listing.kind, "id": listing.id, "url": listing.url, "title": listing.title, "licence": listing.licence}
    return {"asked": plan.target.asked, "source": about, "notes": list(listing.notes), "files": entries}


def _fetched(done: Fetched, as_json: bool) -> dict[str, Any]:
    deposit = done.deposit
    if not as_json:
        rows = [{"file": _shown(file.file), "size": file.size, "reason": file.reason} for file in deposit.files]
        show(rows, _FETCHED, title=_shown(f"{deposit.source.title}; licence: {deposit.source.licence or 'unknown'}"))
        _tell([f"left out: {one.path}: {one.reason}" for one in deposit.left_out])
        _tell(deposit.notes)
        console.print(f"{done.downloaded} downloaded, the rest was in the cache; where everything is from: deposit.json", highlight=False)
        print(done.folder)
    return {"folder": str(done.folder), "downloaded": done.downloaded, **deposit.model_dump(mode="json")}


def _tell(lines: Any) -> None:
    for line in lines:
        console.print(_shown(line), markup=False, highlight=False, soft_wrap=True)


def _shown(text: str) -> str:
    """A source's words without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


@contextmanager
def _progress() -> Iterator[Step]:
    """One line: how many files are done, and the bytes, speed and time left of the one that is coming in."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.table import Column

    name = TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
    columns = (BarColumn(20), TextColumn("{task.fields[count]}"), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), name)
    with Progress(*columns, console=console, transient=True, expand=True) as bar:
        task = bar.add_task("", total=None, count="")
        before = (-1, 0)  # the file, and whether bytes of it came

        def step(at: At) -> None:
            nonlocal before
            if before != (now := (at.done, int(at.received > 0))):  # bytes that were there already say nothing about the speed
                before = now
                bar.reset(task, total=at.size, completed=at.received, description=_shown(at.path), count=f"{at.done + 1}/{at.files}")
            else:
                bar.update(task, total=at.size, completed=at.received)

        yield step
