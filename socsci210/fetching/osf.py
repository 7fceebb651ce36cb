"""Files on OSF: of a project, a registration, their components, or one file (its API, version 2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .client import Client
from .listing import Entry, FetchError, Listing
from .settings import OSF_TOKEN, Settings

HOSTS: Final = ("osf.io", ".osf.io", "storage.googleapis.com")  # the last one is where OSF keeps its files
_STORAGE: Final = "osfstorage"
_KINDS: Final = ("nodes", "registrations", "files")
_MAX_COMPONENTS: Final = 100


def list_osf(guid: str, client: Client, settings: Settings) -> Listing:
    """All files below an OSF id.

    Files of a component stand in a folder with the component's id; its title may be no name for a folder.

    Args:
        guid: five letters and digits: of a project, component, registration or file.

    Raises:
        FetchError: there is nothing by this id, it is private or withdrawn, or it is something without files.
    """
    return _Walk(guid, client, settings).listing()


class _Walk:
    """One walk through a project and what is below it."""

    def __init__(self, guid: str, client: Client, settings: Settings) -> None:
        self._guid, self._client, self._settings = guid, client, settings
        self._reach = settings.reach("osf", *HOSTS)
        self._entries: list[Entry] = []
        self._notes: list[str] = []
        self._seen: set[str] = set()

    def listing(self) -> Listing:
        kind = self._kind()
        try:
            root = self._get(f"/v2/{kind}/{self._guid}/" + ("" if kind == "files" else "?embed=license"))["data"]
            if kind == "files":
                self._entries.append(_entry(root, "", None))
                title, licence = root["attributes"]["name"], None
            else:
                title, licence = str(root["attributes"]["title"]), _licence(root)
                self._node(kind, root, "", licence)
        except (LookupError, TypeError, AttributeError) as error:
            raise _strange(self._guid, error) from error
        entries = tuple(sorted(self._entries, key=lambda entry: entry.path))
        url = f"https://osf.io/{self._guid}/"
        return Listing("osf", self._guid, url, title, licence, entries, self._reach, tuple(self._notes))

    def _kind(self) -> str:
        """What the id stands for."""
        try:
            kind = self._get(f"/v2/guids/{self._guid}/?resolve=false")["data"]["relationships"]["referent"]["data"]["type"]
        except (LookupError, TypeError) as error:
            raise _strange(self._guid, error) from error
        if kind not in _KINDS:
            fix = "name the project, registration or file that holds the data"
            raise FetchError(
                f"this id stands for {kind}", where=f"osf.io/{self._guid}", expected="a project, registration or file", fix=fix
            )
        return str(kind)

    def _node(self, kind: str, node: Any, folder: str, licence: str | None) -> None:
        """The files of a project or registration, then of its components."""
        own = node["id"]
        if own in self._seen:
            return
        self._seen.add(own)
        if len(self._seen) > _MAX_COMPONENTS:
            raise FetchError(
                f"more than {_MAX_COMPONENTS} components", where=f"osf.io/{self._guid}", fix="name the component that holds the data"
            )
        if node["attributes"].get("withdrawn"):
            raise FetchError("this registration was withdrawn", where=f"osf.io/{own}", fix="ask its authors, or name the project itself")
        for provider in self._pages(f"/v2/{kind}/{own}/files/"):
            name = provider["attributes"].get("provider") or provider["attributes"]["name"]
            if name == _STORAGE:
                self._folder(provider["relationships"]["files"]["links"]["related"]["href"], folder, licence)
            else:
                self._notes.append(f"osf.io/{own} has files at {name} as well; those are not looked at")
        for child in self._pages(f"/v2/{kind}/{own}/children/?embed=license"):
            below = f"{folder}{child['id']}/"
            try:
                self._node(kind, child, below, _licence(child) or licence)
            except FetchError as error:
                if error.status not in (401, 403, 410) and not child["attributes"].get("withdrawn"):
                    raise
                self._notes.append(f"component osf.io/{child['id']} is private or withdrawn; its files are not listed")

    def _folder(self, url: str, folder: str, licence: str | None) -> None:
        if url in self._seen:
            return
        self._seen.add(url)
        for item in self._pages(url):
            if item["attributes"]["kind"] == "folder":
                self._folder(item["relationships"]["files"]["links"]["related"]["href"], folder, licence)
            else:
                self._entries.append(_entry(item, folder, licence))
        if len(self._entries) > self._settings.max_files:
            raise FetchError(
                f"more than {self._settings.max_files:,} files", where=f"osf.io/{self._guid}", fix="name a component, or one file"
            )

    def _pages(self, address: str) -> Iterator[Any]:
        """The items of all pages of a list."""
        following: str | None = address
        seen = set()
        while following:
            if following in seen:
                raise FetchError("the pages of a list never end", where=following, fix="try again later")
            seen.add(following)
            page = self._get(following)
            yield from page["data"]
            following = (page.get("links") or {}).get("next")

    def _get(self, address: str) -> Any:
        url = address if "://" in address else f"{self._settings.osf}{address}"
        try:
            return self._client.json(url, self._reach)
        except FetchError as error:
            raise _refused(self._guid, error) from error


def _entry(item: Any, folder: str, licence: str | None) -> Entry:
    about = item["attributes"]
    hashes = (about.get("extra") or {}).get("hashes") or {}
    checksums = {name: str(hashes[name]).lower() for name in ("sha256", "md5") if hashes.get(name)}
    path = str(about.get("materialized_path") or about["name"]).removeprefix("/")
    date = about.get("date_modified") or about.get("date_created")
    return Entry(f"{folder}{path}", item["links"]["download"], about.get("size"), checksums, date, licence=licence)


def _licence(node: Any) -> str | None:
    data = (((node.get("embeds") or {}).get("license") or {}).get("data") or {}).get("attributes") or {}
    return data.get("name")


def _refused(guid: str, error: FetchError) -> FetchError:
    """The client's error in the words of OSF."""
    where = f"osf.io/{guid}"
    if error.status in (401, 403):
        found, fix = "it is private", f"ask its authors to make it public; for your own, put a personal access token into {OSF_TOKEN}"
        return FetchError(found, where=where, expected="a public project or registration", fix=fix, status=error.status)
    if error.status == 410:
        return FetchError("it was deleted or withdrawn", where=where, fix="ask its authors", status=error.status)
    if error.status == 404:
        return FetchError("OSF has nothing by this id", where=where, fix="check the five letters and digits", status=error.status)
    return error


def _strange(guid: str, error: Exception) -> FetchError:
    fix = "check SOCSCI210_OSF, or try again later"
    return FetchError(f"the answer lacks {error}", where=f"osf.io/{guid}", expected="the API of OSF, version 2", fix=fix)
