"""Files on the web: one file by its address, or those that a page links to."""

from __future__ import annotations

import html
import re
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

from .client import Client, Head
from .kinds import kind_of
from .listing import Entry, FetchError, Listing, Reach
from .settings import Settings

_LINK: Final = re.compile(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_OSF_ID: Final = re.compile(r"\bosf\.io/(?:[a-z]+/(?=[a-z0-9]{5}\b))?([a-z0-9]{5})\b", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title[^>]*>([^<]{1,300})</title>", re.IGNORECASE)
_MOST_LINKS: Final = 200
_PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})


def list_web(url: str, client: Client, settings: Settings) -> Listing | str:
    """What is at an address.

    Returns:
        The one file there; of a page, the files on the same host that it links to; or, where it links to none, the id of the one OSF
        project that it names.

    Raises:
        FetchError: there is nothing, or a page that names no file, or several projects.
    """
    reach = own_reach(url, settings)
    head = client.head(url, reach)
    if head.type not in _PAGES:
        entry = _entry(url, head)
        return Listing("web", url, url, entry.path, None, (entry,), reach)
    text = client.page(url, reach)
    title = _TITLE.search(text)
    entries = _linked(url, text, client, reach)
    if entries:
        return Listing("web", url, url, html.unescape(title[1]).strip() if title else url, None, entries, reach)
    projects: list[str] = list(dict.fromkeys(found.lower() for found in _OSF_ID.findall(text)))
    if len(projects) == 1:
        return projects[0]
    found = (
        f"a page that names {len(projects)} OSF projects: {', '.join(projects[:10])}"
        if projects
        else "a page that links to no data or document"
    )
    raise FetchError(
        found, where=url, expected="a file, or a page that links to files on its own host", fix="give the address or id of what is meant"
    )


def own_reach(url: str, settings: Settings) -> Reach:
    """The host of an address, with and without `www.`."""
    place = urlsplit(url).netloc.lower()
    bare = place.removeprefix("www.")
    return Reach((bare, f"www.{bare}", *settings.hosts))


def _linked(url: str, text: str, client: Client, reach: Reach) -> tuple[Entry, ...]:
    links = (urljoin(url, html.unescape(match[1] or match[2] or "").strip()).partition("#")[0] for match in _LINK.finditer(text))
    wanted = [link for link in dict.fromkeys(links) if reach.covers(link) and kind_of(urlsplit(link).path) not in (None, "page")]
    heads = ((link, client.head(link, reach)) for link in wanted[:_MOST_LINKS])
    files = (_entry(link, head) for link, head in heads if head.type not in _PAGES)  # a page about a file may be named like the file
    return tuple(sorted(files, key=lambda entry: entry.path))


def _entry(url: str, head: Head) -> Entry:
    name = PurePosixPath(unquote(urlsplit(url).path)).name or "file"
    return Entry(name, url, head.size, {}, head.date, version=head.version)
