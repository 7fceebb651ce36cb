"""Data files of every format: codes, labels and declared missing values, kept apart and the same whatever the format."""

from __future__ import annotations

import datetime as dt
import gzip
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socsci210.checksums import file_sha256
from socsci210.readers import Column, RawTable, read_data

FIXTURES = Path(__file__).parent / "fixtures"
FRAME = pd.DataFrame(
    {
        "ID": [101.0, 102.0, 103.0, 104.0],
        "ANSWER": [1.0, -1.0, None, 5.0],
        "WEIGHT": [0.5, 1.25, 1.0, None],
        "TOWN": ["Aston", "", "Brill", "Éze"],
    }
)
EXPECTED = {
    "ID": [101, 102, 103, 104],
    "ANSWER": [1, -1, None, 5],
    "WEIGHT": [0.5, 1.25, 1.0, None],
    "TOWN": ["Aston", None, "Brill", "Éze"],
}
TYPES = ["int64", "int64", "double", "string"]
LABELS = {"ANSWER": {1: "low", 5: "high", -1: "refused"}}


def write(path: Path) -> Path:
    """The same small table in the format of the path's extension."""
    extension = path.suffix
    if extension in (".sav", ".zsav"):
        compressed = extension == ".zsav"
        pyreadstat.write_sav(
            FRAME,
            path,
            compress=compressed,
            variable_value_labels=LABELS,
            missing_ranges={"ANSWER": [-1]},
            column_labels={"ANSWER": "How?"},
        )
    elif extension == ".por":
        pyreadstat.write_por(FRAME.assign(TOWN=FRAME.TOWN.replace("Éze", "Eze")), path)
    elif extension == ".dta":
        pyreadstat.write_dta(FRAME, path, variable_value_labels=LABELS, column_labels={"ANSWER": "How?"})
    elif extension == ".xpt":
        pyreadstat.write_xport(FRAME, path, column_labels={"ANSWER": "How?"})
    elif extension in (".csv", ".tsv"):
        FRAME.to_csv(path, sep="\t" if extension == ".tsv" else ",", index=False)
    elif extension == ".xlsx":
        FRAME.to_excel(path, index=False)
    else:
        FRAME.to_parquet(path)
    return path


@pytest.mark.parametrize("extension", ["sav", "zsav", "dta", "xpt", "csv", "tsv", "xlsx", "parquet"])
def test_every_format_gives_the_same_table(extension: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"data.{extension}")
    raw = read_data(path)
    assert raw.data.to_pydict() == EXPECTED
    assert [str(kind) for kind in raw.data.schema.types] == TYPES
    assert (raw.path, raw.sha256, raw.format) == (path, file_sha256(path), extension)
    assert list(raw.columns) == list(EXPECTED)
    if extension in ("sav", "zsav", "dta"):
        assert raw.columns["ANSWER"].value_labels == {1: "low", 5: "high", -1: "refused"}
        assert all(type(code) is int for code in raw.columns["ANSWER"].value_labels)
    if extension in ("sav", "zsav", "dta", "xpt"):
        assert raw.columns["ANSWER"].label == "How?"
        assert raw.columns["ID"].label is None
    assert raw.columns["ANSWER"].missing_values == ((-1,) if extension in ("sav", "zsav") else ())


def test_a_portable_file_as_its_only_python_writer_makes_it(tmp_path: Path) -> None:
    assert read_data(write(tmp_path / "data.por")).data.to_pydict() == {**EXPECTED, "TOWN": ["Aston", None, "Brill", "Eze"]}


TOWNS = {
    "ID": [101, 102, 103, 104, 105, 106],
    "ARM": [1, 2, 1, 2, 1, 2],
    "ANSWER": [3, 1, -1, 5, None, -2],
    "TOWN": ["Aston", None, "Brill", "Corve", "Dunly", "Edge"],
}


