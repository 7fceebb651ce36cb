"""The Hub as a push sees it: one repository, asked with patience.

What is asked is asked through the public client. Those of its requests that it does not repeat by itself are repeated here: after 429 (for
as long as `Retry-After` says), after 5xx and after a lost connection. A token is read from where the client has it and is handed on to it;
`Guard` takes it out of everything that may be shown, logged or raised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ..errors import HubError
from ..retrying import LONGEST_RETRY_AFTER, Retry, causes_of, may_pass, retry_after, status_of
from .guard import MAY_NOT_WRITE, Token
from .package import CARD, REPO_TYPE, Kind, Say

_QUOTED: Final = 500  # characters of what the Hub says of a card
RETRY: Final = Retry(tries=6, first_wait=1.0)
"""How long one request is repeated: about half a minute in all, unless the Hub names more."""
_READERS: Final = ("none", "no_access", "read")
T = TypeVar("T")


@dataclass(frozen=True)
class Remote:
    """A file on the Hub: its size, the id that git gives it, and for large files its SHA-256."""

    size: int
    git: str
    sha256: str | None


@dataclass(frozen=True)
class State:
    """What a repository holds.

    Attributes:
        private: whether only its people see it.
        branches, tags: name -> commit.
        head: the last commit of the branch that is asked about; None where there is no such branch.
        files: at that commit.
        card: README.md at that commit.
    """

    private: bool
    branches: Mapping[str, str]
    tags: Mapping[str, str]
    head: str | None
    files: Mapping[str, Remote]
    card: str | None


def checked_id(repo: str) -> str:
    """A repository id that the Hub would take.

    Raises:
        HubError: it is not of the form `namespace/name`.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    expected = "namespace/name: letters, digits, '-', '_' and '.', at most 96 of them, no '--' or '..', none of '-' and '.' at an end"
    fix = "name the repository as it is to be called on the Hub, for example my-lab/my-dataset"
    try:
        validate_repo_id(repo)
    except HFValidationError:
        raise HubError(f"{repo!r} is not the id of a repository", expected=expected, fix=fix) from None
    if repo.count("/") != 1:
        raise HubError(f"{repo!r} names no user or organisation", expected=expected, fix=fix)
    return repo


class Hub:
    """One repository on the Hub, with the token of whoever pushes.

    Args:
        kind: what is pushed.
        repo: id of the repository, checked.
        token: may be empty.
        say: called with lines for a person.
    """

    def __init__(self, kind: Kind, repo: str, token: Token, say: Say) -> None:
        from huggingface_hub import HfApi

        self.kind, self.repo, self.type, self.token = kind, repo, REPO_TYPE[kind], token
        self.api = HfApi(token=token.value or False, library_name="socsci210")
        self.named: Final[dict[str, Any]] = {"repo_id": repo, "repo_type": self.type}
        self._say = say

    @property
    def url(self) -> str:
        """Where people see it."""
        prefix = "" if self.type == "model" else f"{self.type}s/"
        return f"{self.api.endpoint}/{prefix}{self.repo}"

    def say(self, line: str) -> None:
        """Tell a person."""
        self._say(self.token.scrubbed(line))

    def ask(self, doing: str, request: Callable[[], T]) -> T:
        """Make a request until it is answered.

        Args:
            doing: in words, for the line that tells of a wait.
            request: repeated as it is.

        Raises:
            Exception: of the client, once `RETRY` is used up or where trying again does not help.
        """
        failures = 0
        while True:
            try:
                return request()
            except Exception as error:
                failures += 1
                seconds = pause(error, failures)
                if seconds is None:
                    raise
                self.say(f"{doing}: {_what(causes_of(error))}; try {failures + 1} of {RETRY.tries} in {seconds:.1f} s")
            time.sleep(seconds)

    def exists(self) -> Any:
        """What the Hub says of the repository; None where there is none that this user sees."""
        from huggingface_hub.errors import RepositoryNotFoundError

        try:
            return self.ask("looking for the repository", lambda: self.api.repo_info(**self.named))
        except RepositoryNotFoundError:
            return None

    def state(self, branch: str) -> State | None:
        """What the repository holds on a branch; None where there is none that this user sees."""
        info = self.exists()
        if info is None:
            return None
        refs = self.ask("reading branches and tags", lambda: self.api.list_repo_refs(**self.named))
        branches = {ref.name: ref.target_commit for ref in refs.branches}
        head = branches.get(branch)
        files = self.files(head) if head else {}
        card = self._text(CARD, head) if head and CARD in files else None
        return State(bool(info.private), branches, {ref.name: ref.target_commit for ref in refs.tags}, head, files, card)

    def files(self, commit: str) -> dict[str, Remote]:
        """The files of a commit."""
        from huggingface_hub.hf_api import RepoFile

        # the client repeats the requests of listings by itself
        found = self.api.list_repo_tree(**self.named, revision=commit, recursive=True)
        return {one.path: Remote(one.size, one.blob_id, one.lfs.sha256 if one.lfs else None) for one in found if isinstance(one, RepoFile)}

    def head(self, branch: str) -> str:
        """The last commit of a branch."""
        info = self.ask("reading the last commit", lambda: self.api.repo_info(**self.named, revision=branch))
        return str(info.sha)

    def check_card(self, card: str) -> None:
        """Ask the Hub whether it takes the front matter of a card.

        Raises:
            HubError: it does not.
        """
        from huggingface_hub import RepoCard

        try:
            self.ask("having the card checked", lambda: RepoCard(card).validate(self.type))
        except ValueError as error:
            found = self.token.scrubbed(f"the Hub does not take the card: {error}")
            raise HubError(found[:_QUOTED], where=f"{self.repo}, README.md", fix="correct the front matter there, or here") from None

    def _text(self, path: str, commit: str) -> str:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils._headers import build_hf_headers
        from huggingface_hub.utils._http import get_session, hf_raise_for_status

        url = hf_hub_url(self.repo, path, repo_type=self.type, revision=commit, endpoint=self.api.endpoint)

        def read() -> str:
            answer = get_session().get(url, headers=build_hf_headers(token=self.token.value))
            hf_raise_for_status(answer)
            return answer.content.decode("utf-8", errors="replace")

        return self.ask(f"reading {path}", read)


