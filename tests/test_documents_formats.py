"""PDF, web pages, Rich Text and Markdown as blocks; notes and headers of Word documents."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import docx
import pypdf
import pytest
from docx.oxml.ns import nsdecls

from socsci210.blocks import blocks_of
from socsci210.errors import ReadError
from socsci210.readers import documents, documents_pdf, read_document
from socsci210.study_file import Quote
from socsci210.texts import Sources, resolve


def blocks(path: Path) -> list[tuple[str, str, str]]:
    return [(block.id, block.kind, block.text) for block in read_document(path).blocks]


def texts(path: Path, content: str | bytes) -> list[str]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [block.text for block in read_document(path).blocks]


def refused(path: Path, content: bytes, match: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ReadError, match=match) as caught:
        read_document(path)
    assert str(path) in str(caught.value)
    assert caught.value.fix


# --- pdf -----------------------------------------------------------------------------------------------------------------------------


def pdf(pages: Sequence[Sequence[str]], *, packed: bool = False) -> bytes:
    """Pages of lines in Helvetica, from top to bottom; an empty line leaves its place free."""
    numbers = range(4, 4 + 2 * len(pages), 2)
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(b"%d 0 R" % n for n in numbers), len(pages)),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    }
    for number, lines in zip(numbers, pages, strict=True):
        shown = [f"({line}) Tj" if line else "" for line in lines]
        stream = ("BT /F1 12 Tf 14 TL 72 720 Td " + " T* ".join(shown) + " ET").encode("cp1252")
        stream, how = (zlib.compress(stream), b"/Filter /FlateDecode ") if packed else (stream, b"")
        media = b"/MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
        objects[number] = b"<< /Type /Page /Parent 2 0 R %s /Contents %d 0 R >>" % (media, number + 1)
        objects[number + 1] = b"<< %s/Length %d >>\nstream\n%s\nendstream" % (how, len(stream), stream)
    data, places = b"%PDF-1.4\n", []
    for number in sorted(objects):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, objects[number])
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return data + end % (len(objects) + 1, table, len(objects) + 1, len(data))


def test_lines_of_a_pdf(tmp_path: Path) -> None:
    path = tmp_path / "codebook.pdf"
    for packed in (False, True):
        path.write_bytes(pdf([["Invented survey", "Q1. Do you “like” rain?", "1  Yes"], ["Page two"]], packed=packed))
        assert blocks(path) == [
            ("p1.1", "line", "Invented survey"),
            ("p1.2", "line", "Q1. Do you “like” rain?"),
            ("p1.3", "line", "1  Yes"),
            ("p2.1", "line", "Page two"),
        ]
    with pytest.raises(ReadError, match=r"there is no block 'p1\.4'") as caught:
        read_document(path).text("p1.4")
    assert "nearest are p1.3, p1.2" in caught.value.expected


def test_study_files_quote_every_format(tmp_path: Path) -> None:
    for name, content, block in (
        ("q.pdf", pdf([["Title", "Do you like rain?"]]), "p1.2"),
        ("q.html", b"<table><tr><td>1<td>Do you like rain?</table>", "0.0.1"),
        ("q.rtf", rb"{\rtf1 Title\par Do you like rain?\par}", 1),
        ("q.md", b"# Title\nDo you like rain?\n", 1),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        sources = Sources({"q": read_document(path)}, {}, {}, inline_allowed=False, name="invented")
        assert resolve([Quote(doc="q", blocks=(block,))], sources, {}, ()) == "Do you like rain?"


def test_protected_pdfs(tmp_path: Path) -> None:
    """One that anybody may open is read; one that asks for a password is told."""
    path = tmp_path / "codebook.pdf"
    for password in ("", "secret"):
        writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf([["Open words"]])))
        writer.encrypt(password, owner_password="owner", algorithm="RC4-128")
        writer.write(path)
        if password:
            refused(path, path.read_bytes(), "encrypted with a password")
        else:
            assert blocks(path) == [("p1.1", "line", "Open words")]


def test_pdfs_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "codebook.pdf"
    refused(path, b"%PDF-1.7", "the PDF document is damaged")
    refused(path, b"%PDF-1.7\n" + bytes(range(256)) * 40, "the PDF document is damaged")
    refused(path, pdf([[""]]), "its pages are pictures, as scanners make them")
    refused(path, b"<html>not found</html>", "by its first bytes this is plain text, but its name ends with .pdf")
    monkeypatch.setattr(documents_pdf, "MAX_PAGES", 2)
    refused(path, pdf([["a"], ["b"], ["c"]]), "the PDF document has 3 pages")
    bomb = zlib.compress(b" " * (200 << 20), 9)
    whole = pdf([["words"]])
    stream = whole[whole.index(b"<< /Length") : whole.index(b"endstream")]
    packed = b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\n" % (len(bomb), bomb)
    refused(path, whole.replace(stream, packed), "damaged|pictures")


# --- web pages -----------------------------------------------------------------------------------------------------------------------

PAGE = """<!DOCTYPE html><html><head><title>Invented survey</title><style>p {color: red}</style><script>var q = "<p>no</p>";</script></head>
<body><!-- a note --><h1>Part&nbsp;A</h1><div>Do you
   <b>like</b> rain &amp; snow?<br>Really?</div>