def test_sas_data_set_in_gzip() -> None:
    raw = read_data(FIXTURES / "towns.sas7bdat.gz")
    assert raw.data.to_pydict() == TOWNS
    assert (raw.format, raw.columns["ARM"].label) == ("sas7bdat", "Arm shown")


def test_portable_file_keeps_declared_missing_codes() -> None:
    raw = read_data(FIXTURES / "towns.por")
    assert raw.data.to_pydict() == TOWNS
    column = raw.columns["ANSWER"]
    assert column.value_labels == {1: "low", 5: "high", -1: "refused", -2: "not asked"}
    assert (column.missing_values, column.missing_ranges) == ((-1,), ((-99.0, -90.0),))
    assert [column.is_declared_missing(code) for code in (-1, -2, -90, -99.0, -100, None)] == [True, False, True, True, False, False]


@pytest.mark.parametrize("extension", ["sav", "csv", "xlsx", "parquet"])
def test_gzip_and_zip_around_a_format(extension: str, tmp_path: Path) -> None:
    plain = write(tmp_path / f"data.{extension}")
    packed = tmp_path / f"data.{extension}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()[:50]) + gzip.compress(plain.read_bytes()[50:]))
    assert read_data(packed).data.to_pydict() == EXPECTED
    assert read_data(packed, sha256=file_sha256(packed)).sha256 == file_sha256(packed)
    archive = tmp_path / "deposit.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(plain, f"folder/data.{extension}")
        file.writestr("folder/readme.txt", "hello")
        file.writestr("__MACOSX/folder/._data", "litter")
    raw = read_data(archive, member=f"*.{extension}")
    assert (raw.data.to_pydict(), raw.format) == (EXPECTED, extension)


def test_declared_missing_values_of_spss(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.0, 8.0, 9.0, -5.0, None], "t": ["x", "zz", "", "y", "zz"]})
    path = tmp_path / "data.sav"
    pyreadstat.write_sav(frame, path, missing_ranges={"a": [{"lo": 8, "hi": 9}, -5], "t": ["zz"]})
    raw = read_data(path)
    assert raw.data.to_pydict() == {"a": [1, 8, 9, -5, None], "t": ["x", "zz", None, "y", "zz"]}
    a, t = raw.columns["a"], raw.columns["t"]
    assert (a.missing_values, a.missing_ranges, t.missing_values) == ((-5,), ((8.0, 9.0),), ("zz",))
    assert a.declared_missing(raw.data.column("a")).to_pylist() == [False, True, True, True, False]
    assert t.declared_missing(raw.data.column("t")).to_pylist() == [False, True, False, False, True]


@given(
    codes=st.lists(st.one_of(st.none(), st.integers(-9, 9)), min_size=1),
    singles=st.lists(st.integers(-9, 9), max_size=3),
    bounds=st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), max_size=1),
    as_float=st.booleans(),
)
def test_declared_missing_by_column_equals_declared_missing_by_code(
    codes: list[int | None], singles: list[int], bounds: list[tuple[int, int]], as_float: bool
) -> None:
    ranges = tuple((float(min(pair)), float(max(pair))) for pair in bounds)
    column = Column("q", None, {}, tuple(singles), ranges)
    values = pa.array(codes, pa.float64() if as_float else pa.int64())
    assert column.declared_missing(values).to_pylist() == [column.is_declared_missing(code) for code in codes]


def test_lettered_missing_values_of_stata_become_null(tmp_path: Path) -> None:
    path = tmp_path / "data.dta"
    frame = pd.DataFrame({"a": [1, 2, "a", None, "z"], "b": [1.5, 2.5, 3.0, 4.0, "b"]}, dtype=object)
    pyreadstat.write_dta(
        frame,
        path,
        missing_user_values={"a": ["a", "z"], "b": ["b"]},
        variable_value_labels={"a": {1: "one", "a": "refused"}},
        variable_format={"b": "%9.2f"},
    )
    raw = read_data(path)
    assert raw.data.column("a").to_pylist() == [1, 2, None, None, None]
    assert raw.columns["a"].value_labels == {1: "one"}


