"""Files of a dataset in a Dataverse, by its DOI (its native API)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlsplit

from .client import Client
from .listing import Entry, FetchError, Listing, Reach
from .settings import DATAVERSE_TOKEN, Settings

HOSTS: Final = (".amazonaws.com",)  # where installations keep large files, beside their own host
_ALGORITHMS: Final = {"md5": "md5", "sha-1": "sha1", "sha-256": "sha256", "sha-512": "sha512"}


def list_dataverse(doi: str, server: str, client: Client, settings: Settings, version: str = ":latest-published") -> Listing:
    """All files of a published version of a dataset.

    A table that the Dataverse converted is fetched as it was deposited: the conversion loses value labels and missing codes.

    Args:
        doi: of the dataset, as `10.7910/DVN/9ERCTY`; that of one of its files stands for the whole dataset.
        server: address of the installation.
        version: as the API names it.

    Raises:
        FetchError: there is no such dataset, or it is not published.
    """
    dataset = "/".join(doi.split("/")[:3]) if "/DVN/" in doi.upper() else doi
    own = urlsplit(server).netloc.lower()
    reach = settings.reach("dataverse", *HOSTS) if server == settings.dataverse else Reach((own, *HOSTS, *settings.hosts))
    url = f"{server}/api/datasets/:persistentId/versions/{quote(version, safe=':')}?persistentId=doi:{quote(dataset, safe='/')}"
    try:
        data = client.json(url, reach)["data"]
        files = data["files"]
        if len(files) > settings.max_files:
            raise FetchError(
                f"{len(files):,} files", where=f"doi:{doi}", expected=f"at most {settings.max_files:,}", fix="download it by hand"
            )
        licence = _licence(data)
        entries = tuple(sorted((_entry(file, server) for file in files), key=lambda entry: entry.path))
        title = _title(data) or dataset
    except FetchError as error:
        raise _refused(doi, server, error) from error
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        fix = "check that this address is a Dataverse, or try again later"
        raise FetchError(f"the answer lacks {error}", where=url, expected="the API of a Dataverse", fix=fix) from error
    return Listing("dataverse", f"doi:{dataset}", f"https://doi.org/{dataset}", title, licence, entries, reach)


def _entry(file: Any, server: str) -> Entry:
    about = file["dataFile"]
    converted = bool(about.get("originalFileFormat"))
    name = (about.get("originalFileName") if converted else None) or file.get("label") or about["filename"]
    size = about.get("originalFileSize") if converted else about.get("filesize")
    folder = str(file.get("directoryLabel") or "").strip("/")
    return Entry(
        path=f"{folder}/{name}" if folder else str(name),
        url=f"{server}/api/access/datafile/{int(about['id'])}" + ("?format=original" if converted else ""),
        size=size,
        checksums=_checksums(about),  # of a converted table: that of the file as it was deposited
        date=about.get("publicationDate") or about.get("creationDate"),
        closed=f"restricted: ask for access at the source, then put your key into {DATAVERSE_TOKEN}" if file.get("restricted") else None,
    )


def _checksums(about: Any) -> dict[str, str]:
    stated = about.get("checksum") or {}
    algorithm = _ALGORITHMS.get(str(stated.get("type", "")).lower())
    if algorithm and stated.get("value"):
        return {algorithm: str(stated["value"]).lower()}
    return {"md5": str(about["md5"]).lower()} if about.get("md5") else {}


def _licence(data: Any) -> str | None:
    """Newer installations give a licence with its name, older ones a word; both may have terms of their own instead."""
    licence = data.get("license")
    name = licence.get("name") if isinstance(licence, dict) else licence
    if name and str(name).upper() != "NONE":
        return str(name)
    return "terms of use of its own, see the source" if data.get("termsOfUse") else None


def _title(data: Any) -> str | None:
    fields = data.get("metadataBlocks", {}).get("citation", {}).get("fields", [])
    return next((str(field["value"]) for field in fields if field.get("typeName") == "title"), None)


def _refused(doi: str, server: str, error: FetchError) -> FetchError:
    host = urlsplit(server).hostname
    if error.status in (401, 403):
        found, fix = (
            f"this dataset at {host} is not published, or not open to you",
            f"ask its authors, or put your key into {DATAVERSE_TOKEN}",
        )
        return FetchError(found, where=f"doi:{doi}", expected="a published dataset", fix=fix, status=error.status)
    if error.status == 404:
        found = f"{host} has no published dataset with this DOI"
        return FetchError(found, where=f"doi:{doi}", fix="check the DOI, or give the address of the dataset's page", status=404)
    return error
