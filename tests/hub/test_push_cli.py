"""The commands, with small packages in the place of what the kinds prepare."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from socsci210.cli import app
from socsci210.errors import HubError
from socsci210.hub import Package
from socsci210.local_hub import LocalHub

from .pushing import REPO, connected, contents, held, package

PREPARED = {
    "dataset": "socsci210.hub.dataset.prepare_dataset",
    "model": "socsci210.hub.model.prepare_model",
    "metric": "socsci210.hub.metric.prepare_metric",
    "space": "socsci210.hub.space.prepare_space",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with connected(monkeypatch) as (hub, _):
        yield hub


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What the kinds were asked to prepare; they make version `version`."""
    asked: dict[str, Any] = {"version": 1}

    def of(kind: Any) -> Any:
        def prepare(path: Path | None, repo: str, work: Path, **options: Any) -> Package:
            asked.update(path=path, repo=repo, work=work, options=options)
            assert list(work.iterdir()) == [] and work.stat().st_mode & 0o077 == 0
            return package(tmp_path / f"{kind}-{asked['version']}", kind=kind, version=asked["version"], text=f"Text {asked['version']}.")

        return prepare

    for kind, name in PREPARED.items():
        monkeypatch.setattr(name, of(kind))
    return asked


def command(*words: str, fails: type[BaseException] | None = None) -> Any:
    done = CliRunner().invoke(app, ["push", *words])
    if fails is None:
        assert done.exit_code == 0, (done.output, done.exception)
    else:
        assert isinstance(done.exception, fails), done.output
    return done


def test_dry_run_and_push(hub: LocalHub, prepared: dict[str, Any], tmp_path: Path) -> None:
    folder = str(tmp_path / "folder")
    shown = command("dataset", folder, REPO, "--dry-run", "--private", "--coarsen", "--accept-risk", "few", "--studies", folder)
    assert "org/thing, branch main, private, to be made" in shown.stdout and "data/all/same.parquet" in shown.stdout
    assert "5 to add, 0 to replace, 0 to delete, 0 to keep" in shown.stdout and "## Out-of-scope use" in shown.stdout
    assert not hub.repositories
    assert prepared["path"] == Path(folder) and prepared["repo"] == REPO and not prepared["work"].exists()
    assert prepared["options"] == {"private": True, "coarsen": True, "accept_risk": "few", "studies": [Path(folder)]}
    pushed = command("dataset", folder, REPO, "--tag", "v1")
    assert pushed.stdout.strip() == f"{hub.url}/datasets/{REPO}/commit/{hub.repositories['dataset', REPO].head.id}"
    assert f"{hub.url}/datasets/{REPO} is public" in pushed.stderr and "tag v1" in pushed.stderr

    prepared["version"] = 2
    shown = command("dataset", folder, REPO, "--dry-run")
    assert "2 to add" not in shown.stdout and "1 to add, 3 to replace, 1 to delete, 1 to keep" in shown.stdout
    assert "+Text 2. Of Loading." in shown.stdout and "-Text 1. Of Loading." in shown.stdout
    told = json.loads(command("dataset", folder, REPO, "--dry-run", "--json", "--tag", "v2").stdout)
    assert {row["path"] for row in told["changes"] if row["what"] == "delete"} == {"only-1.txt"} and told["tag"] == "v2"
    done = json.loads(command("dataset", folder, REPO, "--json", "--revision", "next").stdout)
    assert done["deleted"] == ["only-1.txt"] and done["kind"] == "dataset" and done["bytes_sent"] > 0
    assert set(held(hub, revision="next")) == {"dataset.json", "only-2.txt", "data/all/same.parquet", "data/all/changing.parquet"}


def test_a_dataset_for_a_private_repository_is_prepared_as_one(hub: LocalHub, prepared: dict[str, Any], tmp_path: Path) -> None:
    command("dataset", str(tmp_path), REPO, "--private")
    command("dataset", str(tmp_path), REPO)
    assert prepared["options"]["private"] is True and hub.repositories["dataset", REPO].private
    hub.create("dataset", "org/open")
    command("dataset", str(tmp_path), "org/open")
    assert prepared["options"]["private"] is False
    prepared["version"] = 2

    def open_up() -> None:
        hub.repositories["dataset", REPO].private = False

    hub.fail("/upload/", method="PUT", meanwhile=open_up)
    command("dataset", str(tmp_path), REPO, fails=HubError)
    assert "only-1.txt" in held(hub)


def test_the_folder_of_the_metric_may_be_left_out(hub: LocalHub, prepared: dict[str, Any], tmp_path: Path) -> None:
    command("metric", REPO)
    assert prepared["path"] is None and held(hub, kind="space")
    command("metric", str(tmp_path), "org/other")
    assert prepared["path"] == tmp_path
    assert command("metric", "a", "b", "c/d", fails=SystemExit).exit_code == 2


def test_an_app_names_its_model(hub: LocalHub, prepared: dict[str, Any]) -> None:
    command("space", "org/model", REPO)
    assert prepared["path"] == "org/model" and held(hub, kind="space")


def test_models(hub: LocalHub, prepared: dict[str, Any], tmp_path: Path) -> None:
    command("model", str(tmp_path), REPO, "--merge", "--results", "a.json", "--results", "b.json", "--licence", "mit")
    expected = {"merge": True, "results": [Path("a.json"), Path("b.json")], "licence": "mit", "dataset": None}
    assert prepared["options"] == expected and ("model", REPO) in hub.repositories


def test_refusals_come_before_the_work(hub: LocalHub, prepared: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command("dataset", str(tmp_path), "no-namespace", fails=HubError)
    command("dataset", str(tmp_path), REPO, "--tag", "v 1", fails=HubError)
    monkeypatch.delenv("HF_TOKEN")
    command("dataset", str(tmp_path), REPO, fails=HubError)
    assert "work" not in prepared and not hub.requests


def test_what_a_killed_push_left_is_removed(
    hub: LocalHub, prepared: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    left = tmp_path / "temporary" / "socsci210-publish-999999999"
    left.mkdir(parents=True)
    command("dataset", str(tmp_path), REPO)
    assert list((tmp_path / "temporary").iterdir()) == [] and contents(package(tmp_path / "again")) == held(hub)
