"""Fetching from every kind of source: what is listed, chosen, downloaded and recorded."""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from socsci210 import catalogue
from socsci210.fetching import Fetched, Fetcher, FetchError, Plan
from socsci210.fetching.resolve import resolve
from socsci210.registry import Registry

from .server import Fault, Node, Repository, Sources

DATA, WORDS = b"$FL2 data of a survey" * 20, b"Question 1. How do you feel?" * 10


@pytest.fixture
def sources() -> Iterator[Sources]:
    with Sources() as servers:
        yield servers


def plan(sources: Sources, tmp_path: Path, asked: str, **options: Any) -> Plan:
    with Fetcher(sources.settings(tmp_path / "cache", **options), Registry()) as fetcher:
        return fetcher.plan(asked)


def fetch(
    sources: Sources, tmp_path: Path, asked: str, *, deposits: str = "deposits", also: tuple[str, ...] = (), **options: Any
) -> Fetched:
    registry = Registry([tmp_path / "studies"] if (tmp_path / "studies").is_dir() else [])
    with Fetcher(sources.settings(tmp_path / "cache", **options), registry) as fetcher:
        return fetcher.fetch(fetcher.plan(asked, also=also), tmp_path / deposits)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the record, and nothing hidden."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found.pop("deposit.json")
    return found


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


# --- OSF -----------------------------------------------------------------------------------------------------------------------------


def test_a_project_with_folders_pages_and_components(sources: Sources, tmp_path: Path) -> None:
    sources.nodes["abcd1"] = Node(
        title="Sustainable menus",
        files={
            "data.sav": DATA,
            "docs/questionnaire.docx": WORDS,
            "analysis.R": b"1",
            "docs/deep/codes.csv": b"a,b\n1,2\n",
            "plot.png": b"p",
        },
        children=["kid01", "kid02", "kid03"],
        providers=["github", "osfstorage"],
    )
    sources.nodes["kid01"] = Node(title="Wave 2", files={"data.sav": b"$FL2 another"}, licence=None, children=["grand"])
    sources.nodes["grand"] = Node(files={"data.dta": DATA}, licence="CC-By Attribution 4.0 International")
    sources.nodes["kid02"] = Node(private=True, files={"secret.sav": b"no"})
    sources.nodes["kid03"] = Node(kind="nodes", files={})
    done = fetch(sources, tmp_path, "abcd1")
    assert done.folder == tmp_path / "deposits" / "abcd1"
    assert files(done.folder) == {
        "data.sav": DATA,
        "docs/questionnaire.docx": WORDS,
        "docs/deep/codes.csv": b"a,b\n1,2\n",
        "kid01/data.sav": b"$FL2 another",
    }  # data.dta of the component of a component has the bytes of data.sav
    record = json.loads((done.folder / "deposit.json").read_text())
    assert record["source"] == {
        "kind": "osf", "id": "abcd1", "url": "https://osf.io/abcd1/", "title": "Sustainable menus", "licence": "CC0 1.0 Universal",
    }  # fmt: skip
    told = {one["path"]: one["reason"] for one in record["left_out"]}
    assert told["kid01/grand/data.dta"] == "the same bytes as data.sav"
    assert "program code" in told["analysis.R"] and "picture" in told["plot.png"]
    first = next(file for file in record["files"] if file["file"] == "data.sav")
    assert (first["sha256"], first["size"], first["date"]) == (sha256(DATA), len(DATA), "2021-05-06T07:08:09Z")
    assert first["url"].startswith(f"{sources.url}/download/") and first["fetched"].startswith("20")
    assert any("kid02 is private" in note for note in record["notes"]) and any("github" in note for note in record["notes"])
    assert len(sources.requests("page=2")) >= 2


def test_a_registration_and_a_file_id(sources: Sources, tmp_path: Path) -> None:
    sources.nodes["regis"] = Node(kind="registrations", files={"Archive of OSF Storage/data.sav": DATA})
    assert files(fetch(sources, tmp_path, "https://osf.io/regis/").folder) == {"Archive of OSF Storage/data.sav": DATA}
    assert sources.requests("/v2/registrations/regis/")
    sources.nodes["usr12"] = Node(kind="users")
    with pytest.raises(FetchError, match="this id stands for users"):
        plan(sources, tmp_path, "usr12")


