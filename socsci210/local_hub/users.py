"""Who uses the Hub, and what they may read and write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .repositories import Repository, Role


@dataclass
class User:
    """A person with one token.

    Attributes:
        scope: what the token allows, whatever its owner may do.
        organisations: role in each organisation that the user belongs to.
        revoked: the token is not valid any more.
    """

    name: str
    token: str = field(repr=False)
    scope: Literal["read", "write"] = "write"
    organisations: Mapping[str, Role] = field(default_factory=dict)
    revoked: bool = False

    def role(self, namespace: str) -> Role:
        """What the user may do with the repositories of a namespace."""
        return "write" if namespace == self.name else self.organisations.get(namespace, "none")

    def described(self) -> dict[str, Any]:
        """The answer to `whoami`."""
        orgs = [{"type": "org", "name": name, "fullname": name, "roleInOrg": role} for name, role in self.organisations.items()]
        token = {"type": "access_token", "accessToken": {"displayName": "local", "role": self.scope}}
        return {"type": "user", "id": self.name, "name": self.name, "fullname": self.name, "isPro": False, "orgs": orgs, "auth": token}


def role_in(user: User | None, repository: Repository) -> Role:
    """What somebody may do with a repository: its own list first, then the namespace, then the public."""
    public: Role = "none" if repository.private else "read"
    if user is None:
        return public
    given = repository.roles.get(user.name) or user.role(repository.namespace)
    return given if given != "none" or user.name in repository.roles else public


def may_read(user: User | None, repository: Repository) -> bool:
    """Whether somebody may know of a repository."""
    return role_in(user, repository) != "none"


def may_download(user: User | None, repository: Repository) -> bool:
    """Whether somebody may have its files; those of a gated repository are for its own people and those who were let in."""
    if not repository.gated:
        return may_read(user, repository)
    return user is not None and (user.name in repository.granted or user.role(repository.namespace) != "none")


def may_write(user: User | None, repository: Repository) -> bool:
    """Whether somebody may change a repository."""
    return user is not None and user.scope == "write" and role_in(user, repository) == "write"