def pause(error: BaseException, failures: int) -> float | None:
    """Seconds to wait before a failed request is made again; None where it is not."""
    from httpx2 import HTTPError

    causes = causes_of(error)
    if not any(isinstance(cause, HTTPError | ConnectionError | TimeoutError) or status_of([cause]) for cause in causes):
        return None
    if failures >= RETRY.tries or not may_pass(causes):
        return None
    asked = _asked_to_wait(causes)
    if asked is not None and asked > LONGEST_RETRY_AFTER:
        return None
    return max(RETRY.wait(failures), asked or 0.0)


def _asked_to_wait(causes: Sequence[BaseException]) -> float | None:
    answers = (getattr(cause, "response", None) for cause in causes)
    return next((retry_after(answer.headers) for answer in answers if answer is not None), None)


def _what(causes: Sequence[BaseException]) -> str:
    status = status_of(causes)
    return f"the Hub answered with status {status}" if status else f"no answer ({type(causes[-1]).__name__})"


# --- who may write -------------------------------------------------------------------------------------------------------------------


def check_token(token: Token, repo: str) -> None:
    """Make sure that there is a token.

    Raises:
        HubError: none was given or found.
    """
    if not token.value:
        fix = "hf auth login, or set HF_TOKEN to a token with write access (https://huggingface.co/settings/tokens)"
        raise HubError("no token was found", where=repo, expected="a token with write access", fix=fix)


def identity(hub: Hub) -> Mapping[str, Any]:
    """Who the token belongs to, as the Hub tells it.

    Raises:
        HubError: no token, or one that only reads.
    """
    check_token(hub.token, hub.repo)
    me: Mapping[str, Any] = hub.ask("asking who you are", hub.api.whoami)
    role = ((me.get("auth") or {}).get("accessToken") or {}).get("role")
    if role == "read":
        raise HubError("the token only reads", where=hub.repo, expected="a token with write access", fix=MAY_NOT_WRITE)
    return me


def check_permission(hub: Hub, me: Mapping[str, Any], *, exists: bool) -> None:
    """Make sure that somebody may write to the repository, or to its namespace where it is not there yet.

    Raises:
        HubError: they may not.
    """
    name, namespace = str(me["name"]), hub.repo.split("/")[0]
    if exists:
        return _check_write(hub, name)
    roles = {name: "admin"} | {str(org["name"]): str(org.get("roleInOrg")) for org in me.get("orgs", ())}
    open_to = [space for space, held in roles.items() if held not in _READERS]
    if namespace.casefold() not in map(str.casefold, open_to):
        found, expected = f"{name} may not create repositories in {namespace}", f"a namespace among {', '.join(sorted(open_to))}"
        raise HubError(found, where=hub.repo, expected=expected, fix=MAY_NOT_WRITE)


def _check_write(hub: Hub, name: str) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    try:
        hub.ask("asking whether you may write there", lambda: hub.api.auth_check(**hub.named, write=True))
    except HfHubHTTPError as error:
        if error.response.status_code not in (401, 403, 404):
            raise
        raise HubError(f"{name} may not write there", where=hub.repo, expected="write access", fix=MAY_NOT_WRITE) from None