<table><tr><th>Code</th><th>Label</th></tr><tr><td>1</td><td><p>Agree</p><p>fully</p></td></tr></table>
<ul><li>One<li>Two</ul><select><option>Yes</option><option>No</option></select><p><img src="x.png" alt="A red bar"></p>
<pre>  Q1  a
  Q2</pre></body></html>"""


def test_paragraphs_and_tables_of_a_web_page(tmp_path: Path) -> None:
    path = tmp_path / "questionnaire.html"
    path.write_text(PAGE)
    assert blocks(path) == [
        ("0", "paragraph", "Invented survey"),
        ("1", "paragraph", "Part\u00a0A"),
        ("2", "paragraph", "Do you like rain & snow?\nReally?"),
        ("3.0", "row", "Code\tLabel"),
        ("3.0.0", "cell", "Code"),
        ("3.0.1", "cell", "Label"),
        ("3.1", "row", "1\tAgree\nfully"),
        ("3.1.0", "cell", "1"),
        ("3.1.1", "cell", "Agree\nfully"),
        ("4", "paragraph", "One"),
        ("5", "paragraph", "Two"),
        ("6", "paragraph", "Yes"),
        ("7", "paragraph", "No"),
        ("8", "paragraph", "A red bar"),
        ("9", "paragraph", "Q1  a"),
        ("10", "paragraph", "Q2"),
    ]


def test_a_table_around_tables_is_layout(tmp_path: Path) -> None:
    page = "<table><tr><td>Top<td><table><tr><td>1<td>Yes</table>Below</table><p>End"
    path = tmp_path / "q.htm"
    path.write_text(page)
    assert [(block, text) for block, kind, text in blocks(path) if kind != "cell"] == [
        ("0", "Top"),
        ("1.0", "1\tYes"),
        ("2", "Below"),
        ("3", "End"),
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('<meta charset="iso-8859-1"><p>\x93caf\xe9\x94'.encode("latin-1"), "“café”"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=windows-1251"><p>да'.encode("cp1251"), "да"),
        ('<meta charset="windows-1251"><p>да'.encode(), "да"),
        ("<p>да".encode("utf-16"), "да"),
        (b"<meta charset='no-such'><p>caf\xe9", "café"),
        (b"plain & simple", "plain & simple"),
    ],
)
def test_encodings_and_odd_pages(tmp_path: Path, content: bytes, text: str) -> None:
    assert texts(tmp_path / "q.html", content) == [text]


# --- rich text -----------------------------------------------------------------------------------------------------------------------

RICH = rb"""{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\froman\fcharset0 Times;}{\f1\fswiss\fcharset204 Arial;}}{\colortbl;\red0;}
{\stylesheet{\s1 heading 1;}}{\*\generator Word;}{\info{\title No}}{\header Top line\par}
\pard\s1 Invented survey\par\par
Do you {\b \'93like\'94} rain\_clouds\u8230?\line Really\~so\emdash{\deleted not }yes?\par
\pard\intbl 1\cell Agree\par fully\cell\row\intbl 2\cell\cell\row
\pard See {\field{\*\fldinst HYPERLINK "x"}{\fldrslt the page}}.{\footnote A note\par}{\pict\wmetafile8 0100ab}\par
{\f1 \'e4\'e0} {\uc2\u1076\'3f\'3f}\u-10179?\u-8704?\tab\{x\}\par
{\shp{\*\shpinst{\sp{\sn a}{\sv 1}}{\shptxt Boxed\par}}{\shprslt Boxed again}}Last}"""


def test_rich_text(tmp_path: Path) -> None:
    path = tmp_path / "codebook.rtf"
    path.write_bytes(RICH)
    assert blocks(path) == [
        ("0", "paragraph", "Invented survey"),
        ("1", "paragraph", ""),
        ("2", "paragraph", "Do you “like” rain-clouds…\nReally\u00a0so—yes?"),
        ("3.0", "row", "1\tAgree\nfully"),
        ("3.0.0", "cell", "1"),
        ("3.0.1", "cell", "Agree\nfully"),
        ("3.1", "row", "2\t"),
        ("3.1.0", "cell", "2"),
        ("3.1.1", "cell", ""),
        ("4", "paragraph", "See the page."),
        ("5", "paragraph", "да д😀\t{x}"),
        ("6", "paragraph", "Boxed"),
        ("7", "paragraph", "Last"),
        ("header1.0", "header", "Top line"),
        ("footnote1.0", "footnote", "A note"),
    ]


def test_damaged_rich_text(tmp_path: Path) -> None:
    path = tmp_path / "codebook.rtf"
    refused(path, RICH[:-1], "ends too early")
    refused(path, rb"{\rtf1 " + b"{" * 5000 + b"x" + b"}" * 5001, "nested too deeply")
    refused(path, rb"{\rtf1{\info words}}", "holds no text")
    refused(path, b"words", "by its first bytes this is plain text, but its name ends with .rtf")


# --- the rest ------------------------------------------------------------------------------------------------------------------------


def test_markdown_is_lines(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("# Title\n\n- Q1: *how*\n")
    assert blocks(path) == [("0", "line", "# Title"), ("1", "line", ""), ("2", "line", "- Q1: *how*")]


def test_notes_and_headers_of_a_word_document(tmp_path: Path) -> None:
    path = tmp_path / "q.docx"
    document = docx.Document()
    document.add_paragraph("Body")
    document.sections[0].header.paragraphs[0].text = "Version 2"
    document.sections[0].footer.paragraphs[0].text = "Page 1"
    document.add_comment(document.paragraphs[0].runs, text="Asked of half")
    document.save(str(path))
    note = f'<w:footnotes {nsdecls("w")}><w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>___</w:t></w:r></w:p></w:footnote>'
    note += '<w:footnote w:id="2"><w:p/><w:p><w:r><w:t>Small print</w:t></w:r></w:p></w:footnote></w:footnotes>'
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    parts["word/footnotes.xml"] = note.encode()
    relation = f'<Relationship Id="rId99" Type="{kind}" Target="footnotes.xml"/></Relationships>'.encode()
    parts["word/_rels/document.xml.rels"] = parts["word/_rels/document.xml.rels"].replace(b"</Relationships>", relation)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    assert blocks(path) == [
        ("0", "paragraph", "Body"),
        ("footnote1.1", "footnote", "Small print"),
        ("comment1.0", "comment", "Asked of half"),
        ("header1.0", "header", "Version 2"),
        ("footer1.0", "footer", "Page 1"),
    ]


def test_no_document_grows_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "q.txt"
    path.write_text("one\ntwo\nthree\n")
    monkeypatch.setattr(documents, "MAX_BLOCKS", 2)
    with pytest.raises(ReadError, match="more than 2 blocks"):
        read_document(path)
    monkeypatch.setattr(documents, "MAX_BLOCKS", 100)
    monkeypatch.setattr(documents, "MAX_CHARACTERS", 5)
    with pytest.raises(ReadError, match=r"q\.txt: the document holds more than"):
        read_document(path)


def test_blocks_of_every_format_come_out_of_the_isolated_process(tmp_path: Path) -> None:
    for name, content in (("a.pdf", pdf([["Words"]])), ("a.html", b"<p>Words"), ("a.rtf", rb"{\rtf1 Words}"), ("a.md", b"Words")):
        path = tmp_path / name
        path.write_bytes(content)
        assert [block["text"] for block in blocks_of(path)] == ["Words"]


def test_a_document_that_takes_too_long_is_named(tmp_path: Path) -> None:
    path = tmp_path / "slow.pdf"
    path.write_bytes(pdf([["Words"]]))
    with pytest.raises(ReadError, match=r"slow\.pdf: the isolated process did not finish within 0\.01 s"):
        blocks_of(path, seconds=0.01)
