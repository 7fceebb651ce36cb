"""Commands that publish: push dataset, model, metric, space."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .app import PUBLISHING, AsJson, StudiesDir, app
from .shown import console, dump, show

if TYPE_CHECKING:
    from ..hub import Package, Plan, PushResult
    from ..hub.package import Kind

push = typer.Typer(help="Publish a dataset, a model, the metric or the app on the Hub, in one commit.", no_args_is_help=True)
app.add_typer(push, name="push", rich_help_panel=PUBLISHING)

Repo = Annotated[str, typer.Argument(metavar="REPO_ID", help="namespace/name on the Hub; made where it is not there.")]
Where = Annotated[list[str], typer.Argument(metavar="[PATH] REPO_ID", help="Before the id a folder, where it is not the installed one.")]
Private = Annotated[bool, typer.Option("--private", help="For its own people only. A private repository stays private without it.")]
Revision = Annotated[str | None, typer.Option(metavar="BRANCH", help="Branch to push to (default: main).")]
Tag = Annotated[str | None, typer.Option(help="Name for this version, by which it can be loaded for ever.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent and deleted, and the card.")]
Prepare = Callable[[Path, bool], "Package"]
_COLUMNS = {"path": "file", "bytes": "bytes", "what": "what happens"}
_WORK = "socsci210-publish-"


@push.command()
def dataset(
    path: Annotated[Path, typer.Argument(help="Dataset folder.")],
    repo: Repo,
    coarsen: Annotated[bool, typer.Option("--coarsen", help="Publish age bands, regions for states and top codes.")] = False,
    accept_risk: Annotated[
        str | None, typer.Option(metavar="WHY", help="Why more people than the bar may stand alone; the card prints it.")
    ] = None,
    studies: StudiesDir = None,
    private: Private = False,
    revision: Revision = None,
    tag: Tag = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Publish a dataset: the studies that may be redistributed, and of the others what it takes to rebuild them."""

    def prepare(work: Path, private: bool) -> Package:
        from ..hub.dataset import prepare_dataset

        return prepare_dataset(path, repo, work, private=private, coarsen=coarsen, accept_risk=accept_risk, studies=studies or ())

    _run("dataset", prepare, repo, private, revision, tag, dry_run, as_json)


@push.command()
def model(
    path: Annotated[Path, typer.Argument(help="Model folder that `socsci210 train` wrote.")],
    repo: Repo,
    merge: Annotated[bool, typer.Option("--merge", help="Add an adapter to the weights of its model, and publish the whole.")] = False,
    results: Annotated[list[Path] | None, typer.Option(help="results.json of this model; may be given more than once.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weights, as the Hub calls it, for example apache-2.0.")] = None,
    dataset_repo: Annotated[str | None, typer.Option(metavar="REPO_ID", help="The dataset that it was trained on.")] = None,
    private: Private = False,
    revision: Revision = None,
    tag: Tag = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Publish a model or an adapter, with its training record and its scores in the card."""

    def prepare(work: Path, private: bool) -> Package:
        from ..hub.model import prepare_model

        return prepare_model(path, repo, work, merge=merge, results=results or (), licence=licence, dataset=dataset_repo)

    _run("model", prepare, repo, private, revision, tag, dry_run, as_json)


@push.command()
def metric(
    where: Where, private: Private = False, revision: Revision = None, tag: Tag = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Publish the metric, so that evaluate.load(REPO_ID) works where nothing of ours is installed."""
    path, repo = _path_and_repo(where)

    def prepare(work: Path, private: bool) -> Package:
        from ..hub.metric import prepare_metric

        return prepare_metric(path, repo, work)

    _run("metric", prepare, repo, private, revision, tag, dry_run, as_json)


@push.command()
def space(
    model: Annotated[str, typer.Argument(help="The model that the app asks: a folder, published with it, or an id on the Hub.")],
    repo: Repo,
    private: Private = False,
    revision: Revision = None,
    tag: Tag = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Publish the app with which people who do not program ask a model."""

    def prepare(work: Path, private: bool) -> Package:
        from ..hub.space import prepare_space

        return prepare_space(model, repo, work)

    _run("space", prepare, repo, private, revision, tag, dry_run, as_json)


def _path_and_repo(where: list[str]) -> tuple[Path | None, str]:
    if len(where) > 2:
        raise typer.BadParameter(f"{len(where)} words, where a folder and an id were expected", param_hint="[PATH] REPO_ID")
    return (Path(where[0]) if len(where) == 2 else None), where[-1]


def _run(
    kind: Kind, prepare: Prepare, repo: str, private: bool, revision: str | None, tag: str | None, dry_run: bool, as_json: bool
) -> None:
    from ..hub import is_private, plan
    from ..hub import push as publish
    from ..hub.client import check_token, checked_id
    from ..hub.guard import found_token
    from ..hub.plan import check_names

    check_token(found_token(), checked_id(repo))  # told before the work, not after it
    check_names(revision, tag)
    private = private or is_private(kind, repo, say=_say)  # what is private stays so, and is looked at again before the commit
    options: dict[str, Any] = {"private": private, "revision": revision, "tag": tag, "say": _say}
    with _work() as work:
        package = prepare(work, private)
        if dry_run:
            _show_plan(plan(package, repo, **options), as_json)
        else:
            _show_result(publish(package, repo, **options), as_json)


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _work() -> Iterator[Path]:
    """A folder for what is made for a push, that is gone afterwards; what a push that was killed left is removed first."""
    import os
    import shutil

    from ..leftovers import sweep
    from ..workshop import orderly_end

    there = Path(gettempdir())
    sweep(there, _WORK)
    folder = there / f"{_WORK}{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        with orderly_end():
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _show_plan(plan: Plan, as_json: bool) -> None:
    if as_json:
        dump(plan.to_json())
        return
    size = sum(change.size for change in plan.changes if change.what in ("add", "replace"))
    for note in plan.notes:
        _say(note)
    seen = "private" if plan.private else "public"
    place = f"{plan.repo}, branch {plan.branch}, {seen}{'' if plan.exists else ', to be made'}"
    show(plan.table(), _COLUMNS, title=place)
    counts = [f"{len(plan.paths(what))} to {what}" for what in ("add", "replace", "delete", "keep")]
    print(f"{', '.join(counts)}; {size:,} bytes to send at most{f'; tag {plan.tag}' if plan.tag else ''}")
    if plan.card_before is None:
        print(plan.card)
    else:
        print(plan.card_changes or "the card stays as it is")


def _show_result(result: PushResult, as_json: bool) -> None:
    if as_json:
        dump(asdict(result))
        return
    print(result.url)
