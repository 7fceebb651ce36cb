"""Where sources are, how patiently they are asked, and how much is taken: one settings object, from options and environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ..readers.archives import MAX_BYTES
from ..retrying import Retry
from .listing import FetchError, Reach

DEFAULTS: Final = {
    "osf": "https://api.osf.io",
    "dataverse": "https://dataverse.harvard.edu",
    "doi": "https://doi.org",
    "tess": "https://www.tessexperiments.org",
    "github": "https://api.github.com",
}
VARIABLES: Final = {name: f"SOCSCI210_{name.upper()}" for name in DEFAULTS}
HOSTS: Final = "SOCSCI210_FETCH_HOSTS"
OSF_TOKEN: Final = "OSF_TOKEN"
DATAVERSE_TOKEN: Final = "DATAVERSE_TOKEN"
GITHUB_TOKEN: Final = "GITHUB_TOKEN"


@dataclass(frozen=True)
class Settings:
    """How to fetch.

    Attributes:
        cache: folder that keeps every file that was fetched, by its content, for all studies.
        osf, dataverse, doi, tess, github: addresses of the services. One that is not the default was configured: it may be http, and on a
            private network.
        hosts: further hosts that redirects may lead to; as in `Reach`.
        osf_token, dataverse_token, github_token: personal access tokens; sent to that service alone and never shown.
        max_file: bytes of the largest file that is taken.
        max_files: files of the longest list that is read.
        retry: how long to go on asking a server that is busy or fails.
        timeout: seconds of silence until a connection counts as lost.
    """

    cache: Path
    osf: str = DEFAULTS["osf"]
    dataverse: str = DEFAULTS["dataverse"]
    doi: str = DEFAULTS["doi"]
    tess: str = DEFAULTS["tess"]
    github: str = DEFAULTS["github"]
    hosts: tuple[str, ...] = ()
    osf_token: str | None = field(default=None, repr=False)
    dataverse_token: str | None = field(default=None, repr=False)
    github_token: str | None = field(default=None, repr=False)
    max_file: int = MAX_BYTES
    max_files: int = 5_000
    retry: Retry = field(default_factory=Retry)
    timeout: float = 60.0

    @classmethod
    def from_environment(cls, cache: Path, environment: Mapping[str, str] = os.environ) -> Settings:
        """Settings from `SOCSCI210_OSF`, `_DATAVERSE`, `_DOI`, `_TESS`, `_GITHUB`, `SOCSCI210_FETCH_HOSTS` and the tokens
        `OSF_TOKEN`, `DATAVERSE_TOKEN` and `GITHUB_TOKEN`.

        Raises:
            FetchError: one of the addresses is not one.
        """
        given = {name: _address(environment.get(VARIABLES[name]) or default, VARIABLES[name]) for name, default in DEFAULTS.items()}
        return cls(
            cache=cache,
            osf=given["osf"],
            dataverse=given["dataverse"],
            doi=given["doi"],
            tess=given["tess"],
            github=given["github"],
            hosts=tuple(host.strip().lower() for host in environment.get(HOSTS, "").split(",") if host.strip()),
            osf_token=environment.get(OSF_TOKEN) or None,
            dataverse_token=environment.get(DATAVERSE_TOKEN) or None,
            github_token=environment.get(GITHUB_TOKEN) or None,
        )

    def configured(self, url: str) -> bool:
        """Whether a URL is at an address that somebody configured, so that it may be plain http and private."""
        return place(url) in {place(address) for name, address in self._addresses().items() if address != DEFAULTS[name]}

    def reach(self, service: str, *hosts: str) -> Reach:
        """The hosts of a service: its own address alone where that was configured, else `hosts` as well."""
        address = self._addresses()[service]
        known = hosts if address == DEFAULTS[service] else ()
        return Reach((urlsplit(address).netloc.lower(), *known, *self.hosts))

    def _addresses(self) -> dict[str, str]:
        return {"osf": self.osf, "dataverse": self.dataverse, "doi": self.doi, "tess": self.tess, "github": self.github}


def place(url: str) -> tuple[str, str]:
    """Scheme and host with port of a URL: two URLs that share them are at one server."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _address(value: str, variable: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise FetchError("not the address of a server", where=variable, expected="as https://api.osf.io", fix=f"correct {variable}")
    return value.rstrip("/")
