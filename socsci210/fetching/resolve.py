"""What a person means: a study, an OSF id, a DOI or an address, and the list of files behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from .. import catalogue
from ..registry import Registry
from ..study_file import StudyFile
from ..study_yaml import did_you_mean
from .client import Client
from .dataverse import list_dataverse
from .github import REPOSITORY, list_github
from .listing import FetchError, Listing
from .osf import list_osf
from .settings import DEFAULTS, Settings
from .web import list_web

_GUID: Final = re.compile(r"[a-z0-9]{5}", re.ASCII | re.IGNORECASE)
_DOI: Final = re.compile(r"(?:doi:\s*|(?:https?://)?(?:dx\.)?doi\.org/)?(10\.\d{4,9}/\S+)", re.ASCII | re.IGNORECASE)
_OSF_DOI: Final = re.compile(r"10\.17605/osf\.io/([a-z0-9]{5})", re.IGNORECASE)
_OSF_PATH: Final = re.compile(
    r"/(?:v2/(?:nodes|registrations|guids)/|download/|registries/[a-z]+/|preprints/[a-z]+/)?([a-z0-9]{5})(?:/.*)?", re.IGNORECASE
)
_TESS_PATH: Final = re.compile(r"/(?:study|data)/([A-Za-z0-9-]+?)(?:\.html)?/?")
_SECRET: Final = re.compile(r"[a-z]+://[^/?#]*@", re.IGNORECASE)
_GITHUB_FILE: Final = re.compile(r"/([^/]+/[^/]+)/(?:blob|raw)/(.+)")
_HARVARD: Final = "10.7910/"


@dataclass(frozen=True)
class Target:
    """One thing to fetch.

    Attributes:
        asked: what the person wrote.
        name: of the deposit's folder.
        address: an OSF id, a DOI or an address.
        study: the study file that says which files it needs, if there is one.
    """

    asked: str
    name: str
    address: str
    study: StudyFile | None = None


def resolve(asked: str, registry: Registry) -> Target:
    """What is meant, without asking anybody: studies first, then ids of the release and of TESS, then OSF ids, DOIs and addresses.

    Raises:
        FetchError: it is none of them, or a simulated study.
        StudyFileError: the study file is broken.
    """
    asked = asked.strip()
    if asked in registry.ids():
        return _of_study(asked, registry)
    if entry := _in_catalogue(asked):
        return Target(asked, entry.study_id, entry.study_id)
    if _GUID.fullmatch(asked):
        return Target(asked, asked.lower(), asked.lower())
    if match := _DOI.fullmatch(asked):
        osf = _OSF_DOI.fullmatch(match[1])
        return Target(asked, osf[1].lower() if osf else _slug(match[1]), f"doi:{match[1]}")
    if _SECRET.match(asked):  # not shown: it may hold the password
        raise FetchError("an address with a user name or password", expected="the bare address", fix="leave them out")
    if urlsplit(asked).scheme in ("http", "https") and urlsplit(asked).hostname:
        return Target(asked, _name_of(asked), asked)
    near = did_you_mean(asked, [*registry.ids(), *(one.study_id for one in catalogue.studies())])
    raise FetchError(
        f"{asked!r} is no study, OSF id, DOI or address", expected="as egmxd, doi:10.7910/DVN/9ERCTY or https://...",
        fix=near or "`socsci210 studies` lists the ids",
    )  # fmt: skip


def list_files(target: Target, client: Client, settings: Settings) -> Listing:
    """Ask the source what it holds.

    Raises:
        FetchError: there is no such thing, it is private, or the source cannot be reached.
    """
    found = _list(target.address, client, settings)
    return list_osf(found, client, settings) if isinstance(found, str) else found


def _list(address: str, client: Client, settings: Settings) -> Listing | str:
    """The listing of an address, or the id on OSF that it leads to."""
    if _GUID.fullmatch(address):
        return address
    if address.startswith("doi:"):
        return _list_doi(address.removeprefix("doi:"), client, settings)
    parts = urlsplit(address)
    host = (parts.hostname or "").lower()
    if (host == "osf.io" or host.endswith(".osf.io")) and (match := _OSF_PATH.fullmatch(parts.path)):
        return match[1].lower()
    if host == "github.com" and (blob := _GITHUB_FILE.fullmatch(parts.path)):  # the page about a file, not the file
        return list_web(f"https://raw.githubusercontent.com/{blob[1]}/{blob[2]}", client, settings)
    if host in ("github.com", "www.github.com") and (found := REPOSITORY.fullmatch(unquote(parts.path))):
        return list_github(found[1], found[2], found[3], client, settings)
    query = parse_qs(parts.query)
    if (doi := query.get("persistentId", [""])[0]).startswith("doi:"):
        version = query.get("version", [":latest-published"])[0]
        return list_dataverse(doi.removeprefix("doi:"), f"{parts.scheme}://{parts.netloc}", client, settings, version)
    if _is_tess(address):
        match, moved = _TESS_PATH.fullmatch(parts.path), urlsplit(settings.tess)
        if match and (entry := _in_catalogue(match[1])):
            return entry.study_id
        return list_web(urlunsplit((moved.scheme, moved.netloc, parts.path, parts.query, "")), client, settings)
    return list_web(address, client, settings)


def _list_doi(doi: str, client: Client, settings: Settings) -> Listing | str:
    if match := _OSF_DOI.fullmatch(doi):
        return match[1].lower()
    if doi.startswith(_HARVARD):
        return list_dataverse(doi, settings.dataverse, client, settings)
    record = client.json(f"{settings.doi}/api/handles/{doi}?type=URL", settings.reach("doi"))
    try:
        url = next(value["data"]["value"] for value in record["values"] if value["type"] == "URL")
    except (LookupError, TypeError, StopIteration):
        raise FetchError("this DOI leads nowhere", where=f"doi:{doi}", fix="check it, or give the address of the page") from None
    if urlsplit(str(url)).scheme not in ("http", "https"):
        raise FetchError("this DOI leads to no page", where=f"doi:{doi}", fix="give the address of the page")
    return _list(str(url), client, settings)


def _of_study(study_id: str, registry: Registry) -> Target:
    study = registry.get(study_id).load()
    if study.simulated:
        fix = "`socsci210 simulate-deposits --out DIR` writes the deposits of all simulated studies"
        raise FetchError("this study is simulated: there is nothing to fetch", where=study_id, fix=fix)
    family = study.provenance.family
    shared = sum(_family(registry, other) == family for other in registry.ids()) > 1
    source = study.provenance.source_url
    match = _DOI.fullmatch(source)
    return Target(study_id, family if shared else study_id, f"doi:{match[1]}" if match else source, study)


def _family(registry: Registry, study_id: str) -> str | None:
    entry = registry.get(study_id)
    return None if entry.broken else entry.load().provenance.family


def _in_catalogue(name: str) -> catalogue.CatalogueEntry | None:
    """The study of the release with this id on OSF or at TESS, or with this page at TESS."""
    match = _TESS_PATH.fullmatch(urlsplit(name).path) if _is_tess(name) else None
    wanted = match[1] if match else name
    return next((one for one in catalogue.studies() if wanted == one.study_id or wanted in one.tess_ids), None)


def _is_tess(address: str) -> bool:
    return (urlsplit(address).hostname or "").lower() in ("tessexperiments.org", urlsplit(DEFAULTS["tess"]).hostname)


def _name_of(url: str) -> str:
    """A name for the folder of what is at an address."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if (host == "osf.io" or host.endswith(".osf.io")) and (match := _OSF_PATH.fullmatch(parts.path)):
        return match[1].lower()
    doi = parse_qs(parts.query).get("persistentId", [""])[0]
    return _slug(doi.removeprefix("doi:") or f"{host}{unquote(parts.path)}")


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:60] or "deposit"
