"""What a file is by its first bytes, and whether that fits its extension."""

from __future__ import annotations

from typing import Final

from ..errors import ReadError

DATA_FORMATS: Final = ("sav", "zsav", "por", "dta", "sas7bdat", "xpt", "csv", "tsv", "tab", "xlsx", "xls", "parquet")
DELIMITED: Final = ("csv", "tsv", "tab")
WORKBOOKS: Final = ("xlsx", "xls")
DOCUMENT_FORMATS: Final = ("docx", "doc", "pdf", "html", "htm", "rtf", "txt", "md", *DELIMITED)
ARCHIVES: Final = ("gz", "zip")

_NAMES: Final = {
    "sav": "an SPSS file (.sav)",
    "zsav": "a compressed SPSS file (.zsav)",
    "por": "an SPSS portable file (.por)",
    "dta": "a Stata file (.dta)",
    "sas7bdat": "a SAS data set (.sas7bdat)",
    "xpt": "a SAS transport file (.xpt)",
    "xlsx": "an Excel workbook (.xlsx)",
    "xls": "an old Excel workbook (.xls)",
    "docx": "a Word document (.docx)",
    "doc": "an old Word document (.doc)",
    "rtf": "a Rich Text document (.rtf)",
    "html": "a web page (.html)",
    "parquet": "a parquet file (.parquet)",
    "gz": "a gzip file (.gz)",
    "zip": "a zip archive (.zip)",
    "pdf": "a PDF document",
    "ole": "an old Office file (.doc or .xls) or a password-protected one",
    "text": "plain text",
    "binary": "binary data of no known format",
}
_TEXT: Final = frozenset({*DELIMITED, "txt", "md", "html", "htm"})
_WORD: Final = {"ole": "doc", "rtf": "rtf", "docx": "docx"}  # what Word opens under the name .doc
_SAS7BDAT: Final = bytes.fromhex("000000000000000000000000c2ea8160b31411cfbd92080009c7318c181f1011")
_MAGIC: Final = (
    ("sav", b"$FL2"),
    ("zsav", b"$FL3"),
    ("dta", b"<stata_dta>"),
    ("sas7bdat", _SAS7BDAT),
    ("xpt", b"HEADER RECORD*******LIB"),
    ("parquet", b"PAR1"),
    ("gz", b"\x1f\x8b"),
    ("pdf", b"%PDF-"),
    ("rtf", b"{\\rtf"),
    ("ole", bytes.fromhex("d0cf11e0a1b11ae1")),
)
_BYTE_ORDER_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


def sniff(data: bytes) -> str:
    """The format of `data`: an extension of this module's lists, or pdf, ole, text, binary."""
    for name, magic in _MAGIC:
        if data.startswith(magic):
            return name
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(data)
    if b"SPSSPORT" in data[:600].replace(b"\r", b"").replace(b"\n", b""):
        return "por"
    # Stata before version 13: version, byte order, file type, and one zero
    if len(data) > 10 and 102 <= data[0] <= 115 and data[1] in (1, 2) and data[2] == 1 and data[3] == 0:
        return "dta"
    if data.startswith(_BYTE_ORDER_MARKS) or b"\x00" not in data[:65536]:
        return "text"
    return "binary"


def _zip_kind(data: bytes) -> str:
    """Office files are zip archives; the names of their parts stand in the directory at the end."""
    for name, part in (("xlsx", b"xl/workbook.xml"), ("docx", b"word/document.xml")):
        if part in data[-65536:] or part in data[:65536]:
            return name
    return "zip"


def require_format(data: bytes, extension: str, where: str, *, encoded: bool = False) -> str:
    """Refuse `data` that is empty or is not what `extension` (without dot) says, naming both.

    `encoded`: the study file names an encoding, so that text may hold any byte (UTF-16 without a byte order mark does).

    Returns:
        The format to parse it as: `extension`, or what a .doc holds (doc, rtf, docx).

    Raises:
        ReadError
    """
    if not data:
        raise ReadError("the file is empty", where=where, expected=_NAMES.get(extension, "text"), fix="fetch the deposit again")
    found = sniff(data)
    # a zip archive may hold an Office file's parts by chance of packing, and plain text carries no mark of its own
    if extension == "doc" and found in _WORD:
        return _WORD[found]
    fits = found == extension or (extension == "zip" and found in ("xlsx", "docx")) or (extension == "xls" and found == "ole")
    fits = fits or (extension in _TEXT and (found == "text" or (found == "binary" and encoded)))
    if not fits:
        raise ReadError(
            f"by its first bytes this is {_NAMES[found]}, but its name ends with .{extension}",
            where=where,
            expected=_NAMES.get(extension, f"plain text (.{extension})"),
            fix="check that the right file was fetched, or give it the extension of its format",
        )
    return extension
