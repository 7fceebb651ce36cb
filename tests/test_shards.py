"""Shards: a run that is killed resumes with the rows it owes, and a partial file is never complete."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socsci210.errors import DatasetError
from socsci210.predict.shards import PREDICTIONS, read_metadata, run_sharded

ROWS = 40
KEYS = pa.table({"study_id": ["a"] * 25 + ["b"] * 15, "sample_id": [*range(25), *range(15)]})
RUN = {"engine": "test", "rows_expected": ROWS}


def predict_rows(indices: npt.NDArray[np.int64]) -> pa.Table:
    part = KEYS.take(pa.array(indices))
    columns = {
        "support": [[0, 1]] * len(indices),
        "probabilities": [[1 - i / 100, i / 100] for i in indices.tolist()],
        "answer_mass": np.ones(len(indices)),
    }
    return pa.table({**{name: part.column(name) for name in part.column_names}, **columns}).cast(PREDICTIONS)


def run(out: Path, predictor=predict_rows, **changes: object) -> Path:  # type: ignore[no-untyped-def]
    return run_sharded(KEYS, predictor, out=out, metadata=RUN | changes, shard_rows=6)


def test_all_rows_in_the_order_asked_for(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = run_sharded(KEYS, predict_rows, out=tmp_path / "p", metadata=RUN, shard_rows=6, progress=lambda *n: seen.append(n))
    table = pq.read_table(path)
    assert table.select(["study_id", "sample_id"]).equals(KEYS)
    assert [p[1] for p in table.column("probabilities").to_pylist()] == pytest.approx([i / 100 for i in range(ROWS)])
    assert seen[-1] == (ROWS, ROWS) and len(seen) == 7
    assert read_metadata(path) == RUN | {"complete": True}
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


def test_resumes_with_the_missing_rows(tmp_path: Path) -> None:
    asked: list[int] = []

    def fails(indices: npt.NDArray[np.int64]) -> pa.Table:
        if indices[0] >= 18:
            raise KeyboardInterrupt
        return predict_rows(indices)

    def noted(indices: npt.NDArray[np.int64]) -> pa.Table:
        asked.extend(indices.tolist())
        return predict_rows(indices)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "p", fails)
    assert not (tmp_path / "p").exists()
    (tmp_path / "p.parts" / "part-000003.parquet.tmp").write_bytes(b"torn")
    run(tmp_path / "p", noted)
    assert asked == list(range(18, ROWS))
    assert pq.read_table(tmp_path / "p").equals(pq.read_table(run(tmp_path / "straight")))


def test_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    run(tmp_path / "p")
    run(tmp_path / "p", lambda indices: pytest.fail("asked again"))


def test_another_run_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "p")
    with pytest.raises(DatasetError, match=r"predictions of another run \(other seed\)"):
        run(tmp_path / "p", seed=1)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "q", lambda indices: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(DatasetError, match="not finished: a run was cut off"):
        read_metadata(tmp_path / "q")
    with pytest.raises(DatasetError, match=r"shards of another run \(other engine, seed\)"):
        run(tmp_path / "q", seed=1, engine="x")


def test_predictions_replace_no_other_file_or_folder(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DatasetError, match="predictions would replace another file"):
        run(tmp_path / "notes.txt")
    with pytest.raises(DatasetError, match="predictions would replace another folder"):
        run(tmp_path / "folder")
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "notes.txt"]
    with pytest.raises(DatasetError, match="no such file"):
        read_metadata(tmp_path / "nowhere")


def test_a_row_twice_is_refused(tmp_path: Path) -> None:
    twice = pa.concat_tables([KEYS, KEYS.slice(0, 1)])
    with pytest.raises(DatasetError, match="appears twice"):
        run_sharded(twice, predict_rows, out=tmp_path / "p", metadata=RUN, shard_rows=6)


def test_files_that_are_no_predictions(tmp_path: Path) -> None:
    (tmp_path / "torn").write_bytes(b"PAR1 half")
    with pytest.raises(DatasetError, match="not a readable parquet file"):
        read_metadata(tmp_path / "torn")
    pq.write_table(KEYS, tmp_path / "other")
    with pytest.raises(DatasetError, match="no socsci210 metadata"):
        read_metadata(tmp_path / "other")


SLOW = """
import sys, time
from pathlib import Path
from tests import test_shards

def slow(indices):
    time.sleep(0.15)
    return test_shards.predict_rows(indices)

test_shards.run(Path(sys.argv[1]), slow)
"""


def test_kill_minus_9(tmp_path: Path) -> None:
    out = tmp_path / "p"
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(out)], cwd=Path(__file__).parent.parent, env=dict(os.environ))
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "p.parts").glob("part-*.parquet"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(list((tmp_path / "p.parts").glob("part-*.parquet")))
    assert 2 <= kept < 7 and not out.exists()
    run(out)
    assert pq.read_table(out).equals(pq.read_table(run(tmp_path / "straight")))
