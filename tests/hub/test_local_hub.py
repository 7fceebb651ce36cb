"""The Hub on this machine as the real Hub client sees it: repositories, commits, listings, downloads, users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from socsci210.local_hub import LocalHub

from . import run

KINDS = ("model", "dataset", "space")
BEFORE = """
import os
from pathlib import Path
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, HfFileSystem, hf_hub_download, snapshot_download
from huggingface_hub.errors import HfHubHTTPError
api = HfApi()

def refused(call, *args, **options):
    try:
        call(*args, **options)
    except Exception as error:
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
        return [type(error).__name__, status]
    return None
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    with LocalHub() as server:
        yield server


@pytest.fixture(autouse=True)
def healthy(hub: LocalHub) -> Iterator[None]:
    yield
    hub.heal()


# --- repositories, commits, references -----------------------------------------------------------------------------------------------

LIFE = """
folder = Path("folder")
(folder / "data" / "train").mkdir(parents=True)
(folder / "data" / "train" / "a.parquet").write_bytes(b"PAR1" + bytes(range(256)) * 40)
(folder / "README.md").write_text("---\\nlicense: mit\\n---\\nOne.\\n")
(folder / "empty.bin").write_bytes(b"")
seen = {}
for kind in ("model", "dataset", "space"):
    of = {"repo_type": kind}
    sdk = {"space_sdk": "gradio"} if kind == "space" else {}
    api.create_repo("org/life", private=True, **of, **sdk)
    again = refused(api.create_repo, "org/life", **of, **sdk)
    api.create_repo("org/life", exist_ok=True, **of, **sdk)
    first = api.upload_folder(repo_id="org/life", folder_path=folder, **of).oid
    same = api.upload_folder(repo_id="org/life", folder_path=folder, **of).oid
    api.create_tag("org/life", tag="v1", **of)
    api.create_branch("org/life", branch="dev/two", revision="v1", **of)
    operations = [CommitOperationAdd("b.txt", b"two"), CommitOperationDelete("data/")]
    second = api.create_commit("org/life", operations, commit_message="Two", commit_description="why", parent_commit=first, **of).oid
    late = refused(api.create_commit, "org/life", [CommitOperationAdd("b.txt", b"late")], commit_message="Late", parent_commit=first, **of)
    gone = refused(api.create_commit, "org/life", [CommitOperationDelete("no.txt")], commit_message="Gone", **of)
    bad_card = refused(api.create_commit, "org/life", [CommitOperationAdd("README.md", b"---\\na: [\\n---\\n")], commit_message="Bad", **of)
    on_branch = api.create_commit("org/life", [CommitOperationAdd("c.txt", b"c")], commit_message="B", revision="dev/two", **of).oid
    tag_twice = refused(api.create_tag, "org/life", tag="v1", revision=second, **of)
    refs = api.list_repo_refs("org/life", **of)
    info = api.repo_info("org/life", files_metadata=True, **of)
    listed = [api.list_repo_commits("org/life", revision=name, **of) for name in (None, "v1")]
    commits, old = ([[one.commit_id, one.title, one.message] for one in history] for history in listed)
    fs = HfFileSystem()
    root = f"{kind}s/org/life" if kind != "model" else "org/life"
    seen[kind] = {
        "again": again, "late": late, "gone": gone, "bad_card": bad_card, "tag_twice": tag_twice, "oids": [first, same, second, on_branch],
        "tags": {ref.name: ref.target_commit for ref in refs.tags}, "branches": {ref.name: ref.target_commit for ref in refs.branches},
        "head": [info.sha, info.private, sorted(one.rfilename for one in info.siblings)], "card": info.card_data.to_dict(),
        "commits": commits, "old": old, "absent": [api.file_exists("org/life", "data", **of), api.revision_exists("org/life", "v9", **of)],
        "tree": [entry.path for entry in api.list_repo_tree("org/life", revision="v1", recursive=True, **of)],
        "below": [(e.path, e.size, e.lfs.sha256) for e in api.list_repo_tree("org/life", "data/train", revision="v1", **of)],
        "expanded": {entry.path: entry.last_commit.title for entry in api.list_repo_tree("org/life", expand=True, **of)},
        "paths": [entry.path for entry in api.get_paths_info("org/life", ["data", "README.md", "no"], revision="v1", **of)],
        "snapshot": {str(path.relative_to(folder)): path.read_bytes().hex() for path in folder.rglob("*") if path.is_file()}
            == {str(path.relative_to(got)): path.read_bytes().hex() for got in [Path(snapshot_download("org/life", revision="v1", **of))]
                for path in got.rglob("*") if path.is_file() and path.name != ".gitattributes"},
        "fs": [fs.cat_file(f"{root}/b.txt").decode(), fs.glob(f"{root}@v1/data/**/*.parquet"),
               fs.open(f"{root}@v1/data/train/a.parquet", block_size=100).read(4).decode()],
    }
    api.delete_branch("org/life", branch="dev/two", **of)
    api.delete_tag("org/life", tag="v1", **of)
    api.update_repo_settings("org/life", private=False, **of)
    seen[kind]["after"] = [len(api.list_repo_refs("org/life", **of).branches), api.repo_info("org/life", token=False, **of).private]
    api.delete_repo("org/life", **of)
    seen[kind]["deleted"] = refused(api.repo_info, "org/life", **of)
answer(seen)
"""


