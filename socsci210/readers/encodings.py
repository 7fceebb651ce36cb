"""Text from bytes: the encoding that was asked for, or the one that the bytes show."""

from __future__ import annotations

import codecs
from typing import Final

from ..errors import ReadError

_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decoded(data: bytes, encoding: str | None, where: str) -> tuple[str, str]:
    """The text and the encoding it was read with.

    Without `encoding`: a byte order mark decides; else UTF-8 if the bytes are; else Windows-1252, which older survey tools write.

    Raises:
        ReadError: the bytes do not fit; the message names byte offset and line.
    """
    if encoding is not None:
        return _strict(data, encoding, where), encoding
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _strict(data, name, where), name
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return _strict(data, "cp1252", where), "cp1252"


def _strict(data: bytes, encoding: str, where: str) -> str:
    try:
        return data.decode(encoding)
    except LookupError:
        raise ReadError(f"there is no encoding {encoding!r}", where=where, fix="use a name such as utf-8, cp1252 or utf-16") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ReadError(
            f"byte {data[error.start]:#04x} at offset {error.start} (line {line}) is not valid {encoding}",
            where=where,
            expected="UTF-8, UTF-16 with a byte order mark, Windows-1252, or the encoding named in the study file",
            fix="set encoding: in the study file's data section to the one the file was written with (such as latin-1 or mac-roman)",
        ) from None
