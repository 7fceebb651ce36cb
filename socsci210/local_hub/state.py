"""All that the Hub knows, and the two questions that every address asks of it: which repository, and may this user."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Mapping

from .exchange import Refused, Request
from .repositories import MAIN, Commit, Kind, Repository, Role, blob, first_files
from .users import User, may_download, may_read, may_write

ME, ORGANISATION = "me", "org"


class State:
    """Users, repositories and counters.

    Attributes:
        token: of the user `me`, who may write to the namespaces `me` and `org`.
        repositories: by (kind, id).
        requests: method and path of every request, in order.
        served: bytes of content sent, by path inside the repository.
        received: bytes of large files received, by SHA-256.
        tokens: what clients sent as tokens, valid or not.
        page: entries in one answer of a listing; clients ask for the next page.
        indiscreet: error messages repeat the client's token, as a proxy's might: nothing of them may reach a log.
    """

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.repositories: dict[tuple[Kind, str], Repository] = {}
        self.requests: list[tuple[str, str]] = []
        self.served: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.tokens: set[str] = set()
        self.page = 1000
        self.indiscreet = False
        self.lock = threading.RLock()
        self.token = self.add_user(ME, {ORGANISATION: "write"}).token

    def add_user(
        self, name: str, organisations: Mapping[str, Role] | None = None, *, token: str | None = None, read_only: bool = False
    ) -> User:
        """A new user; `read_only` tokens write nothing, whatever their owner may do."""
        user = User(name, token or f"hf_{secrets.token_hex(17)}", "read" if read_only else "write", dict(organisations or {}))
        self.users[user.token] = user
        return user

    def user_of(self, token: str | None) -> User | None:
        """Who sends a token.

        Raises:
            Refused: it is unknown or revoked.
        """
        if token is None:
            return None
        user = self.users.get(token)
        if user is None or user.revoked:
            raise Refused(401, "", "Invalid credentials in Authorization header")
        return user

    def create(self, kind: Kind, repo: str, *, private: bool = False, sdk: str | None = None, author: str = ME) -> Repository:
        """A new repository with the commit that the Hub itself makes."""
        repository = Repository(kind, repo, private=private)
        repository.add(MAIN, first_files(kind, repo.split("/")[-1], sdk), author=author, title="initial commit")
        self.repositories[kind, repo] = repository
        return repository

    def commit(
        self, kind: Kind, repo: str, files: Mapping[str, bytes], *, commit: str | None = None, branch: str = MAIN, message: str = "A commit"
    ) -> str:
        """Replace the files of a branch by `files`, in a new commit of a repository that is made where it does not stand.

        Returns:
            The id of the commit: `commit`, or one that depends on the content.
        """
        with self.lock:
            repository = self.repositories.setdefault((kind, repo), Repository(kind, repo))
            blobs = {path: blob(path, content) for path, content in files.items()}
            return repository.add(branch, blobs, author=ME, title=message, commit=commit).id

    def files(self, kind: Kind, repo: str, revision: str = MAIN) -> dict[str, bytes]:
        """The files of a revision, without those of the Hub itself."""
        commit = self.repositories[kind, repo].resolve(revision)
        if commit is None:
            raise KeyError(revision)
        return commit.contents

    # --- what the addresses ask ------------------------------------------------------------------------------------------------------

    def readable(self, request: Request) -> Repository:
        """The repository that a request names. Strangers are not told whether a private one exists.

        Raises:
            Refused: there is none, or the user may not know of it.
        """
        repository = self.repositories.get((kind_of(request), request.found["repo"]))
        if repository is None or not may_read(request.user, repository):
            raise Refused(404 if request.user else 401, "RepoNotFound", "Repository not found")
        return repository

    def downloadable(self, request: Request) -> Repository:
        """The repository that a request wants a file of."""
        repository = self.readable(request)
        if not may_download(request.user, repository):
            message = f"Access to {repository.kind} {repository.id} is restricted and you are not in the authorized list"
            raise Refused(403 if request.user else 401, "GatedRepo", message)
        return repository

    def writable(self, request: Request) -> Repository:
        """The repository that a request wants to change."""
        if request.user is None:
            raise Refused(401, "", "Invalid username or password.")
        repository = self.readable(request)
        if not may_write(request.user, repository):
            raise Refused(403, "", f"Forbidden: you must use a token with write access to {repository.id}")
        return repository

    def commit_of(self, repository: Repository, revision: str | None) -> Commit:
        """The commit that a revision means."""
        found = repository.resolve(revision or MAIN)
        if found is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return found


def kind_of(request: Request) -> Kind:
    """The kind of repository that an address names: `datasets` and `spaces` stand in front, models are named plainly."""
    named = request.found.get("kind") or "models"
    return "dataset" if named.startswith("datasets") else "space" if named.startswith("spaces") else "model"