def test_the_life_of_a_repository_of_each_kind(hub: LocalHub, tmp_path: Path) -> None:
    found = run(hub, BEFORE + LIFE, tmp_path)
    assert set(found) == set(KINDS)
    content = (tmp_path / "folder" / "data" / "train" / "a.parquet").read_bytes()
    for kind, seen in found.items():
        first, same, second, on_branch = seen["oids"]
        assert first == same and len({first, second, on_branch}) == 3  # nothing changed: no commit
        assert seen["again"] == ["HfHubHTTPError", 409]
        assert seen["late"] == ["HfHubHTTPError", 412]
        assert seen["gone"] == ["RemoteEntryNotFoundError", 404]
        assert seen["bad_card"] == ["ValueError", None]  # by the Hub's check of the front matter
        assert seen["tag_twice"] == ["HfHubHTTPError", 409]
        assert seen["tags"] == {"v1": first}
        assert seen["branches"] == {"main": second, "dev/two": on_branch}
        assert seen["head"] == [second, True, [".gitattributes", "README.md", "b.txt", "empty.bin"]]
        assert seen["card"] == {"license": "mit"}
        assert [line[1:] for line in seen["commits"][:2]] == [["Two", "why"], ["Upload folder using huggingface_hub", ""]]
        assert seen["old"] == seen["commits"][1:] and len(seen["old"]) == 2
        assert seen["absent"] == [False, False]
        assert seen["tree"] == [".gitattributes", "README.md", "data", "data/train", "data/train/a.parquet", "empty.bin"]
        (sha256,) = hub_shas(hub)
        assert seen["below"] == [["data/train/a.parquet", len(content), sha256]]
        assert seen["expanded"]["b.txt"] == "Two" and seen["expanded"]["empty.bin"] == "Upload folder using huggingface_hub"
        assert seen["paths"] == ["data", "README.md"]
        assert seen["snapshot"] is True
        assert seen["fs"][0] == "two" and seen["fs"][1][0].endswith("data/train/a.parquet") and seen["fs"][2] == "PAR1"
        assert seen["after"] == [1, False]
        assert seen["deleted"] == ["RepositoryNotFoundError", 404]
        assert (kind, "org/life") not in hub.repositories


def hub_shas(hub: LocalHub) -> set[str]:
    """Of all large files that the hub received. Each of the three repositories was sent its own copy."""
    return set(hub.received)


PAGES = """
files = [CommitOperationAdd(f"data/{number:03}.txt", b"x") for number in range(25)]
api.create_repo("org/pages", repo_type="dataset")
for number in range(3):
    api.create_commit("org/pages", [CommitOperationAdd("n.txt", str(number).encode())], commit_message=f"c{number}", repo_type="dataset")
api.create_commit("org/pages", files, commit_message="many", repo_type="dataset")
answer([
    len(list(api.list_repo_tree("org/pages", repo_type="dataset", recursive=True))),
    len(api.list_repo_commits("org/pages", repo_type="dataset")),
    len(HfFileSystem().glob("datasets/org/pages/data/*.txt")),
])
"""


def test_listings_come_in_pages(hub: LocalHub, tmp_path: Path) -> None:
    hub.page, before = 4, len(hub.requests)
    try:
        assert run(hub, BEFORE + PAGES, tmp_path) == [28, 5, 25]  # with the folder, n.txt and .gitattributes
    finally:
        hub.page = 1000
    paths = [path for _, path in hub.requests[before:]]
    assert paths.count("/api/datasets/org/pages/tree/main") >= 7
    assert paths.count("/api/datasets/org/pages/commits/main") == 2


