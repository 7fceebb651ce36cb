"""A wheel of the installed package: the code that runs here, in one file that pip installs."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ..errors import HubError
from .secrecy import name_fault, secrets_in

PARTS: Final = ("", ".cards", ".loaders", ".metrics", ".train")
"""Packages that lie in folders of their own in a source tree; installed from a wheel, all lie in the first one's."""
_THEN: Final = (2020, 1, 1, 0, 0, 0)  # the same code makes the same bytes
_TAG: Final = "Wheel-Version: 1.0\nGenerator: socsci210\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path) -> Path:
    """Write the wheel of the package that is installed here, the same bytes for the same files.

    Args:
        folder: where to.

    Returns:
        The wheel, named as pip wants it.

    Raises:
        HubError: a file lies among the code that holds a secret.
    """
    installed = distribution("socsci210")
    info = f"socsci210-{installed.version}.dist-info"
    content = dict(_sources())
    _check_secrets(content)
    content[f"{info}/METADATA"] = (installed.read_text("METADATA") or installed.read_text("PKG-INFO") or "").encode()
    content[f"{info}/WHEEL"] = _TAG.encode()
    content[f"{info}/entry_points.txt"] = (installed.read_text("entry_points.txt") or "").encode()
    record = [f"{name},sha256={_hash(data)},{len(data)}" for name, data in content.items()]
    content[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    path = folder / f"socsci210-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in content.items():
            entry = zipfile.ZipInfo(name, _THEN)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, data)
    return path


def _check_secrets(content: Mapping[str, bytes]) -> None:
    """What lies packed in a wheel is not seen by those who look through the files of a push."""
    for name, data in content.items():
        if found := name_fault(name) or next((f"{what} in it" for what, _ in secrets_in(data)), None):
            raise HubError(
                f"{name}: {found}", where="the installed package", expected="code without secrets", fix="take the file out of it"
            )


def _sources() -> Iterator[tuple[str, bytes]]:
    """(name in the wheel, content) of every file of the package, compiled ones left out."""
    found: dict[str, Path] = {}
    for part in PARTS:
        spec = find_spec(f"socsci210{part}")
        if spec is None or spec.submodule_search_locations is None:
            raise ModuleNotFoundError(f"socsci210{part}")
        folder = Path(spec.submodule_search_locations[0])
        for path in folder.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found["/".join(["socsci210", *part.split(".")[1:], *path.relative_to(folder).parts])] = path
    for name in sorted(found):
        yield name, found[name].read_bytes()


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