@pytest.mark.parametrize("version", [8, 10, 12, 13, 14, 15])
def test_versions_of_stata(version: int, tmp_path: Path) -> None:
    path = tmp_path / "data.dta"
    frame = FRAME.assign(TOWN=["Aston", "", "Brill", "Eze"])
    pyreadstat.write_dta(frame, path, version=version)
    assert read_data(path).data.to_pydict() == {**EXPECTED, "TOWN": ["Aston", None, "Brill", "Eze"]}


@pytest.mark.parametrize("extension", ["sav", "dta", "xpt", "xlsx", "parquet"])
def test_dates_are_dates(extension: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "day": [dt.date(2020, 2, 29), None, dt.date(1899, 12, 31)],
            "moment": [dt.datetime(2014, 5, 1, 13, 30), dt.datetime(1960, 1, 1), None],
        }
    )
    path = tmp_path / f"data.{extension}"
    writers: dict[str, Any] = {"sav": pyreadstat.write_sav, "dta": pyreadstat.write_dta, "xpt": pyreadstat.write_xport}
    if extension in writers:
        writers[extension](frame, path)
    elif extension == "parquet":
        frame.to_parquet(path)
    else:
        frame.assign(day=[dt.date(2020, 2, 29), None, dt.date(1950, 12, 31)]).to_excel(path, index=False)
    got = read_data(path).data
    assert str(got.column("day").to_pylist()[0])[:10] == "2020-02-29"
    assert got.column("moment").to_pylist() == [dt.datetime(2014, 5, 1, 13, 30), dt.datetime(1960, 1, 1), None]
    if extension != "xlsx":
        assert got.column("day").to_pylist() == [dt.date(2020, 2, 29), None, dt.date(1899, 12, 31)]


def test_a_date_beyond_the_calendar_stays_a_number(tmp_path: Path) -> None:
    path = tmp_path / "data.sav"
    pyreadstat.write_sav(pd.DataFrame({"d": [1.0, 1e15]}), path, variable_format={"d": "DATE11"})
    assert read_data(path).data.column("d").to_pylist() == [1, 10**15]


def csv(tmp_path: Path, text: str | bytes, name: str = "data.csv", **options: Any) -> RawTable:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_data(path, **options)


@pytest.mark.parametrize(
    ("cells", "values", "kind"),
    [
        (["1", "2", ""], [1, 2, None], "int64"),
        (["1", " 2 ", "   "], [1, 2, None], "int64"),
        (["1.0", "2", "-3"], [1, 2, -3], "int64"),
        (["1.5", "+2", ".5"], [1.5, 2.0, 0.5], "double"),
        (["1e3", "2", "3"], [1000, 2, 3], "int64"),
        (["1", "2", "NA"], ["1", "2", "NA"], "string"),
        (["1", "nan", "inf"], ["1", "nan", "inf"], "string"),
        (["0x1F", "2", "3"], ["0x1F", "2", "3"], "string"),
        (["1", "2,000", "3"], ["1", "2,000", "3"], "string"),
        (["true", "false", ""], ["true", "false", None], "string"),
        (["2020-01-01", "", ""], ["2020-01-01", None, None], "string"),
        (["9223372036854775807", "1", "2"], [9223372036854775807, 1, 2], "int64"),
        (["12345678901234567890", "1", "2"], ["12345678901234567890", "1", "2"], "string"),
        (["", " ", ""], [None, None, None], "string"),
        ([" padded ", "x", "y"], [" padded ", "x", "y"], "string"),
    ],
)
def test_csv_columns_are_numeric_if_every_cell_is_a_number(cells: list[str], values: list[Any], kind: str, tmp_path: Path) -> None:
    body = "".join(f'"{cell}",x\n' for cell in cells)
    column = csv(tmp_path, f"q,other\n{body}").data.column("q")
    assert (column.to_pylist(), str(column.type)) == (values, kind)