def test_a_large_file_is_sent_once(hub: LocalHub, tmp_path: Path) -> None:
    code = """
api.create_repo("org/once", repo_type="dataset")
for name in ("a.parquet", "b.parquet"):
    api.create_commit("org/once", [CommitOperationAdd(name, b"PAR1" * 1000)], commit_message=name, repo_type="dataset")
answer(None)
"""
    before = hub.received.total()
    run(hub, BEFORE + code, tmp_path)
    assert hub.received.total() - before == 4000
    assert sorted(hub.files("dataset", "org/once")) == ["a.parquet", "b.parquet"]
    assert hub.repositories["dataset", "org/once"].head.files["b.parquet"].large


# --- who may -------------------------------------------------------------------------------------------------------------------------

WHO = """
def may(token):
    of = {"repo_type": "dataset", "token": token or False}
    def load(name):
        return refused(hf_hub_download, f"org/{name}", "a.txt", cache_dir=os.urandom(4).hex(), **of)
    def write(name):
        return refused(api.create_commit, f"org/{name}", [CommitOperationAdd("w.txt", os.urandom(9))], commit_message="w", **of)
    return {
        "load": [load(name) for name in ("public", "private", "gated")],
        "info": [refused(api.repo_info, f"org/{name}", **of) for name in ("public", "private", "gated")],
        "write": [write(name) for name in ("public", "private")],
        "create": refused(api.create_repo, f"org/new-{os.urandom(4).hex()}", **of),
        "check": refused(api.auth_check, "org/public", write=True, **of),
        "whoami": refused(api.whoami, token=token) if token else None,
    }
answer({name: may(token) for name, token in GIVEN.items()})
"""
MISSING, STRANGER = ["RepositoryNotFoundError", 404], ["RepositoryNotFoundError", 401]
FORBIDDEN, GATED, INVALID = ["HfHubHTTPError", 403], ["GatedRepoError", 403], ["HfHubHTTPError", 401]


def test_users_roles_and_tokens(hub: LocalHub, tmp_path: Path) -> None:
    for name in ("public", "private", "gated"):
        hub.commit("dataset", f"org/{name}", {"a.txt": b"a"})
    hub.repositories["dataset", "org/private"].private = True
    hub.repositories["dataset", "org/gated"].gated = True
    hub.repositories["dataset", "org/gated"].granted.add("guest")
    hub.repositories["dataset", "org/private"].roles["guest"] = "write"
    users = {
        "member": hub.add_user("member", {"org": "write"}),
        "reader": hub.add_user("reader", {"org": "read"}),
        "careful": hub.add_user("careful", {"org": "write"}, read_only=True),
        "guest": hub.add_user("guest"),
        "stranger": hub.add_user("stranger"),
        "former": hub.add_user("former", {"org": "write"}),
    }
    users["former"].revoked = True
    found = run(hub, BEFORE + WHO, tmp_path, given={**{name: user.token for name, user in users.items()}, "nobody": ""})
    everything = {"load": [None] * 3, "info": [None] * 3, "whoami": None}
    assert found["member"] == everything | {"write": [None, None], "create": None, "check": None}
    for name in ("reader", "careful"):
        assert found[name] == everything | {"write": [FORBIDDEN, FORBIDDEN], "create": FORBIDDEN, "check": FORBIDDEN}, name
    assert found["guest"] == everything | {"write": [FORBIDDEN, None], "create": FORBIDDEN, "check": FORBIDDEN}
    assert found["stranger"] == {
        "load": [None, MISSING, GATED],
        "info": [None, MISSING, None],
        "write": [FORBIDDEN, MISSING],
        "create": FORBIDDEN,
        "check": FORBIDDEN,
        "whoami": None,
    }
    assert found["former"]["load"] == found["former"]["info"] == [INVALID] * 3
    assert found["former"]["write"] == [INVALID] * 2
    assert found["former"]["whoami"] == INVALID
    assert found["nobody"]["load"] == [None, STRANGER, ["GatedRepoError", 401]]
    assert found["nobody"]["info"] == [None, STRANGER, None]
    assert found["nobody"]["write"][0] == INVALID and found["nobody"]["create"] == INVALID
