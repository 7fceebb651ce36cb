"""Old Word documents: words, tables, notes and fields out of the binary format, and files that are no such thing."""

from __future__ import annotations

import io
import random
from pathlib import Path

import docx
import pytest

from socsci210.errors import ReadError
from socsci210.readers import read_document

from .old_word import DELETED, IN_TABLE, ROW_END, TABLE_SHAPE, compound, word

BODY = [
    ("Invented survey\r", b"", b""),
    ("\r", b"", b""),
    ("Do you ", b"", b""),
    ("not ", b"", DELETED),
    ("“like”\x0brain\x1eclouds\x1f?\r", b"", b""),
    ("1\x07", IN_TABLE, b""),
    ("Agree\rfully\x07", IN_TABLE, b""),
    ("\x07", TABLE_SHAPE + ROW_END, b""),
    ("2\x07", IN_TABLE, b""),
    ("\x07", TABLE_SHAPE + IN_TABLE, b""),
    ("\x07", ROW_END, b""),
    ('See \x13 HYPERLINK "x" \x14the page\x15.\x02\r', b"", b""),
    ("Before\x0cafter\r", b"", b""),
    ("Section\x0c", b"", b""),
    ("Last\r", b"", b""),
]
BLOCKS = [
    ("0", "paragraph", "Invented survey"),
    ("1", "paragraph", ""),
    ("2", "paragraph", "Do you “like”\nrain-clouds?"),
    ("3.0", "row", "1\tAgree\nfully"),
    ("3.0.0", "cell", "1"),
    ("3.0.1", "cell", "Agree\nfully"),
    ("3.1", "row", "2\t"),
    ("3.1.0", "cell", "2"),
    ("3.1.1", "cell", ""),
    ("4", "paragraph", "See the page."),
    ("5", "paragraph", "Before\nafter"),
    ("6", "paragraph", "Section"),
    ("7", "paragraph", "Last"),
]


def refused(path: Path, data: bytes, match: str) -> ReadError:
    path.write_bytes(data)
    with pytest.raises(ReadError, match=match) as caught:
        read_document(path)
    assert str(path) in str(caught.value)
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("flags", [0x0200, 0])
def test_words_tables_fields_and_tracked_changes(tmp_path: Path, wide: bool, flags: int) -> None:
    path = tmp_path / "questionnaire.doc"
    path.write_bytes(word(BODY, wide=wide, flags=flags))
    assert [(block.id, block.kind, block.text) for block in read_document(path).blocks] == BLOCKS


def test_notes_stand_behind_the_body(tmp_path: Path) -> None:
    path = tmp_path / "questionnaire.doc"
    path.write_bytes(word(BODY, [("\x02 A note\r", b"", b""), ("\r", b"", b""), ("Another 😀\r", b"", b"")]))
    assert [(block.id, block.kind, block.text) for block in read_document(path).blocks] == [
        *BLOCKS,
        ("footnote1.0", "footnote", " A note"),
        ("footnote1.2", "footnote", "Another 😀"),
    ]


def test_what_word_opens_under_the_name_doc(tmp_path: Path) -> None:
    path = tmp_path / "questionnaire.doc"
    path.write_bytes(rb"{\rtf1\ansi One\par Two\par}")
    assert [block.text for block in read_document(path).blocks] == ["One", "Two"]
    document = docx.Document()
    document.add_paragraph("New form")
    stream = io.BytesIO()
    document.save(stream)
    path.write_bytes(stream.getvalue())
    assert read_document(path).text(0) == "New form"


def test_files_that_are_no_readable_word_document(tmp_path: Path) -> None:
    path = tmp_path / "q.doc"
    refused(path, word(BODY, flags=0x0300), "encrypted with a password")
    refused(path, compound({"EncryptedPackage": b"x" * 5000}), "encrypted with a password")
    refused(path, word(BODY, version=104), "older than Word 97")
    refused(path, compound({"Workbook": b"x" * 5000}), "holds no Word document")
    refused(path, word(BODY, drop="1Table"), "damaged")
    refused(path, b"plain words", "by its first bytes this is plain text, but its name ends with .doc")
    refused(path, word([("\r", b"", b"")]), "holds no text")
    refused(path, word(BODY)[:400], "damaged")


def test_chains_that_never_end(tmp_path: Path) -> None:
    data = bytearray(compound({"WordDocument": b"x" * 5000}))
    table = len(data) - 512
    data[table : table + 8] = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # sector 0 leads to 1 and 1 to 0
    refused(tmp_path / "q.doc", bytes(data), "never ends")


def test_damage_is_told_or_harmless(tmp_path: Path) -> None:
    """Bytes changed anywhere: a message that names the file, or blocks; no other error."""
    path = tmp_path / "q.doc"
    whole, told = word(BODY), 0
    for seed in range(300):
        chance = random.Random(seed)
        data = bytearray(whole)
        for _ in range(chance.choice((1, 4, 40))):
            data[chance.randrange(8, len(data))] = chance.choice((0, 1, 255, chance.randrange(256)))
        path.write_bytes(bytes(data[: chance.choice((len(data), len(data) // 2))]))
        try:
            assert read_document(path).blocks
        except ReadError as error:
            assert str(path) in str(error)
            told += 1
    assert 100 < told < 300
