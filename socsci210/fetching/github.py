"""A repository on GitHub: the archive of one state of it, by the commit that a branch or tag stands for today."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from .client import Client
from .listing import Entry, FetchError, Listing, Reach
from .settings import GITHUB_TOKEN, Settings

REPOSITORY: Final = re.compile(r"/([A-Za-z0-9-]{1,39})/([A-Za-z0-9._-]{1,100}?)(?:\.git)?(?:/tree/(.+?))?/?")
HOSTS: Final = ("codeload.github.com",)  # where archives come from
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_NO_LICENCE: Final = (None, "NOASSERTION")


def list_github(owner: str, name: str, ref: str | None, client: Client, settings: Settings) -> Listing:
    """The archive of a repository, which is taken apart like any other.

    Args:
        owner, name: of the repository.
        ref: a branch, tag or commit, and perhaps a folder behind it, as addresses of pages have it; None for the default branch.

    Raises:
        FetchError: there is no such repository or state, or it is private.
    """
    reach = settings.reach("github", *HOSTS)
    where, api = f"https://github.com/{owner}/{name}", f"{settings.github}/repos/{owner}/{name}"
    try:
        about = client.json(api, reach)
        wanted, folder, commit = _commit(ref or str(about["default_branch"]), api, client, reach)
        sha, date = str(commit["sha"]), commit["commit"]["committer"]["date"]
        if not _COMMIT.fullmatch(sha):
            raise ValueError(sha[:80])
    except FetchError as error:
        raise _refused(where, ref, error) from error
    except (LookupError, TypeError, ValueError) as error:
        raise FetchError(f"the answer lacks {error}", where=api, expected="the API of GitHub", fix="try again later") from error
    archive = Entry(f"{name}.zip", f"{api}/zipball/{sha}", None, {}, str(date), version=sha, wrapped=True, folder=folder)
    notes = (f"{wanted} was at commit {sha}; files kept in Git LFS are not in the archive",)
    licence = _licence(about)
    return Listing(
        "github", f"{owner}/{name}@{sha}", f"{where}/tree/{sha}", str(about.get("full_name") or name), licence, (archive,), reach, notes
    )


def _commit(address: str, api: str, client: Client, reach: Reach) -> tuple[str, str, Any]:
    """The state that an address names, the folder behind it, and its commit. Names of branches may hold slashes: the longest one wins."""
    parts = address.strip("/").split("/")
    refused: FetchError | None = None
    for length in range(len(parts), 0, -1):
        state = "/".join(parts[:length])
        try:
            return state, "/".join(parts[length:]), client.json(f"{api}/commits/{quote(state, safe='')}", reach)
        except FetchError as error:
            if error.status not in (404, 422):
                raise
            refused = refused or error
    raise refused or FetchError("no state of the repository was named", where=api)


def _licence(about: Any) -> str | None:
    """The licence that GitHub made out; one that it could not name stands in a file of the repository."""
    found = about.get("license")
    if not isinstance(found, dict):
        return None
    return str(found["spdx_id"]) if found.get("spdx_id") not in _NO_LICENCE else "of its own, see the source"


def _refused(where: str, ref: str | None, error: FetchError) -> FetchError:
    if error.status in (404, 409, 422):
        if ref is not None and "/commits/" in error.where:
            return FetchError(
                f"the repository has no branch, tag or commit {ref!r}",
                where=where,
                expected="as .../tree/main",
                fix="check the address",
                status=404,
            )
        found = "the repository is empty" if error.status == 409 else "there is no such repository, or it is private"
        return FetchError(
            found, where=where, fix=f"check the address, or put a token that may read it into {GITHUB_TOKEN}", status=error.status
        )
    return error
