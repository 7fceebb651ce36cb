"""Pushes that go through, and pushes that are refused before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from socsci210.errors import HubError, SocSciError
from socsci210.hub import plan, push
from socsci210.local_hub import LocalHub

from .pushing import REPO, card, connected, contents, held, package


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with connected(monkeypatch) as (hub, _):
        yield hub


def writes(hub: LocalHub) -> list[tuple[str, str]]:
    """What was asked of the Hub that changes it."""
    harmless = ("/api/validate-yaml", "/preupload/")
    return [
        (method, path) for method, path in hub.requests if method != "GET" and method != "HEAD" and not any(h in path for h in harmless)
    ]


def test_first_push_second_push_and_nothing_to_push(hub: LocalHub, tmp_path: Path) -> None:
    said: list[str] = []
    one = package(tmp_path / "1", check_back=lambda repo, commit: "fingerprint 1")
    first = push(one, REPO, tag="v1", say=said.append)
    repository = hub.repositories["dataset", REPO]
    assert held(hub) == contents(one) and held(hub, revision="v1") == contents(one)
    assert set(first.added) == set(one.files) and not first.deleted and not first.unchanged
    assert first.checked and first.commit == repository.head.id and first.url == f"{hub.url}/datasets/{REPO}/commit/{first.commit}"
    assert len(repository.commits) == 2 and repository.head.title == "Version 1"  # the Hub's own first commit, and this
    assert any("public" in line for line in said) and any("fingerprint 1, as here" in line for line in said)
    assert first.bytes_sent == sum(len(content) for content in hub.files("dataset", REPO).values())

    two = package(tmp_path / "2", version=2)
    second = push(two, REPO, say=said.append)
    assert held(hub) == contents(two) and held(hub, revision="v1") == contents(one)
    assert set(second.added) == {"dataset.json", "only-2.txt", "data/all/changing.parquet"}
    assert second.deleted == ("only-1.txt",) and set(second.unchanged) == {"README.md", "data/all/same.parquet"}
    assert not second.checked and repository.head.parent == first.commit
    assert ".gitattributes" in repository.head.files

    commits = len(repository.commits)
    again = push(two, REPO, tag="v2", say=said.append)
    assert again.commit == second.commit and not again.added and again.bytes_sent == 0 and len(repository.commits) == commits
    assert repository.tags == {"v1": first.commit, "v2": second.commit}
    assert push(two, REPO, tag="v2", say=said.append).commit == second.commit


def test_large_files_that_the_hub_has_are_not_sent_again(hub: LocalHub, tmp_path: Path) -> None:
    one, two = package(tmp_path / "1"), package(tmp_path / "2", version=2)
    push(one, REPO, say=print)
    push(two, REPO, say=print)
    before = hub.received.total()
    back = push(one, REPO, say=print)
    assert hub.received.total() == before and "data/all/changing.parquet" in back.added
    assert back.bytes_sent == sum(one.files[name].stat().st_size for name in ("dataset.json", "only-1.txt"))


def test_dry_run_reads_and_writes_nothing(hub: LocalHub, tmp_path: Path) -> None:
    one, two = package(tmp_path / "1"), package(tmp_path / "2", version=2, text="Other words.")
    fresh = plan(one, REPO, private=True, say=print)
    assert not fresh.exists and fresh.private and not writes(hub) and not hub.repositories
    push(one, REPO, say=print)
    asked = len(writes(hub))
    later = plan(two, REPO, say=print)
    assert len(writes(hub)) == asked
    what = {row["path"]: row["what"] for row in later.table()}
    assert what == {
        "only-1.txt": "delete", "README.md": "replace", "dataset.json": "replace", "data/all/changing.parquet": "replace",
        "only-2.txt": "add", "data/all/same.parquet": "keep",
    }  # fmt: skip
    assert later.table()[0]["what"] == "delete"
    assert "+Other words. Of Loading." in later.card_changes and "-Words. Of Loading." in later.card_changes
    told = later.to_json()
    assert told["head"] == hub.repositories["dataset", REPO].head.id and len(told["changes"]) == 6 and told["card"] == later.card


def test_what_people_wrote_in_the_card_stays(hub: LocalHub, tmp_path: Path) -> None:
    push(package(tmp_path / "1"), REPO, say=print)
    edited = hub.files("dataset", REPO)
    page = edited["README.md"].decode().replace("## Citation", "Please write to us before use.\n\n## Citation")
    hub.commit("dataset", REPO, {**edited, "README.md": page.encode()})
    said: list[str] = []
    push(package(tmp_path / "2", version=2, text="Newer words."), REPO, say=said.append)
    final = hub.files("dataset", REPO)["README.md"].decode()
    assert "Please write to us before use." in final and "Newer words. Of Citation." in final and "\nWords. Of" not in final
    assert any("Please write to us" in line for line in said)


def test_a_branch_is_made_from_main_and_main_is_left_alone(hub: LocalHub, tmp_path: Path) -> None:
    one, two = package(tmp_path / "1"), package(tmp_path / "2", version=2)
    push(one, REPO, say=print)
    result = push(two, REPO, revision="next", say=print)
    assert held(hub) == contents(one) and held(hub, revision="next") == contents(two)
    assert result.deleted == ("only-1.txt",) and "data/all/same.parquet" in result.unchanged
    push(one, REPO, revision="next", say=print)
    assert held(hub, revision="next") == contents(one)


@pytest.mark.parametrize("kind", ["model", "metric", "space"])
def test_every_kind_has_its_place(hub: LocalHub, tmp_path: Path, kind: str) -> None:
    made = package(tmp_path / kind, kind=kind)  # type: ignore[arg-type]
    push(made, REPO, say=print)
    assert held(hub, kind="model" if kind == "model" else "space") == contents(made)


def test_an_app_does_not_replace_a_metric(hub: LocalHub, tmp_path: Path) -> None:
    metric = package(tmp_path / "metric", kind="metric")
    page = card("metric", tags=["evaluate", "metric"])
    metric.files["README.md"].write_text(page)
    push(replace(metric, card=page), REPO, say=print)
    app = package(tmp_path / "app", kind="space", version=2)
    with pytest.raises(HubError, match="it holds a metric, and this is a space"):
        push(app, REPO, say=print)


# --- who sees it ---------------------------------------------------------------------------------------------------------------------


def test_private_stays_private_and_public_is_refused(hub: LocalHub, tmp_path: Path) -> None:
    made, said = package(tmp_path / "1"), []  # type: ignore[var-annotated]
    push(made, REPO, private=True, say=print)
    assert hub.repositories["dataset", REPO].private
    push(package(tmp_path / "2", version=2), REPO, say=said.append)
    assert hub.repositories["dataset", REPO].private and any(line.endswith("is private") for line in said)
    hub.create("dataset", "org/open")
    with pytest.raises(HubError, match="the repository is public") as refused:
        push(made, "org/open", private=True, say=print)
    assert "/settings" in refused.value.fix and held(hub, "org/open") == {}


def test_a_public_repository_that_appears_meanwhile_gets_nothing_private(hub: LocalHub, tmp_path: Path) -> None:
    hub.fail("/api/repos/create", meanwhile=lambda: hub.create("dataset", REPO, author="else"))
    with pytest.raises(HubError, match="the repository is public"):
        push(package(tmp_path / "1"), REPO, private=True, say=print)
    assert held(hub) == {} and not hub.repositories["dataset", REPO].objects


def test_a_repository_that_becomes_public_during_the_upload_gets_no_private_commit(hub: LocalHub, tmp_path: Path) -> None:
    def open_up() -> None:
        hub.repositories["dataset", REPO].private = False

    hub.fail("/upload/", method="PUT", meanwhile=open_up)
    with pytest.raises(HubError, match="the repository is public"):
        push(package(tmp_path / "1"), REPO, private=True, say=print)
    assert held(hub) == {}


# --- refusals ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "repo", ["thing", "a/b/c", "org/th ing", "org/-thing", "org/a--b", "org/a..b", "org/x.git", "", "org/", "https://hf.co/org/a"]
)
def test_malformed_repository_ids(hub: LocalHub, tmp_path: Path, repo: str) -> None:
    with pytest.raises(HubError) as refused:
        push(package(tmp_path / "1"), repo, say=print)
    assert "namespace/name" in refused.value.expected and refused.value.fix and not hub.requests


@pytest.mark.parametrize("options", [{"revision": "0" * 40}, {"revision": "a..b"}, {"tag": "v 1"}, {"tag": "-v"}, {"tag": "x.lock"}])
def test_malformed_branches_and_tags(hub: LocalHub, tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(HubError, match="is no name for that"):
        push(package(tmp_path / "1"), REPO, say=print, **options)  # type: ignore[arg-type]
    assert not hub.requests


def test_no_token_no_rights(hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = package(tmp_path / "1")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match="no token was found") as refused:
        push(made, REPO, say=print)
    assert "hf auth login" in refused.value.fix and not hub.requests
    reader = hub.add_user("reader", {"org": "read"})
    with pytest.raises(HubError, match="reader may not create repositories in org") as refused:
        push(made, REPO, token=reader.token, say=print)
    assert "reader" in refused.value.expected
    only_reads = hub.add_user("owner", {"org": "write"}, read_only=True)
    with pytest.raises(HubError, match="the token only reads"):
        push(made, REPO, token=only_reads.token, say=print)
    hub.create("dataset", REPO)
    with pytest.raises(HubError, match="reader may not write there"):
        push(made, REPO, token=reader.token, say=print)
    hub.create("dataset", "org/hidden", private=True)
    with pytest.raises(HubError, match="may not"):
        push(made, "org/hidden", token=hub.add_user("stranger").token, say=print)
    reader.revoked = True
    with pytest.raises(HubError, match="does not accept the token"):
        push(made, REPO, token=reader.token, say=print)
    assert not writes(hub)


def test_a_token_revoked_during_the_push_leaves_the_old_commit(hub: LocalHub, tmp_path: Path) -> None:
    one = package(tmp_path / "1")
    push(one, REPO, say=print)
    user = hub.add_user("helper", {"org": "write"})

    def revoke() -> None:
        user.revoked = True

    hub.fail("/commit/", meanwhile=revoke)
    with pytest.raises(HubError, match="does not accept the token"):
        push(package(tmp_path / "2", version=2), REPO, token=user.token, say=print)
    assert held(hub) == contents(one)


def test_offline_is_told(hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE forbids") as refused:
        push(package(tmp_path / "1"), REPO, say=print)
    assert refused.value.fix == "unset HF_HUB_OFFLINE" and not hub.requests


def test_incomplete_cards_are_refused(hub: LocalHub, tmp_path: Path) -> None:
    made = package(tmp_path / "1")
    lacking = made.card.replace("## Out-of-scope use", "## Other use")
    with pytest.raises(SocSciError, match="Out-of-scope use"):
        push(replace(made, card=lacking), REPO, say=print)
    with pytest.raises(HubError, match=r"no README\.md"):
        push(replace(made, files={"dataset.json": made.files["dataset.json"]}), REPO, say=print)
    assert not hub.requests


def test_a_tag_never_moves(hub: LocalHub, tmp_path: Path) -> None:
    one, two = package(tmp_path / "1"), package(tmp_path / "2", version=2)
    push(one, REPO, tag="v1", say=print)
    asked = len(writes(hub))
    with pytest.raises(HubError, match="tag 'v1' stands on another commit") as refused:
        push(two, REPO, tag="v1", say=print)
    assert refused.value.fix == "choose another --tag" and len(writes(hub)) == asked and held(hub) == contents(one)
    with pytest.raises(HubError, match="'v1' is a tag"):
        push(two, REPO, revision="v1", say=print)


def test_files_that_others_put_there_are_not_lost(hub: LocalHub, tmp_path: Path) -> None:
    hub.commit("dataset", REPO, {"README.md": b"# Somebody's own\n", "important.csv": b"a,b\n"})
    with pytest.raises(HubError, match=r"1 would be lost \(important\.csv\)"):
        push(package(tmp_path / "1"), REPO, say=print)
    assert set(hub.files("dataset", REPO)) == {"README.md", "important.csv"}
    hub.commit("dataset", "org/page", {"README.md": b"# Begun by hand\n\nWhy we do this.\n"})
    push(package(tmp_path / "1"), "org/page", say=print)
    assert "Why we do this." in hub.files("dataset", "org/page")["README.md"].decode()


def test_what_loads_back_otherwise_is_told(hub: LocalHub, tmp_path: Path) -> None:
    def fails(repo: str, commit: str) -> str:
        raise ValueError("no such split")

    with pytest.raises(HubError, match="fingerprint of something else") as told:
        push(package(tmp_path / "1", check_back=lambda repo, commit: "of something else"), REPO, say=print)
    assert "fingerprint 1" in told.value.expected
    with pytest.raises(HubError, match=r"does not load back \(ValueError: no such split\)"):
        push(package(tmp_path / "1", check_back=fails), REPO, say=print)