def test_csv_quotes_newlines_and_separators(tmp_path: Path) -> None:
    raw = csv(tmp_path, 'id,"text, with comma"\r\n1,"a ""quoted"" word"\r\n\r\n2,"two\nlines"\r\n')
    assert raw.data.to_pydict() == {"id": [1, 2], "text, with comma": ['a "quoted" word', "two\nlines"]}
    assert csv(tmp_path, "a;b\n1;x\n").data.to_pydict() == {"a": [1], "b": ["x"]}
    assert csv(tmp_path, "a\tb\n1\tx,y\n", "data.tsv").data.to_pydict() == {"a": [1], "b": ["x,y"]}
    assert csv(tmp_path, "a\n1\n\n3\n").data.to_pydict() == {"a": [1, None, 3]}
    assert csv(tmp_path, "a,b\r1,2\r3,4\r").data.to_pydict() == {"a": [1, 3], "b": [2, 4]}
    assert csv(tmp_path, ",b,\n1,2,3\n").data.to_pydict() == {"column_1": [1], "b": [2], "column_3": [3]}
    assert csv(tmp_path, 'a,b\n5" tall,1\n').data.to_pydict() == {"a": ['5" tall'], "b": [1]}


@pytest.mark.parametrize(("encoding", "name"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("cp1252", "cp1252")])
def test_csv_encodings_are_found(encoding: str, name: str, tmp_path: Path) -> None:
    raw = csv(tmp_path, "größe,s\n1,“é”\n".encode(encoding))
    assert (raw.data.to_pydict(), raw.encoding) == ({"größe": [1], "s": ["“é”"]}, name)


def test_csv_encoding_can_be_named(tmp_path: Path) -> None:
    raw = csv(tmp_path, "s,n\né,1\n".encode("mac-roman"), encoding="mac-roman")
    assert (raw.data.column("s").to_pylist(), raw.encoding) == (["é"], "mac-roman")


def test_utf16_without_a_mark_needs_its_name(tmp_path: Path) -> None:
    raw = csv(tmp_path, "s,n\né,1\n".encode("utf-16-le"), encoding="utf-16-le")
    assert raw.data.to_pydict() == {"s": ["é"], "n": [1]}


def test_second_header_row(tmp_path: Path) -> None:
    raw = csv(tmp_path, 'id,q1\n"Response, ID","How much\ndo you agree?"\nR_1,4\nR_2,\n', second_header=True)
    assert raw.header_texts == {"id": "Response, ID", "q1": "How much\ndo you agree?"}
    assert raw.data.to_pydict() == {"id": ["R_1", "R_2"], "q1": [4, None]}
    plain = csv(tmp_path, "id,q1\nResponse,Question\n1,4\n")
    assert (plain.header_texts, plain.data.column("q1").to_pylist()) == ({}, ["Question", "4"])


