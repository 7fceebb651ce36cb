"""Bad deposits: every message names the file, what is wrong with it, and the fix."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from socsci210.checksums import file_sha256
from socsci210.errors import ReadError
from socsci210.readers import archives, read_data, read_document

FIXTURES = Path(__file__).parent / "fixtures"
FRAME = pd.DataFrame({"id": [float(n) for n in range(500)], "answer": [float(n % 7) for n in range(500)], "town": ["Aston"] * 500})


def refused(path: Path, match: str, **options: Any) -> ReadError:
    with pytest.raises(ReadError, match=match) as caught:
        read_data(path, **options)
    assert str(path) in str(caught.value), "the message names the file"
    assert caught.value.fix, "the message says what to do"
    return caught.value


def sav(tmp_path: Path, **options: Any) -> Path:
    path = tmp_path / "data.sav"
    pyreadstat.write_sav(FRAME, path, **options)
    return path


@pytest.mark.parametrize("cut", [20, 100, 300, 900, 5000, -9])
@pytest.mark.parametrize("compress", [False, True])
def test_truncated_sav(tmp_path: Path, cut: int, compress: bool) -> None:
    path = sav(tmp_path, row_compress=compress)
    path.write_bytes(path.read_bytes()[:cut])
    assert "sha256" in refused(path, "damaged or cut short").fix


@pytest.mark.parametrize("seed", range(6))
def test_corrupt_sav(tmp_path: Path, seed: int) -> None:
    """A header of noise is refused; the message is ours, whatever the parser raised."""
    path = sav(tmp_path)
    data = bytearray(path.read_bytes())
    data[64:400] = bytes((n * 37 + seed * 101) % 256 for n in range(336))
    path.write_bytes(data)
    refused(path, "damaged or cut short|no columns")


@pytest.mark.parametrize(
    ("extension", "writer"), [("dta", pyreadstat.write_dta), ("xpt", pyreadstat.write_xport), ("por", pyreadstat.write_por)]
)
def test_truncated_files_of_other_packages(tmp_path: Path, extension: str, writer: Any) -> None:
    path = tmp_path / f"data.{extension}"
    writer(FRAME.rename(columns=str.upper), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:700])
    refused(path, "damaged or cut short|no columns|no rows")


def test_truncated_parquet_and_workbook(tmp_path: Path) -> None:
    for name, write in (("data.parquet", FRAME.to_parquet), ("data.xlsx", FRAME.to_excel)):
        path = tmp_path / name
        write(path)
        path.write_bytes(path.read_bytes()[:3000])
        refused(path, "damaged|cannot be read|by its first bytes")


def test_wrong_hash_names_both(tmp_path: Path) -> None:
    path = sav(tmp_path)
    error = refused(path, "sha256", sha256="ab" * 32)
    assert file_sha256(path) in error.found
    assert "ab" * 32 in error.expected
    assert "update sha256 in the study file" in error.fix


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("data.csv", b"$FL2@(#) SPSS", "an SPSS file (.sav)"),
        ("data.sav", b"id,q\n1,2\n", "plain text"),
        ("data.sav", b"$FL3@(#) SPSS", "a compressed SPSS file (.zsav)"),
        ("data.dta", b"PAR1....PAR1", "a parquet file (.parquet)"),
        ("data.xlsx", bytes.fromhex("d0cf11e0a1b11ae1"), "an old Office file"),
        ("data.csv.gz", b"id,q\n1,2\n", "plain text"),
        ("data.csv", gzip.compress(b"id\n1\n", mtime=0), "a gzip file (.gz)"),
        ("data.zip", b"id,q\n1,2\n", "plain text"),
        ("data.csv", b"%PDF-1.7", "a PDF document"),
        ("data.csv", b"\x00\x01\x02\x03", "binary data of no known format"),
        ("data.parquet", b"<html>not found</html>", "plain text"),
    ],
)
def test_wrong_extension_names_both(tmp_path: Path, name: str, content: bytes, found: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    error = refused(path, "by its first bytes this is")
    assert found in error.found
    assert f".{name.rsplit('.', 1)[1]}" in error.found


def test_an_old_office_file_that_is_no_workbook(tmp_path: Path) -> None:
    (tmp_path / "data.xls").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600))
    assert "password" in refused(tmp_path / "data.xls", "the workbook cannot be read").fix


def test_a_workbook_is_no_zip_of_csv_and_a_zip_no_workbook(tmp_path: Path) -> None:
    path = tmp_path / "data.xlsx"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.csv", "id\n1\n")
    assert "a zip archive (.zip)" in refused(path, "by its first bytes").found


@pytest.mark.parametrize("name", ["data.json", "data", "data.sav.bak", "data.json.gz", "data.gz", "data.ods"])
def test_formats_without_a_reader(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"{}", mtime=0) if name.endswith("gz") else b"{}")
    assert ".sav" in refused(path, "there is no reader for").expected


def test_missing_file_and_folder(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.sav", "there is no such file")
    (tmp_path / "folder.sav").mkdir()
    refused(tmp_path / "folder.sav", "this is a folder, not a regular file")
    os.mkfifo(tmp_path / "pipe.sav")
    refused(tmp_path / "pipe.sav", "this is a pipe or a device, not a regular file")


# --- empty deposits


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.csv", b"", "the file is empty"),
        ("data.sav", b"", "the file is empty"),
        ("data.csv", b"id,q1\n", "has columns but no rows"),
        ("data.csv", b"id,q1", "has columns but no rows"),
        ("data.csv", b"id,q1\n\n\n", "has columns but no rows"),
        ("data.csv", b"\n\n", "no columns"),
        ("data.csv", b"\xef\xbb\xbf", "no columns"),
    ],
)
def test_empty_text(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    refused(path, message)


def test_second_header_without_data(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("id,q1\nWho,How\n")
    refused(path, "has columns but no rows", second_header=True)
    path.write_text("id,q1\n")
    refused(path, "there is no second header row", second_header=True)


def test_empty_tables_of_other_formats(tmp_path: Path) -> None:
    empty = FRAME.iloc[:0]
    pyreadstat.write_sav(empty, tmp_path / "rows.sav")
    refused(tmp_path / "rows.sav", "has columns but no rows|damaged")
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "rows.parquet")
    refused(tmp_path / "rows.parquet", "has columns but no rows")
    pq.write_table(pa.table({}), tmp_path / "columns.parquet")
    refused(tmp_path / "columns.parquet", "no columns")
    openpyxl.Workbook().save(tmp_path / "sheet.xlsx")
    refused(tmp_path / "sheet.xlsx", "no columns")
    empty.to_excel(tmp_path / "rows.xlsx", index=False)
    refused(tmp_path / "rows.xlsx", "has columns but no rows")


# --- archives


def test_zip_bomb(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("data.csv", b"0" * (64 << 20))
    assert "zip bomb" in refused(path, "unpacks to").found


def test_zip_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("data.csv", b"0" * (64 << 20))
    data = path.read_bytes()
    path.write_bytes(data.replace((64 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    refused(path, "damaged")


@pytest.mark.parametrize("name", ["data.csv.gz", "data.sav.gz"])
def test_gzip_bomb_is_left_before_it_unfolds(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"0" * (64 << 20)))
    refused(path, "zip bomb")
    monkeypatch.setattr(archives, "MAX_BYTES", 1000)
    path.write_bytes(gzip.compress(os.urandom(5000)))
    refused(path, "zip bomb")


@pytest.mark.parametrize("name", ["data.xlsx", "doc.docx"])
def test_office_file_that_is_a_bomb(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    part = {"data.xlsx": "xl/workbook.xml", "doc.docx": "word/document.xml"}[name]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(part, "<x/>")
        file.writestr("filler.xml", b" " * (64 << 20))
    reader: Any = read_data if name == "data.xlsx" else read_document
    with pytest.raises(ReadError, match="zip bomb"):
        reader(path)


@pytest.mark.parametrize("member", ["../data.csv", "/etc/data.csv", "a/../../data.csv", "..\\data.csv", "C:\\data.csv"])
def test_path_traversal_in_an_archive(tmp_path: Path, member: str) -> None:
    path = tmp_path / "deposit.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data.csv", "id\n1\n")
        file.writestr(member, "id\n2\n")
    before = sorted(p.name for p in tmp_path.iterdir())
    assert "leads out of the archive" in refused(path, "leads out", member="data.csv").found
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_which_member(tmp_path: Path) -> None:
    path = tmp_path / "deposit.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.csv", "id\n1\n")
        file.writestr("b.csv", "id\n2\n")
    assert "a.csv, b.csv" in refused(path, "no member was named").found
    refused(path, "fits 2 files", member="*.csv")
    refused(path, "fits 0 files", member="c.csv")
    for member in ("../a.csv", "/a.csv", "x\\..\\..\\a.csv"):
        refused(path, "leads out of the archive", member=member)
    assert read_data(path, member="b*").data.to_pydict() == {"id": [2]}
    refused(sav(tmp_path), "no zip archive", member="x")


def test_damaged_archives(tmp_path: Path) -> None:
    packed = gzip.compress(b"id,q\n" + b"1,2\n" * 500)
    for name, content, message in (
        ("cut.csv.gz", packed[:-20], "ends too early"),
        ("header.csv.gz", packed[:6], "ends too early"),
        ("noise.csv.gz", packed[:12] + b"\xff" * 20 + packed[32:], "damaged"),
        ("cut.zip", b"PK\x03\x04" + b"\x00" * 50, "damaged"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        refused(path, message)
    path = tmp_path / "deposit.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data.csv", "id,q\n1,2\n")
    path.write_bytes(path.read_bytes().replace(b"1,2\n", b"1,3\n"))
    refused(path, "damaged .*CRC")


# --- text


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"id,s\n1,plain\n2,caf\xe9\n")
    error = refused(path, r"byte 0xe9 at offset 18 \(line 3\) is not valid utf-8", encoding="utf-8")
    assert "set encoding" in error.fix
    assert read_data(path).data.column("s").to_pylist() == ["plain", "café"]
    path.write_bytes(b"id,s\n1,\x81\x8d\n")  # bytes that Windows-1252 leaves undefined
    refused(path, r"byte 0x81 at offset 7 \(line 2\) is not valid cp1252")
    refused(path, "there is no encoding 'klingon'", encoding="klingon")
    path.write_bytes(b"\xff\xfei\x00d\x00\n")
    refused(path, "is not valid utf-16")


def test_ragged_rows_name_their_line(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text('id,q1,q2\n1,"a\nb",2\n\n2,3\n4,5,6\n')
    error = refused(path, "this row has 2 cells, the header 3")
    assert error.where == f"{path}, line 5"
    path.write_text("id,q1\n1,2\n3,4,5\n")
    assert refused(path, "this row has 3 cells, the header 2").where.endswith("line 3")
    path.write_text("id,q1\nWho,How\n1,2\n3\n")
    assert refused(path, "this row has 1 cells", second_header=True).where.endswith("line 4")
    path.write_text("id,q1\nWho,How,What\n1,2\n")
    refused(path, "the second header row has 3 cells, the first 2", second_header=True)


def test_an_open_quotation_mark_swallows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text('id,q1\n1,x\n2,"y\n3,z\n4,w\n')
    assert "line 2" in refused(path, "opened and never closed").where
    path.write_text('id,"q1\n1,x\n')
    refused(path, "the header cannot be parsed")


def test_a_row_longer_than_any_question(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("id,q1\n" + "x" * 200_000 + ",1\n2\n")
    refused(path, "this row has 1 cells")


def test_duplicate_columns(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("id,q1,q1\n1,2,3\n")
    assert "columns 2 and 3 are both named 'q1'" in refused(path, "both named").found
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["a", "a"])
    book.active.append([1, 2])
    book.save(tmp_path / "data.xlsx")
    refused(tmp_path / "data.xlsx", "columns 1 and 2 are both named 'a'")
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "data.parquet")
    refused(tmp_path / "data.parquet", "both named 'a'")


def test_columns_of_lists(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"id": [1], "chosen": [[1, 2]]}), path)
    refused(path, "column 'chosen' has type list")


# --- options that a format cannot heed


def test_misplaced_options(tmp_path: Path) -> None:
    refused(sav(tmp_path), "no header rows", second_header=True)
    refused(sav(tmp_path), "sheet 'x' was asked of a .sav file", sheet="x")


def test_sheets(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_sheet("responses")
    path = tmp_path / "data.xlsx"
    book.save(path)
    assert refused(path, "has 2 sheets and none was named").expected == "one of Sheet, responses"
    assert refused(path, "there is no sheet 'response'", sheet="response").fix == "set sheet: responses"


# --- whatever the bytes


HEADS = [
    b"$FL2@(#) SPSS DATA FILE",
    b"$FL3@(#)",
    b"<stata_dta><header><release>118</release>",
    b"PAR1",
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
    b"id,q\n",
    b"",
]


@settings(max_examples=150, deadline=None)
@given(
    head=st.sampled_from(HEADS),
    tail=st.binary(max_size=300),
    name=st.sampled_from(["x.sav", "x.zsav", "x.dta", "x.parquet", "x.zip", "x.csv.gz", "x.csv", "x.xlsx"]),
)
def test_noise_is_read_or_refused_with_a_message(tmp_path_factory: pytest.TempPathFactory, head: bytes, tail: bytes, name: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"noise-{os.getpid()}-{name}"
    path.write_bytes(head + tail)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert read_data(path).data.num_rows > 0
        except ReadError as error:
            assert str(path) in str(error) and error.fix


@settings(max_examples=60, deadline=None)
@given(st.integers(176, 700), st.integers(0, 255))
@example(232, 0)  # wipes the name of a column out
def test_a_flipped_byte_in_the_dictionary_of_a_sav(tmp_path_factory: pytest.TempPathFactory, place: int, value: int) -> None:
    path = tmp_path_factory.getbasetemp() / f"flipped-{os.getpid()}.sav"
    out = io.BytesIO(_GOOD_SAV)
    out.seek(place)
    out.write(bytes([value]))
    path.write_bytes(out.getvalue())
    try:
        assert read_data(path).data.num_columns > 0
    except ReadError as error:
        assert str(path) in str(error) and error.fix


def _good_sav() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.sav"
        pyreadstat.write_sav(FRAME.iloc[:20], path)
        return path.read_bytes()


_GOOD_SAV = _good_sav()
