"""Bytes of a file, of a gzip file, or of one member of a zip archive, within limits that no honest deposit reaches."""

from __future__ import annotations

import fnmatch
import hashlib
import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from ..errors import ReadError
from .sniff import require_format

MAX_BYTES: Final = 2 << 30
MAX_MEMBERS: Final = 10_000
MAX_RATIO: Final = 250
_RATIO_FROM: Final = 32 << 20  # small files of one repeated byte compress 1000 to 1 without harm
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Content:
    """The bytes to parse, and where they are from."""

    data: bytes
    extension: str
    """Of the format to parse: that of the name, but for a .doc, which may hold other formats that Word opens."""
    sha256: str
    where: str
    """For messages: the file, and the member of the archive."""


def read_content(
    path: Path, *, sha256: str | None, extensions: Iterable[str], member: str | None = None, encoding: str | None = None
) -> Content:
    """Read a file, check its hash, take it out of its archive, and check its bytes against its extension.

    Args:
        path: the file. `.gz` and `.zip` around one of `extensions` are opened.
        sha256: expected hash of the whole file, or None.
        extensions: those that the caller can parse, without dot.
        member: glob that fits one member of a zip archive; may be left out where it holds one file.
        encoding: of text, where it was named.

    Raises:
        ReadError
    """
    allowed = tuple(extensions)
    where = str(path)
    data = _bytes_of(path)
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise ReadError(
            f"the sha256 of this file is {found}",
            where=where,
            expected=f"sha256 {sha256}",
            fix="fetch the file again; if the source published a new version, review what changed and update sha256 in the study file",
        )
    extension = _extension(path.name)
    if member is not None and extension != "zip":
        raise ReadError(f"member {member!r} was asked of a file that is no zip archive", where=where, fix="leave member out")
    if extension == "zip":
        require_format(data, "zip", where)
        name, data = _zip_member(data, member, where)
        extension, where = _extension(name), f"{where} (member {name})"
    elif extension == "gz":
        require_format(data, "gz", where)
        data = _gunzipped(data, where)
        extension = _extension(path.name.removesuffix(path.suffix))
    if extension not in allowed:
        raise ReadError(
            f"there is no reader for .{extension}",
            where=where,
            expected=", ".join(f".{known}" for known in allowed) + " (each also as .gz or in a .zip)",
            fix="convert the file, or name another one",
        )
    extension = require_format(data, extension, where, encoded=encoding is not None)
    if extension in ("xlsx", "docx"):
        _check_package(data, where)
    return Content(data, extension, found, where)