def test_workbook_sheets_and_second_header(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    first = book.active
    assert first is not None
    first.title = "notes"
    sheet = book.create_sheet("responses")
    for row in (
        ["id", "q1", "mixed", "flag", 5],
        ["Who", "How much?", "", "", ""],
        [1, 2.5, "x", True, ""],
        [2, "", 7, False, "t"],
        [None] * 5,
    ):
        sheet.append([None if cell == "" else cell for cell in row])
    path = tmp_path / "data.xlsx"
    book.save(path)
    raw = read_data(path, sheet="responses", second_header=True)
    assert raw.data.to_pydict() == {"id": [1, 2], "q1": [2.5, None], "mixed": ["x", "7"], "flag": [1, 0], "5": [None, "t"]}
    assert raw.header_texts == {"id": "Who", "q1": "How much?", "mixed": "", "flag": "", "5": ""}


def test_an_old_workbook() -> None:
    raw = read_data(FIXTURES / "towns.xls", sheet="towns")
    assert raw.format == "xls" and raw.data.to_pydict() == EXPECTED
    assert [str(kind) for kind in raw.data.schema.types] == TYPES


def test_the_delimiter_is_the_mark_that_stands_most_often_outside_quotes(tmp_path: Path) -> None:
    for header, cells, names in (
        ("id;trust, police;q", "1;2;3", ["id", "trust, police", "q"]),
        ('id;"a, b, c, d";q', "1;2;3", ["id", "a, b, c, d", "q"]),
        ("id,q;r", "1,2", ["id", "q;r"]),
        ("id\tq", "1\t2", ["id", "q"]),
    ):
        path = tmp_path / "data.csv"
        path.write_text(f"{header}\n{cells}\n")
        assert read_data(path).columns.keys() == set(names)
    path = (tmp_path / "data.csv").rename(tmp_path / "data.tab")
    assert read_data(path).data.to_pydict() == {"id": [1], "q": [2]}


def test_ids_for_importing_below_the_second_header_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text('id,q\nWho,"How\nmuch?"\n"{""ImportId"":""_id""}","{""ImportId"":""QID1""}"\nx,5\n')
    raw = read_data(path, second_header=True)
    assert raw.data.to_pydict() == {"id": ["x"], "q": [5]} and raw.header_texts == {"id": "Who", "q": "How\nmuch?"}
    path.write_text("id,q\nWho,How much?\n{x,5\ny,6\n")
    assert read_data(path, second_header=True).data.to_pydict() == {"id": ["{x", "y"], "q": [5, 6]}


def test_rows_count_as_in_the_sheet(tmp_path: Path) -> None:
    """An empty row in the middle is a row without answers; empty rows at the end are none."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row, cells in ((2, ("id", "q1")), (3, ("Who", "How much?")), (4, (1, 5)), (6, (2, 4))):
        for column, cell in enumerate(cells, start=1):
            sheet.cell(row, column, cell)
    sheet.cell(9, 1).number_format = "0.00"  # a row that only looks like one
    book.save(tmp_path / "data.xlsx")
    raw = read_data(tmp_path / "data.xlsx", second_header=True)
    assert raw.data.to_pydict() == {"id": [1, None, 2], "q1": [5, None, 4]}
    assert raw.header_texts == {"id": "Who", "q1": "How much?"}


def test_parquet_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "category": pa.array(["a", "b", None]).dictionary_encode(),
            "flag": [True, None, False],
            "small": pa.array([1, 2, 3], pa.uint8()),
            "nan": [1.0, float("nan"), 2.0],
            "money": pa.array([None, "1.5", "2"]).cast(pa.decimal128(5, 2)),
            "nothing": pa.nulls(3),
        }
    )
    path = tmp_path / "data.parquet"
    pq.write_table(table, path)
    assert read_data(path).data.to_pydict() == {
        "category": ["a", "b", None],
        "flag": [1, None, 0],
        "small": [1, 2, 3],
        "nan": [1, None, 2],
        "money": [None, 1.5, 2.0],
        "nothing": [None, None, None],
    }


FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=20)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.one_of(st.none(), st.integers(-(2**31), 2**31)), st.one_of(st.none(), FLOATS), TEXTS), min_size=1, max_size=20)
)
def test_round_trip_through_csv_and_sav(rows: list[tuple[Any, ...]]) -> None:
    whole, real, text = ([row[place] for row in rows] for place in range(3))
    text = [f"t{cell}" for cell in text]  # a letter, so that no column of text looks like numbers
    frame = pd.DataFrame({"n": pd.array(whole, dtype="Int64"), "x": np.array(real, dtype=float), "t": text})
    with tempfile.TemporaryDirectory() as folder:
        frame.to_csv(Path(folder) / "data.csv", index=False)
        pyreadstat.write_sav(frame.astype({"n": float}), Path(folder) / "data.sav")
        for name in ("data.csv", "data.sav"):
            got = read_data(Path(folder) / name).data.to_pydict()
            assert got == {"n": whole, "x": real, "t": text}


def test_large_files_are_quick(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"q{i}": rng.integers(1, 8, 100_000) for i in range(40)})
    frame.to_csv(tmp_path / "data.csv", index=False)
    begun = time.perf_counter()
    raw = read_data(tmp_path / "data.csv")
    assert time.perf_counter() - begun < 5  # about 0.3 s on an idle core
    assert raw.data.num_rows == 100_000
    assert raw.data.column("q39").to_numpy().sum() == frame["q39"].sum()


def test_files_too_large_for_one_pass_are_read_in_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from socsci210.readers import statistical

    rows = 1000
    frame = pd.DataFrame({"a": np.arange(rows, dtype=float), "b": [None] * 900 + [0.5] * 100, "t": [""] * 950 + ["x"] * 50})
    for name, writer in (("data.sav", pyreadstat.write_sav), ("data.xpt", pyreadstat.write_xport)):
        writer(frame, tmp_path / name)
        whole = read_data(tmp_path / name).data
        for cells in (300, 999, 1500, 3000):
            monkeypatch.setattr(statistical, "_CELLS_AT_ONCE", cells)
            assert read_data(tmp_path / name).data.equals(whole)
        assert whole.column("a").to_pylist() == list(range(rows))
        monkeypatch.undo()


def test_the_name_may_be_in_capitals(tmp_path: Path) -> None:
    assert read_data(write(tmp_path / "x.csv").rename(tmp_path / "DATA.CSV")).data.to_pydict() == EXPECTED


def test_a_hash_may_be_written_in_capitals(tmp_path: Path) -> None:
    path = write(tmp_path / "data.csv")
    assert read_data(path, sha256=file_sha256(path).upper()).sha256 == file_sha256(path)


def test_holbrook_keeps_refused_and_not_asked_apart(deposits_dir: Path) -> None:
    raw = read_data(deposits_dir / "holbrook120" / "data.sav", sha256="31fe60446b2b9a3d26569768886ecada714702c8062be5e3d8b694d599215230")
    assert raw.data.num_rows == 6094
    refused, asked = [], []
    for name in ("TESSQ1", "TESSQ2", "TESSQ3", "TESSQ4"):
        column = raw.columns[name]
        assert column.missing_values == (-1, -2)
        assert column.is_declared_missing(-2) and not column.is_declared_missing(1)
        codes = raw.data.column(name).to_pylist()
        asked.append(sum(code != -2 for code in codes))
        refused.append(codes.count(-1))
    assert asked == [2027, 2035, 1017, 1015]
    assert refused == [9, 23, 0, 3]


def test_tannenbaum_has_its_wording_in_the_second_row(deposits_dir: Path) -> None:
    raw = read_data(deposits_dir / "tannenbaum2017" / "study2_raw_data.csv", second_header=True)
    assert raw.data.num_rows == 454
    arms = raw.data.column("cond").value_counts().to_pylist()
    assert {arm["values"]: arm["counts"] for arm in arms} == {"Bush": 155, "Obama": 149, "control": 150}
    assert all(raw.header_texts[f"dv_{item}"] for item in range(1, 7))


@pytest.mark.parametrize(
    ("study", "file", "column", "counts"),
    [
        ("schuldt301", "data.sav", "XTESS117", [260, 245, 238, 252, 274, 266, 256, 250]),
        ("schuldt301", "data.dta", "XTESS117", [260, 245, 238, 252, 274, 266, 256, 250]),
        ("singer251", "singer.sav", "XTESS104", [386, 389, 397, 398]),
        ("kallaBR42", "teele.sav", "DOV_COND", [716, 709, 719]),
        ("ryanS14", "rawdata_tess.csv", "Q2_INSERT", [1013, 1043]),
    ],
)
def test_real_deposits_have_the_arms_of_their_manifest(deposits_dir: Path, study: str, file: str, column: str, counts: list[int]) -> None:
    codes = read_data(deposits_dir / study / file).data.column(column)
    assert str(codes.type) == "int64"
    assert [n for _, n in sorted((c["values"], c["counts"]) for c in codes.value_counts().to_pylist())] == counts
