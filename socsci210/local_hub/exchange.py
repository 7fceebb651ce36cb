"""One request and its answer, apart from the connection that carries them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from .users import User


@dataclass(frozen=True)
class Request:
    """What a client asked.

    Attributes:
        address: the whole of it, without the query.
        found: the parts of the address that its pattern names, without percent escapes.
        query: of the address, as lists of values.
        user: whose valid token came with the request.
        server: address of the server.
    """

    address: str
    found: Mapping[str, str]
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    user: User | None
    server: str

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; an empty body is an empty object."""
        try:
            value = json.loads(self.body or b"{}")
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise Refused(400, "", "The body is not a JSON object")
        return cast("dict[str, Any]", value)

    def flag(self, name: str) -> bool:
        """A parameter of the query that is on or off."""
        return self.query.get(name, ["false"])[0].lower() in ("1", "true")


@dataclass
class Answer:
    """What the server says. `content_of`: the file of a repository whose bytes the body holds."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_of: str | None = None


class Refused(Exception):
    """A request that is answered with an error.

    Args:
        status: of HTTP.
        code: what `X-Error-Code` says; the clients choose their exception by it.
        message: for people.
    """

    def __init__(self, status: int, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details

    def answer(self) -> Answer:
        headers = {"X-Error-Message": self.message} | ({"X-Error-Code": self.code} if self.code else {})
        return said({"error": self.message, **self.details}, status=self.status, headers=headers)


def said(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer in JSON."""
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})