def _bytes_of(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would wait for ever
            raise ReadError(
                f"this is {'a folder' if path.is_dir() else 'a pipe or a device'}, not a regular file",
                where=str(path),
                expected="a file of a deposit",
                fix="name the file itself",
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise ReadError("there is no such file", where=str(path), fix="check the name, and that the deposit was fetched") from None
    except OSError as error:
        raise ReadError(f"the file cannot be read: {error.strerror}", where=str(path), fix="check that it is a file you may read") from None


def _extension(name: str) -> str:
    return PurePosixPath(name).suffix.lower().removeprefix(".")


def _bomb(where: str, size: int, packed: int) -> ReadError:
    return ReadError(
        f"this archive unpacks to {size:,} bytes or more from {packed:,}, as a zip bomb does",
        where=where,
        expected=f"at most {MAX_BYTES:,} bytes, and at most {MAX_RATIO} times its packed size",
        fix="if the file is honest, unpack it yourself and name the unpacked file",
    )


def _excessive(size: int, packed: int) -> bool:
    return size > MAX_BYTES or (size > _RATIO_FROM and size > MAX_RATIO * max(packed, 1))


def _gunzipped(data: bytes, where: str) -> bytes:
    """All members of a gzip file, one after the other."""
    out = io.BytesIO()
    rest = data
    try:
        while rest:
            stream = zlib.decompressobj(wbits=31)
            while not stream.eof:
                piece = stream.decompress(rest, _CHUNK)
                rest = stream.unconsumed_tail
                out.write(piece)
                if _excessive(out.tell(), len(data)):
                    raise _bomb(where, out.tell(), len(data))
                if not piece and not rest and not stream.eof:
                    raise ReadError("the gzip file ends too early", where=where, fix="fetch it again: it is cut short")
            rest = stream.unused_data.lstrip(b"\x00")  # padding after the last member is allowed
    except zlib.error as error:
        raise ReadError(f"the gzip file is damaged ({error})", where=where, fix="fetch it again") from None
    return out.getvalue()


def _zip_member(data: bytes, member: str | None, where: str) -> tuple[str, bytes]:
    if member is not None and _leaves(member):
        raise ReadError(
            f"member {member!r} leads out of the archive",
            where=where,
            expected="a relative name without '..'",
            fix="set member: to the name as the archive lists it",
        )
    with _opened(data, where) as archive:
        _check_entries(archive, len(data), where)
        names = [info.filename for info in archive.infolist() if not info.is_dir() and not _is_litter(info.filename)]
        fitting = names if member is None else [name for name in names if fnmatch.fnmatchcase(name, member)]
        if len(fitting) != 1:
            asked = "no member was named" if member is None else f"member {member!r} fits {len(fitting)} files"
            raise ReadError(
                f"{asked}; the archive holds {', '.join(names[:20]) or 'no file'}",
                where=where,
                expected="a glob that fits exactly one of them",
                fix="set member: in the study file's data section",
            )
        return fitting[0], _extracted(archive, archive.getinfo(fitting[0]), where)


def members(path: Path) -> Iterator[tuple[str, bytes | None]]:
    """Name and bytes of every file in a zip archive, one after the other; None for the bytes of an encrypted one.

    Raises:
        ReadError: it is no archive, or damaged, or unsafe: a bomb, or a name that leads out of it.
    """
    where = str(path)
    data = _bytes_of(path)
    require_format(data, "zip", where)
    with _opened(data, where) as archive:
        _check_entries(archive, len(data), where)
        for entry in archive.infolist():
            if not entry.is_dir() and not _is_litter(entry.filename):
                yield entry.filename, None if entry.flag_bits & 1 else _extracted(archive, entry, where)


def _is_litter(name: str) -> bool:
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith(".")


def _opened(data: bytes, where: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise ReadError(f"the zip archive is damaged ({error})", where=where, fix="fetch it again") from None


def _leaves(name: str) -> bool:
    """Whether a member's name leads out of its archive."""
    name = name.replace("\\", "/")
    return name.startswith("/") or ".." in name.split("/") or re.match(r"[A-Za-z]:", name) is not None


def _check_entries(archive: zipfile.ZipFile, packed: int, where: str) -> None:
    """Refuse names that lead out of the archive, and sizes that no honest archive declares."""
    entries = archive.infolist()
    for entry in entries:
        if _leaves(entry.filename):
            raise ReadError(
                f"the archive holds a member named {entry.filename!r}, which leads out of the archive",
                where=where,
                expected="relative names without '..'",
                fix="do not use this file: archives of honest deposits have no such names",
            )
    total = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_MEMBERS or _excessive(total, packed):
        raise _bomb(where, total, packed)


def _extracted(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, where: str) -> bytes:
    """One member; zipfile stops at its declared size, and its checksum fails where that is not the true one."""
    if entry.flag_bits & 1:
        raise ReadError(f"member {entry.filename} is encrypted", where=where, fix="unpack it yourself and name the unpacked file")
    try:
        return archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
        raise ReadError(f"member {entry.filename} is damaged ({error})", where=where, fix="fetch the archive again") from None


def _check_package(data: bytes, where: str) -> None:
    """The same checks for an Office file, on the true sizes of its parts: the libraries that parse it trust what it declares."""
    with _opened(data, where) as archive:
        _check_entries(archive, len(data), where)
        for entry in archive.infolist():
            _extracted(archive, entry, where)
