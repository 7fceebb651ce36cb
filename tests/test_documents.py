"""Documents as blocks: everything in its order, ids that never move."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from socsci210.checksums import file_sha256
from socsci210.errors import ReadError
from socsci210.readers import read_document
from socsci210.readers.documents import describe


@pytest.fixture()
def questionnaire(tmp_path: Path) -> Path:
    document = docx.Document()
    document.add_heading("Invented survey", 1)  # 0
    document.add_paragraph("")  # 1
    paragraph = document.add_paragraph("First line")  # 2
    paragraph.add_run().add_break()
    paragraph.add_run("second").bold = True
    paragraph.add_run("\tafter a tab")
    table = document.add_table(rows=2, cols=3)  # 3
    for row, cells in enumerate((("1", "Agree", "x"), ("2", "Disagree", "y"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    table.cell(0, 1).merge(table.cell(0, 2))
    document.add_paragraph("Last")  # 4
    path = tmp_path / "questionnaire.docx"
    document.save(str(path))
    return path


def test_paragraphs_and_tables_in_body_order(questionnaire: Path) -> None:
    document = read_document(questionnaire)
    assert [(block.id, block.kind, block.text) for block in document.blocks] == [
        ("0", "paragraph", "Invented survey"),
        ("1", "paragraph", ""),
        ("2", "paragraph", "First line\nsecond\tafter a tab"),
        ("3.0", "row", "1\tAgree\nx"),
        ("3.0.0", "cell", "1"),
        ("3.0.1", "cell", "Agree\nx"),
        ("3.1", "row", "2\tDisagree\ty"),
        ("3.1.0", "cell", "2"),
        ("3.1.1", "cell", "Disagree"),
        ("3.1.2", "cell", "y"),
        ("4", "paragraph", "Last"),
    ]
    assert document.sha256 == file_sha256(questionnaire)
    assert document.text("2") == document.text(2) == "First line\nsecond\tafter a tab"
    assert document.text("3.1.1") == "Disagree"


def test_describe_lists_what_can_be_quoted(questionnaire: Path) -> None:
    listed = describe(read_document(questionnaire))
    assert listed[:3] == [
        ("0", "paragraph", "Invented survey"),
        ("2", "paragraph", "First line\nsecond\tafter a tab"),
        ("3.0", "row", "1\tAgree\nx"),
    ]


def test_an_unknown_block_names_its_neighbours(questionnaire: Path) -> None:
    document = read_document(questionnaire)
    with pytest.raises(ReadError, match=r"there is no block '5'") as caught:
        document.text(5)
    assert "nearest are 4, 3.0" in caught.value.expected
    assert str(questionnaire) in caught.value.where
    assert "socsci210 blocks questionnaire.docx" in caught.value.fix
    with pytest.raises(ReadError, match=r"nearest are 3\.1\.2, 3\.1\.1"):
        document.text("3.1.3")
    with pytest.raises(ReadError, match="nearest are"):
        document.text("first")


MARKUP: dict[str, tuple[str, list[str]]] = {
    "link": (
        '<w:p {n}><w:hyperlink><w:r><w:t>a link</w:t></w:r></w:hyperlink><w:r><w:t xml:space="preserve"> after</w:t></w:r></w:p>',
        ["a link after"],
    ),
    "smart tag": ("<w:p {n}><w:smartTag><w:r><w:t>Boston</w:t></w:r></w:smartTag></w:p>", ["Boston"]),
    "tracked changes": (
        "<w:p {n}><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>",
        ["new"],
    ),
    "field": ("<w:p {n}><w:r><w:instrText>PAGE</w:instrText></w:r><w:fldSimple><w:r><w:t>7</w:t></w:r></w:fldSimple></w:p>", ["7"]),
    "hyphen": ("<w:p {n}><w:r><w:t>pro</w:t><w:noBreakHyphen/><w:t>life</w:t></w:r></w:p>", ["pro-life"]),
    "content control": (
        "<w:sdt {n}><w:sdtContent><w:p><w:r><w:t>one</w:t></w:r></w:p><w:p><w:r><w:t>two</w:t></w:r></w:p></w:sdtContent></w:sdt>",
        ["one", "two"],
    ),
    "text box": (
        '<w:p {n} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><w:r><w:t>Before</w:t></w:r><mc:AlternateContent>'
        '<mc:Choice Requires="wps"><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></mc:Choice>'
        "<mc:Fallback><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></mc:Fallback></mc:AlternateContent></w:p>",
        ["Before\nboxed"],
    ),
    "nested table": (
        "<w:tbl {n}><w:tr><w:tc><w:p><w:r><w:t>outer</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc>"
        "<w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:tc></w:tr></w:tbl>",
        ["outer\na\tb", "outer\na\tb"],
    ),
}


@pytest.mark.parametrize("name", MARKUP)
def test_words_inside_other_markup_are_read(tmp_path: Path, name: str) -> None:
    markup, texts = MARKUP[name]
    document = docx.Document()
    body: Any = document.element.body
    body.insert(0, parse_xml(markup.replace("{n}", nsdecls("w"))))
    path = tmp_path / "odd.docx"
    document.save(str(path))
    assert [block.text for block in read_document(path).blocks] == texts


def test_lines_of_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "questionnaire.txt"
    path.write_bytes("Q1. How?\r\n\r\nAgree\x0b or\u2028not\n".encode())
    document = read_document(path)
    assert [(block.id, block.kind, block.text) for block in document.blocks] == [
        ("0", "line", "Q1. How?"),
        ("1", "line", ""),
        ("2", "line", "Agree\x0b or\u2028not"),
    ]
    path.write_bytes("“Agree”".encode("cp1252"))
    assert read_document(path).text(0) == "“Agree”"
    packed = tmp_path / "questionnaire.txt.gz"
    packed.write_bytes(gzip.compress(b"one\ntwo"))
    assert read_document(packed).text(1) == "two"


def test_second_header_row_of_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "raw.csv"
    path.write_text('id,dv_1\n"Response, ID","How much\ndo you agree?"\nR_1,4\n')
    document = read_document(path)
    assert [(block.id, block.kind, block.text) for block in document.blocks] == [
        ("id", "cell", "Response, ID"),
        ("dv_1", "cell", "How much\ndo you agree?"),
    ]
    with pytest.raises(ReadError, match="nearest are dv_1"):
        document.text("dv_2")


def test_bad_documents(tmp_path: Path) -> None:
    path = tmp_path / "questionnaire.docx"
    for content, message in (
        (b"", "the file is empty"),
        (b"plain words", "by its first bytes this is plain text, but its name ends with .docx"),
        (b"PK\x03\x04 word/document.xml", "damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(ReadError, match=message) as caught:
            read_document(path)
        assert str(path) in str(caught.value)
        assert caught.value.fix
    docx.Document().save(str(path))
    with pytest.raises(ReadError, match="holds no text"):
        read_document(path)
    with pytest.raises(ReadError, match="sha256 of this file is"):
        read_document(path, sha256="0" * 64)
    (tmp_path / "x.odt").write_bytes(b"PK")
    with pytest.raises(ReadError, match=r"there is no reader for \.odt"):
        read_document(tmp_path / "x.odt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("declared", ['SYSTEM "file:///etc/hostname"', '"dear"'])
def test_a_document_with_entities_is_refused(tmp_path: Path, declared: str, encoding: str) -> None:
    """They would name other files, or stand for words that the parser leaves out without saying so."""
    path = tmp_path / "q.docx"
    docx.Document().save(str(path))
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    rest = parts["word/document.xml"].decode().split("?>", 1)[1]
    run = "<w:body><w:p><w:r><w:t>Hello &x; words</w:t></w:r></w:p>"
    head = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE d [<!ENTITY x {declared}>]>'
    parts["word/document.xml"] = (head + rest.replace("<w:body>", run, 1)).encode(encoding)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    with pytest.raises(ReadError, match=r"q\.docx: part /word/document\.xml carries a document type declaration"):
        read_document(path)


@pytest.mark.parametrize(
    ("study", "file", "blocks"),
    [
        ("schuldt301", "questionnaire.docx", 579),
        ("singer251", "questionnaire.docx", 440),
        ("holbrook120", "questionnaire.docx", 129),
        ("kallaBR42", "questionnaire.docx", 974),
        ("ryanS14", "Codebook.docx", 207),
        ("ryanS14", "Codebook.docx.txt", 206),
    ],
)
def test_ids_of_real_documents_do_not_move(deposits_dir: Path, study: str, file: str, blocks: int) -> None:
    """Study files quote by id: another number of blocks means that quotations have moved."""
    document = read_document(deposits_dir / study / file)
    ids = [block.id for block in document.blocks]
    assert len(set(ids)) == len(ids)
    assert sum(name[0].isdecimal() for name in ids[:blocks]) == blocks
    assert all(name.startswith(("header", "footer")) for name in ids[blocks:])


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


@pytest.mark.parametrize("study", ["schuldt301", "singer251", "holbrook120", "kallaBR42"])
def test_every_word_of_a_real_document_is_read(deposits_dir: Path, study: str) -> None:
    """A plain-text copy stands beside each questionnaire (with other white space): all its lines are in the blocks."""
    words = _letters(
        "".join(block.text for block in read_document(deposits_dir / study / "questionnaire.docx").blocks if block.kind != "row")
    )
    lines = [_letters(block.text) for block in read_document(deposits_dir / study / "questionnaire.txt").blocks]
    absent = [line for line in lines if line not in words]
    assert not absent, absent[:5]