def test_private_withdrawn_and_unknown_ids_are_told_apart(sources: Sources, tmp_path: Path) -> None:
    sources.nodes["prv12"] = Node(private=True)
    sources.nodes["wdr12"] = Node(kind="registrations", withdrawn=True)
    with pytest.raises(FetchError, match=r"osf.io/prv12: it is private[\s\S]*OSF_TOKEN"):
        plan(sources, tmp_path, "prv12")
    with pytest.raises(FetchError, match="withdrawn"):
        plan(sources, tmp_path, "wdr12")
    with pytest.raises(FetchError, match="OSF has nothing by this id"):
        plan(sources, tmp_path, "gone1")
    assert len(sources.requests("prv12")) == 2, "a refusal is not asked again"


def test_a_study_of_the_release_by_its_id_at_tess_or_its_page(sources: Sources, tmp_path: Path) -> None:
    entry = next(one for one in catalogue.studies() if one.tess_ids and one.tess_url)
    sources.nodes[entry.study_id] = Node(files={"data.sav": DATA})
    for asked in (entry.study_id, entry.tess_ids[0], str(entry.tess_url)):
        assert plan(sources, tmp_path, asked).listing.id == entry.study_id
        assert resolve(asked, Registry()).name == entry.study_id


def test_a_token_goes_to_the_service_and_not_to_the_storage(sources: Sources, tmp_path: Path) -> None:
    sources.nodes["abcd1"] = Node(files={"data.sav": DATA})
    done = fetch(sources, tmp_path, "abcd1", osf_token="sesame-1234")
    assert all(headers.get("Authorization") == "Bearer sesame-1234" for headers in sources.headers("/v2/"))
    assert all("Authorization" not in headers for server, _, headers in sources.seen if server == "storage")
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"sesame" not in written and "sesame" not in repr(sources.settings(done.folder, osf_token="sesame-1234"))


# --- Dataverse and DOIs --------------------------------------------------------------------------------------------------------------


def dataverse_file(number: int, label: str, data: bytes, **more: Any) -> dict[str, Any]:
    about = {"id": number, "filename": label, "filesize": len(data), "checksum": {"type": "MD5", "value": hashlib.md5(data).hexdigest()}}
    return {"label": label, "restricted": False, "dataFile": {**about, **more.pop("about", {})}, **more}


def test_a_dataverse_dataset_in_its_deposited_format(sources: Sources, tmp_path: Path) -> None:
    table = {"filesize": 7, "originalFileFormat": "application/x-spss-sav", "originalFileName": "data.sav", "originalFileSize": len(DATA)}
    sources.datasets["10.7910/DVN/9ERCTY"] = {
        "title": "Credulity",
        "license": {"name": "CC0 1.0"},
        "files": [
            dataverse_file(11, "data.tab", DATA, about=table, directoryLabel="data"),
            dataverse_file(12, "Codebook.docx", WORDS),
            dataverse_file(13, "raw.csv", b"x", restricted=True),
        ],
    }
    sources.blobs |= {"original-11": DATA, "11": b"as tabs", "12": WORDS}
    done = fetch(sources, tmp_path, "doi:10.7910/DVN/9ERCTY")
    assert files(done.folder) == {"data/data.sav": DATA, "Codebook.docx": WORDS} and done.folder.name == "10_7910_DVN_9ERCTY"
    assert done.deposit.source.licence == "CC0 1.0" and done.deposit.source.title == "Credulity"
    assert [one.reason.partition(":")[0] for one in done.deposit.left_out] == ["restricted"]
    for same in (
        "https://doi.org/10.7910/DVN/9ERCTY",
        "10.7910/DVN/9ERCTY/ABCDEF",
        f"{sources.url}/dataset.xhtml?persistentId=doi:10.7910/DVN/9ERCTY",
    ):
        assert len(plan(sources, tmp_path, same).choices) == 3
    with pytest.raises(FetchError, match="no published dataset"):
        plan(sources, tmp_path, "10.7910/DVN/NOTHERE")


