"""Row files: row groups, what they note of their studies, and reading single studies back."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socsci210 import row_files
from socsci210.dataset_folder import FORMAT, STUDIES_KEY, DatasetFolder, split_glob
from socsci210.errors import DatasetError
from socsci210.row_files import SMALL_GROUP, RowFiles
from socsci210.schema import ROWS

from .small_dataset import STUDY_IDS, rows, write_dataset

PARTITION = "studies-train.conditions-none.outcomes-none.participants-none"


def some(study: str, n: int) -> pa.Table:
    """n rows of a study, strings dictionary-encoded as a build has them."""
    names = pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), pa.array([study]))
    texts = pa.array([f"{study} {i % 3}" for i in range(n)]).dictionary_encode()
    return pa.table({"sample_id": pa.array(range(n), pa.int64()), "study_id": names, "stimuli": texts})


def write(folder: Path, sizes: dict[str, int]) -> Path:
    with RowFiles(folder, together=True) as files:
        for study, n in sizes.items():
            files.add(PARTITION, study, some(study, n))
    return folder / PARTITION / "rows.parquet"


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ({"a": 5}, [["a"]]),
        ({"a": 1000, "b": 1000, "c": 1000, "d": 10}, [["a", "b", "c"], ["d"]]),
        ({"a": 10, "b": SMALL_GROUP, "c": 10, "d": SMALL_GROUP}, [["a", "b"], ["c"], ["d"]]),  # the first is never small
    ],
)
def test_small_studies_share_row_groups(tmp_path: Path, sizes: dict[str, int], groups: list[list[str]]) -> None:
    file = pq.ParquetFile(write(tmp_path, sizes))
    assert file.num_row_groups == len(groups)
    for place, names in enumerate(groups):
        assert list(dict.fromkeys(file.read_row_group(place)["study_id"].to_pylist())) == names
    assert file.metadata.metadata[STUDIES_KEY].decode() == str(groups).replace("'", '"')
    read = file.read()
    for study, n in sizes.items():
        own = read.filter(pa.compute.equal(read["study_id"], study))
        assert own["stimuli"].to_pylist() == [f"{study} {i % 3}" for i in range(n)]


def test_a_large_study_has_several_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_files, "ROW_GROUP", 3000)
    file = pq.ParquetFile(write(tmp_path, {"a": 7000, "b": 1}))
    assert [file.metadata.row_group(place).num_rows for place in range(file.num_row_groups)] == [3000, 3000, 1000, 1]
    assert file.metadata.metadata[STUDIES_KEY] == b'[["a"], ["a"], ["a"], ["b"]]'


def test_a_study_has_a_file_of_its_own_whose_bytes_depend_on_nothing_else(tmp_path: Path) -> None:
    for name, studies in (("one", ["b"]), ("three", ["a", "b", "c"])):
        with RowFiles(tmp_path / name, together=False) as files:
            for study in studies:
                files.add(PARTITION, study, some(study, 20))
    assert sorted(path.name for path in (tmp_path / "three" / PARTITION).iterdir()) == ["a.parquet", "b.parquet", "c.parquet"]
    own = f"{PARTITION}/b.parquet"
    assert (tmp_path / "one" / own).read_bytes() == (tmp_path / "three" / own).read_bytes()
    assert pq.read_metadata(tmp_path / "one" / own).metadata[STUDIES_KEY] == b'[["b"]]'


def test_files_are_closed_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="half-way"), RowFiles(tmp_path, together=True) as files:
        files.add(PARTITION, "a", some("a", SMALL_GROUP))
        raise RuntimeError("half-way")
    assert STUDIES_KEY not in (pq.read_metadata(tmp_path / PARTITION / "rows.parquet").metadata or {})


def test_single_studies_are_read_back_whole(tmp_path: Path) -> None:
    folder = DatasetFolder(write_dataset(tmp_path / "small"))
    assert folder.studies == STUDY_IDS
    for study in STUDY_IDS:
        assert folder.rows(studies=[study]).sort_by("sample_id").to_pylist() == rows(study).to_pylist()
    assert folder.rows(columns=["response"], studies=["toy_b", "toy_d"]).column_names == ["response"]
    assert folder.rows("unseen_conditions", "test", ["study_id"], ["toy_c"])["study_id"].unique().to_pylist() == ["toy_c"]
    assert folder.rows(studies=[]).num_rows == 0


def test_globs_find_the_files_of_a_split(tmp_path: Path) -> None:
    folder = DatasetFolder(write_dataset(tmp_path / "small", people=8))
    for config in ("unseen_studies", "unseen_conditions", "unseen_outcomes", "unseen_participants"):
        for split in ("train", "validation", "test"):
            assert sorted(folder.path.glob(split_glob(config, split))) == folder.files(config, split)
    assert sorted(folder.path.glob(split_glob("all", "train"))) == folder.files()


def test_a_damaged_or_foreign_row_file_is_named(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "small", people=8)
    first = DatasetFolder(folder).files()[0]
    pq.write_table(rows("toy_a", 1), first)
    with pytest.raises(DatasetError, match=rf"{first.name}: does not read as a file of rows"):
        DatasetFolder(folder).rows()
    first.write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match=rf"{first.name}: does not read as a file of rows"):
        DatasetFolder(folder).rows()


def test_the_columns_of_rows_are_those_of_the_schema(tmp_path: Path) -> None:
    found = DatasetFolder(write_dataset(tmp_path / "small", people=8)).rows()
    assert found.schema.names == ROWS.names
    assert found.schema.field("stimuli").type == pa.dictionary(pa.int32(), pa.string())


def test_rows_that_wait_do_not_keep_their_study_in_memory(tmp_path: Path) -> None:
    before = pa.total_allocated_bytes()
    with RowFiles(tmp_path, together=True) as files:
        for study in "abcdefgh":
            files.add(
                PARTITION, study, pa.table({"sample_id": pa.array(range(500_000), pa.int64()).take(pa.array(range(500_000)))}).slice(0, 10)
            )
        assert pa.total_allocated_bytes() - before < 1 << 20


def test_a_folder_of_the_layout_before_is_refused(tmp_path: Path) -> None:
    """It had the files of the rows in one folder; read as this layout it would seem empty."""
    manifest = write_dataset(tmp_path / "small", people=8) / "dataset.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT}', '"format": 2'))
    told = r"dataset\.json: format 2, of another version of socsci210\n.*format 3\n.*Build or import the dataset again"
    with pytest.raises(DatasetError, match=told):
        DatasetFolder(manifest.parent)
