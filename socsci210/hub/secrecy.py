"""Secrets: how files that hold them are called, and what they look like in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

_FOLDERS: Final = frozenset({".git", ".ssh", ".aws", ".gnupg", ".azure", ".gcloud", ".kube", ".docker", ".huggingface", ".hg", ".svn"})
_FILES: Final = re.compile(
    r"""(?ix) \.env(\..*)? | .*\.env | \.?_?netrc | \.npmrc | \.yarnrc(\.yml)? | \.pypirc | pip\.conf | \.pgpass | \.my\.cnf | \.htpasswd
    | \.git | \.git-credentials | \.gitconfig | (hf_|access_|auth_|api_)?tokens?(\.txt)? | stored_tokens | \.token
    | .*\.(pem|key|p12|pfx|jks|keystore|kdbx|ppk|asc) | id_(rsa|dsa|ecdsa|ed25519)(_\w+)?
    | credentials?(\.(json|ya?ml|toml|ini|csv|txt))? | client_secret.*\.json | service[_-]?account.*\.json
    | \.?secrets?(\.(json|ya?ml|toml|ini|env|txt))? | (api|private|secret)[_-]?keys?(\.\w+)? | passwords?(\.\w+)?
    | \.(ba|z|k)?sh_history | \.python_history"""
)
_ASSIGNED: Final = rb"['\"]?\s{0,4}[=:]\s{0,4}['\"]?"
_SECRETS: Final[Mapping[str, tuple[tuple[bytes, ...], bytes]]] = {
    "a Hugging Face token": ((b"hf_", b"api_org_"), rb"(?<![A-Za-z0-9_])(?:hf|api_org)_[A-Za-z0-9]{30,}"),
    "an API key": ((b"sk-",), rb"(?<![A-Za-z0-9_-])sk-(?=[A-Za-z_-]{0,99}[0-9])[A-Za-z0-9_-]{20,}"),
    "an AWS key id": ((b"AKIA", b"ASIA"), rb"(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])"),
    "an AWS key": (
        (b"aws_se", b"AWS_SE"),
        rb"(?i:aws_secret_access_key|aws_session_token)" + _ASSIGNED + rb"[A-Za-z0-9/+=]{30,}",
    ),
    "a private key": ((b"-----BEGIN",), rb"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"),
    "a PuTTY key": ((b"PuTTY-User-Key",), rb"PuTTY-User-Key-File-\d"),
    "a GitHub token": (
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
        rb"(?<![A-Za-z0-9_])(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
    ),
    "a GitLab token": ((b"glpat-",), rb"(?<![A-Za-z0-9_])glpat-[A-Za-z0-9_-]{20,}"),
    "a Slack token": ((b"xox",), rb"(?<![A-Za-z0-9_])xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "a Google key": ((b"AIza",), rb"(?<![A-Za-z0-9_])AIza[0-9A-Za-z_-]{35}"),
    "a token of a package registry": (
        (b"npm_", b"pypi-"),
        rb"(?<![A-Za-z0-9_])(?:npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,})",
    ),
    "a login of a package registry": ((b":_auth", b":_pass"), rb":_(?:authToken|password)" + _ASSIGNED + rb"[A-Za-z0-9+/=_-]{8,}"),
    "a login with its password": ((b"machine",), rb"machine\s{1,8}\S{1,99}\s{1,8}login\s{1,8}\S{1,99}\s{1,8}password\s{1,8}\S"),
}
"""What -> how it begins, which is looked for first because that is fast, and what it looks like as a whole."""
_LOOKS: Final = {what: (begins, re.compile(pattern)) for what, (begins, pattern) in _SECRETS.items()}
_CHUNK: Final = 1 << 22
_OVERLAP: Final = 1 << 10  # bytes: longer than what makes any of these known
_WEIGHTS: Final = ".safetensors"
_LENGTH: Final = 8  # bytes in front of the header of a safetensors file that tell how long it is
_LONGEST_HEADER: Final = 1 << 27


def name_fault(name: str) -> str | None:
    """Why a file of this name (path in the repository) is not published; None where nothing is known against it."""
    parts = PurePosixPath(name).parts
    if any(part.lower() in _FOLDERS for part in parts):
        return "in a folder that holds secrets or history"
    return "a file of this name holds secrets" if _FILES.fullmatch(parts[-1]) else None


def secrets_in(text: bytes, token: str = "") -> Iterator[tuple[str, int]]:
    """(what, place) of what in a text looks like a secret, the first of each kind, and of this token."""
    for what, (begins, pattern) in _LOOKS.items():
        places = (at for begin in begins for at in _places(text, begin) if pattern.match(text, at))
        if (first := next(places, None)) is not None:
            yield what, first
    if token and (at := text.find(token.encode())) >= 0:
        yield "your own token", at


def _places(text: bytes, begin: bytes) -> Iterator[int]:
    at = text.find(begin)
    while at >= 0:
        yield at
        at = text.find(begin, at + 1)


def secrets_in_file(path: Path, token: str = "") -> Iterator[tuple[str, int]]:
    """(what, line) of every kind of secret in a file, the first of each."""
    seen: set[str] = set()
    before, line = b"", 1
    for chunk in _chunks(path):
        text = before + chunk
        for what, at in secrets_in(text, token):
            if what not in seen:
                seen.add(what)
                yield what, line + text.count(b"\n", 0, at)
        before = text[-_OVERLAP:]
        line += text.count(b"\n", 0, len(text) - len(before))


def _chunks(path: Path) -> Iterator[bytes]:
    """A file piece by piece; of weights, which are numbers, the header alone."""
    with path.open("rb") as file:
        if path.suffix == _WEIGHTS:
            length = int.from_bytes(file.read(_LENGTH), "little")
            yield file.read(min(length, _LONGEST_HEADER))
            return
        while chunk := file.read(_CHUNK):
            yield chunk