def test_a_doi_elsewhere_is_looked_up(sources: Sources, tmp_path: Path) -> None:
    sources.handles["10.5072/FK2/ABC"] = f"{sources.url}/citation?persistentId=doi:10.5072/FK2/ABC"
    sources.datasets["10.5072/FK2/ABC"] = {"title": "T", "files": [dataverse_file(1, "a.csv", b"a\n1\n")]}
    assert [one.name for one in plan(sources, tmp_path, "10.5072/FK2/ABC").choices] == ["a.csv"]
    sources.nodes["abcd1"] = Node(files={"data.sav": DATA})
    assert plan(sources, tmp_path, "https://doi.org/10.17605/OSF.IO/ABCD1").listing.id == "abcd1"
    sources.handles["10.5072/evil"] = "file:///etc/passwd"
    with pytest.raises(FetchError, match="leads to no page"):
        plan(sources, tmp_path, "10.5072/evil")


# --- the web -------------------------------------------------------------------------------------------------------------------------


def test_a_file_by_its_address_is_downloaded_once(sources: Sources, tmp_path: Path) -> None:
    sources.pages["/x/data.csv"] = ("text/csv", b"a,b\n1,2\n")
    one = fetch(sources, tmp_path, f"{sources.url}/x/data.csv")
    assert files(one.folder) == {"data.csv": b"a,b\n1,2\n"} and one.downloaded == 1 and one.deposit.source.licence is None
    assert fetch(sources, tmp_path, f"{sources.url}/x/data.csv").downloaded == 0
    sources.pages["/x/data.csv"] = ("text/csv", b"a,b\n1,3\n")  # its source published another version
    assert files(fetch(sources, tmp_path, f"{sources.url}/x/data.csv").folder) == {"data.csv": b"a,b\n1,3\n"}


def test_a_page_at_tess_that_links_to_files_or_names_a_project(sources: Sources, tmp_path: Path) -> None:
    links = b'<title>A &amp; B</title><a href="files/q.docx">q</a> <a href=\'/data/d.sav\'>d</a> <a href="http://elsewhere.org/e.sav">e</a>'
    sources.pages |= {
        "/data/new123.html": ("text/html", links),
        "/data/files/q.docx": ("application/msword", WORDS),
        "/data/d.sav": ("x/y", DATA),
    }
    done = fetch(sources, tmp_path, "http://www.tessexperiments.org/data/new123.html")
    assert files(done.folder) == {"q.docx": WORDS, "d.sav": DATA} and done.deposit.source.title == "A & B"
    sources.pages["/study/other9"] = ("text/html", b"<p>Data: osf.io/abcd1 (https://osf.io/abcd1)</p>")
    sources.nodes["abcd1"] = Node(files={"data.sav": DATA})
    assert plan(sources, tmp_path, "https://www.tessexperiments.org/study/other9").listing.id == "abcd1"
    sources.pages["/list.html"] = ("text/html", b'<a href="/blob/data.csv">a page that is named like the file it is about</a>')
    sources.pages["/blob/data.csv"] = ("text/html; charset=utf-8", b"<table>")
    for page in ("list.html", "blob/data.csv"):
        with pytest.raises(FetchError, match="links to no data or document"):
            plan(sources, tmp_path, f"{sources.url}/{page}")
    sources.pages["/study/none"] = ("text/html", b"<p>Nothing</p>")
    with pytest.raises(FetchError, match="links to no data or document"):
        plan(sources, tmp_path, "https://www.tessexperiments.org/study/none")


def test_what_is_nothing_is_said_to_be_nothing() -> None:
    with pytest.raises(FetchError, match="no study, OSF id, DOI or address"):
        resolve("holbrok120", Registry())
    simulated = next(entry.id for entry in Registry().entries() if entry.simulated)
    with pytest.raises(FetchError, match="simulate-deposits"):
        resolve(simulated, Registry())


# --- studies with a study file -------------------------------------------------------------------------------------------------------


def study_at(sources: Sources, tmp_path: Path, files: dict[str, bytes]) -> None:
    """A copy of a built-in study file whose source and files are these."""
    from socsci210.registry import loaders_folder

    text = (loaders_folder() / "holbrook120" / "study.yaml").read_text(encoding="utf-8")
    for old in ("id: holbrook120", "family: holbrook120"):
        text = text.replace(old, old.replace("holbrook120", "mystudy"))
    text = text.replace("http://www.tessexperiments.org/data/holbrook120.html", "https://osf.io/abcd1/")
    lines = []
    for line in text.splitlines():
        for name, data in files.items():
            if f"file: {name}," in line:
                line = f"{line.partition('sha256: ')[0]}sha256: {sha256(data)}}}"
        lines.append(line)
    (tmp_path / "studies" / "mystudy").mkdir(parents=True)
    (tmp_path / "studies" / "mystudy" / "study.yaml").write_text("\n".join(lines), encoding="utf-8")


def test_a_study_gets_the_files_that_its_study_file_names(sources: Sources, tmp_path: Path) -> None:
    study_at(sources, tmp_path, {"data.sav": DATA, "questionnaire.docx": WORDS})
    inside = zipped({"final/survey text.docx": WORDS, "final/other.csv": b"1"})
    sources.nodes["abcd1"] = Node(files={"final_v2.sav": DATA, "data.dta": b"other", "materials.zip": inside})
    done = fetch(sources, tmp_path, "mystudy")
    assert files(done.folder) == {"data.sav": DATA, "questionnaire.docx": WORDS} and done.folder.name == "mystudy"
    assert {file.file: (file.path, file.member) for file in done.deposit.files} == {
        "data.sav": ("final_v2.sav", None),
        "questionnaire.docx": ("materials.zip", "final/survey text.docx"),
    }


def test_a_study_whose_source_has_another_version_or_lacks_a_file(sources: Sources, tmp_path: Path) -> None:
    study_at(sources, tmp_path, {"data.sav": DATA, "questionnaire.docx": WORDS})
    sources.nodes["abcd1"] = Node(files={"data.sav": DATA + b"!", "questionnaire.docx": WORDS})
    with pytest.raises(
        FetchError, match=rf"data.sav has sha256 {sha256(DATA + b'!')} at the source[\s\S]*{sha256(DATA)}[\s\S]*another version"
    ):
        fetch(sources, tmp_path, "mystudy")
    assert not (tmp_path / "deposits" / "mystudy").exists()
    sources.nodes["abcd1"] = Node(files={"data.sav": DATA})
    with pytest.raises(FetchError, match="the source does not list questionnaire"):
        fetch(sources, tmp_path, "mystudy")


# --- archives, the cache and the folder ----------------------------------------------------------------------------------------------


# --- GitHub --------------------------------------------------------------------------------------------------------------------------


def test_a_repository_is_fetched_as_the_archive_of_a_commit(sources: Sources, tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    one = {"data/survey.sav": DATA, "README.md": WORDS, "analysis.R": b"1", "large.csv": pointer, "C:a.csv": b"a,b\n1,2\n"}
    sources.repositories["some-lab/Menus.2021"] = Repository({"main": one, "wave/2": one | {"data/survey.sav": b"$FL2 another"}})
    done = fetch(sources, tmp_path, "https://github.com/some-lab/Menus.2021", github_token="secret-token")
    assert done.folder.name == "github_com_some_lab_Menus_2021" and files(done.folder) == {"data/survey.sav": DATA, "README.md": WORDS}
    record = json.loads((done.folder / "deposit.json").read_text())
    sha = sources.repositories["some-lab/Menus.2021"].commit("main")
    assert record["source"] == {
        "kind": "github", "id": f"some-lab/Menus.2021@{sha}", "url": f"https://github.com/some-lab/Menus.2021/tree/{sha}",
        "title": "some-lab/Menus.2021", "licence": "MIT",
    }  # fmt: skip
    assert {(file["file"], file["member"], file["licence"]) for file in record["files"]} == {
        (name, f"owner-name-abc1234/{name}", "MIT") for name in ("data/survey.sav", "README.md")
    }
    left = {item["path"]: item["reason"] for item in record["left_out"]}
    assert any("Git LFS" in reason for path, reason in left.items() if path.endswith("large.csv"))
    assert any("leads out of" in reason for path, reason in left.items() if path.endswith("C:a.csv"))
    assert "secret-token" in sources.headers("/repos/")[0]["Authorization"] and "Authorization" not in sources.headers("/zip/")[0]

    for address in ("tree/wave/2", f"tree/{sources.repositories['some-lab/Menus.2021'].commit('wave/2')}/"):
        found = fetch(sources, tmp_path, f"https://github.com/some-lab/Menus.2021/{address}", deposits=address.replace("/", "_"))
        assert files(found.folder)["data/survey.sav"] == b"$FL2 another"
    assert found.downloaded == 0  # a branch and its commit are one archive
    for number, address in enumerate(("tree/main/data", "tree/wave/2/data/")):
        found = fetch(sources, tmp_path, f"https://github.com/some-lab/Menus.2021/{address}", deposits=f"folder{number}")
        assert files(found.folder).keys() == {"data/survey.sav"}
        assert any(left.reason == "not below data" for left in found.deposit.left_out)
    with pytest.raises(FetchError, match="no data and no document in its archives"):
        fetch(sources, tmp_path, "https://github.com/some-lab/Menus.2021/tree/main/nowhere", deposits="nowhere")
    assert fetch(sources, tmp_path, "https://www.github.com/some-lab/Menus.2021.git", deposits="again").downloaded == 0


def test_repositories_that_cannot_be_had(sources: Sources, tmp_path: Path) -> None:
    sources.repositories["lab/empty"] = Repository({})
    sources.repositories["lab/one"] = Repository({"main": {"data.sav": DATA}}, licence="NOASSERTION")
    with pytest.raises(FetchError, match="is empty"):
        plan(sources, tmp_path, "https://github.com/lab/empty")
    with pytest.raises(FetchError, match=r"github.com/lab/none: there is no such repository, or it is private"):
        plan(sources, tmp_path, "https://github.com/lab/none/")
    with pytest.raises(FetchError, match="no branch, tag or commit 'other'"):
        plan(sources, tmp_path, "https://github.com/lab/one/tree/other")
    assert plan(sources, tmp_path, "https://github.com/lab/one").listing.licence == "of its own, see the source"
    soon = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()))}
    sources.faults.append(Fault("/repos/lab/one", status=403, headers=soon, times=2))
    sources.faults.append(Fault("/zip/", cut_after=40))
    assert files(fetch(sources, tmp_path, "https://github.com/lab/one").folder) == {"data.sav": DATA}
    sources.faults.append(Fault("/repos/lab/one", status=403, headers=soon | {"x-ratelimit-reset": str(int(time.time()) + 3000)}))
    with pytest.raises(FetchError, match=r"wants \d\d minutes of rest[\s\S]*GITHUB_TOKEN"):
        plan(sources, tmp_path, "https://github.com/lab/one")
    sources.repositories["lab/one"].top = ".."
    (tmp_path / "new").mkdir()
    with pytest.raises(FetchError, match="no data and no document in its archives"):
        fetch(sources, tmp_path / "new", "https://github.com/lab/one")
    assert {path.name for path in (tmp_path / "new").iterdir()} <= {"cache", "deposits"}


def test_bytes_are_told_as_they_come(sources: Sources, tmp_path: Path) -> None:
    large = DATA * 20_000
    sources.nodes["abcd1"] = Node(files={"a.sav": large, "b.txt": WORDS})
    sources.faults.append(Fault("abcd1-", cut_after=300_000))
    sources.slow, told = 0.02, []
    with Fetcher(sources.settings(tmp_path / "cache"), Registry()) as fetcher:
        fetcher.fetch(fetcher.plan("abcd1"), tmp_path / "deposits", step=told.append)
    assert [(at.done, at.path) for at in told if at.received == 0] == [(0, "a.sav"), (1, "b.txt")]
    first = [at for at in told if at.path == "a.sav"]
    received = [at.received for at in first]
    assert len(received) > 4 and received == sorted(received) and received[-1] == len(large)
    assert {at.size for at in first} == {len(large)} and {at.files for at in told} == {2}


def test_data_and_documents_are_taken_out_of_archives(sources: Sources, tmp_path: Path) -> None:
    inner = zipped({"deep.csv": b"1"})
    archive = zipped(
        {"d/data.csv": b"a\n1\n", "q.pdf": b"%PDF-1.4", "code.do": b"use", "in.zip": inner, "__MACOSX/._q.pdf": b"0", "empty.csv": b""}
    )
    sources.nodes["abcd1"] = Node(files={"all.zip": archive})
    done = fetch(sources, tmp_path, "abcd1")
    assert files(done.folder) == {"all/d/data.csv": b"a\n1\n", "all/q.pdf": b"%PDF-1.4"}
    told = {one.path: one.reason for one in done.deposit.left_out}
    assert (
        "inside an archive" in told["all.zip: in.zip"]
        and "program code" in told["all.zip: code.do"]
        and told["all.zip: empty.csv"] == "empty"
    )


def test_the_cache_is_shared_and_a_damaged_file_in_it_is_fetched_again(sources: Sources, tmp_path: Path) -> None:
    sources.nodes["abcd1"] = Node(files={"data.sav": DATA})
    sources.nodes["abcd2"] = Node(files={"same.sav": DATA})
    assert fetch(sources, tmp_path, "abcd1").downloaded == 1
    assert fetch(sources, tmp_path, "abcd2").downloaded == 0
    kept = tmp_path / "cache" / "files" / sha256(DATA)[:2] / sha256(DATA)
    kept.write_bytes(b"rot")
    again = fetch(sources, tmp_path, "abcd2", deposits="elsewhere")
    assert again.downloaded == 1 and files(again.folder) == {"same.sav": DATA}


def test_what_a_person_has_in_the_folder_stays(sources: Sources, tmp_path: Path) -> None:
    folder = tmp_path / "deposits" / "abcd1"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    (folder / "data.sav").write_bytes(b"mine too")
    sources.nodes["abcd1"] = Node(files={"data.sav": DATA})
    with pytest.raises(FetchError, match=r"data.sav: a file with other bytes stands there"):
        fetch(sources, tmp_path, "abcd1")
    assert (folder / "data.sav").read_bytes() == b"mine too" and not (folder / "deposit.json").exists()
    (folder / "data.sav").unlink()
    assert files(fetch(sources, tmp_path, "abcd1").folder) == {"data.sav": DATA, "notes.txt": b"mine"}
    written = (folder / "deposit.json").read_bytes()
    fetch(sources, tmp_path, "abcd1")
    assert (folder / "deposit.json").read_bytes() == written
    sources.nodes["abcd1"] = Node(files={"data.sav": DATA + b"2"})  # a new version replaces what an earlier fetch put there
    assert files(fetch(sources, tmp_path, "abcd1").folder)["data.sav"] == DATA + b"2"
    sources.nodes["abcd1"] = Node(files={"link/data.sav": DATA})
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(FetchError, match="a link or a folder stands there"):
        fetch(sources, tmp_path, "abcd1")
    assert not (tmp_path / "data.sav").exists()


def test_further_files_are_taken_on_request(sources: Sources, tmp_path: Path) -> None:
    sources.nodes["abcd1"] = Node(files={"labels.sps": b"VALUE LABELS", "data.sav": DATA, "../up.sps": b"x"})
    done = fetch(sources, tmp_path, "abcd1", also=("*.sps",))
    assert files(done.folder) == {"labels.sps": b"VALUE LABELS", "data.sav": DATA}
