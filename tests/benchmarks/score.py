"""How long scoring takes, and how fast the plain W is against pandas and scipy: `python -m tests.benchmarks.score [--rows N]`

A dataset as large as the release is made (210 studies, 7 levels, all 16 demographic fields known), and a whole distribution is predicted
for each of its rows. Scoring runs in a process of its own: everything that `socsci210 score` does, with both conventions, 1,000 bootstrap
draws, 100 shuffles for parity, and the controls. Memory is the resident set of that process, sampled 50 times a second.

The plain W is timed in another process on the same rows, both sides in one call: arrays in, one distance per cell out, by this package and
by a pandas groupby that calls scipy.stats.wasserstein_distance for each cell. Both give the same distances (checked to 1e-9).

The last line is one JSON object: seconds, peak_gb (of scoring), w_ratio (time of pandas and scipy / time of this package).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from socsci210.dataset_folder import FORMAT, MANIFEST, DatasetFolder, fingerprint, partition_name, table_file, write_parquet
from socsci210.demographics import VOCABULARY
from socsci210.row_files import RowFiles
from socsci210.schema import DEMOGRAPHIC, ROWS, SPLIT_CONFIGS, TABLES

from .processes import in_process

ROWS_WANTED = 2_900_000
STUDIES, CONDITIONS, OUTCOMES, LEVELS = 210, 4, 7, 7
CONFIG = "unseen_studies"
REPEATS = 3
TARGETS = {"seconds": "at most 60", "peak_gb": "at most 3", "w_ratio": "at least 5"}


def write_dataset(folder: Path, rows: int) -> None:
    """A dataset folder of about so many rows, all of them in the test side."""
    rng = np.random.default_rng(0)
    people = max(1, rows // (STUDIES * OUTCOMES))
    tables: dict[str, list[pa.Table]] = {name: [] for name in ("studies", "conditions", "outcomes", "participants")}
    partition = partition_name(dict.fromkeys(SPLIT_CONFIGS, "test"))
    with RowFiles(folder / "data", together=False) as files:
        for number in range(STUDIES):
            study = f"made{number:03}"
            persons = _people(people, rng)
            arm = rng.integers(0, CONDITIONS, people)
            files.add(partition, study, _rows(study, persons, arm, rng))
            for name, table in _tables(study, number, persons, arm).items():
                tables[name].append(table)
    for name, schema in TABLES.items():
        write_parquet(pa.concat_tables([schema.empty_table(), *tables.get(name, [])]), folder / table_file(name))
    (folder / MANIFEST).write_text(json.dumps({"format": FORMAT, "fingerprint": fingerprint(folder), "version": "0"}))


def _people(n: int, rng: np.random.Generator) -> pa.Array:
    fields = []
    for field in DEMOGRAPHIC:
        words = VOCABULARY[field.name]
        numbers = rng.integers(18, 90, n) if field.name == "age" else rng.integers(1, 7, n)
        fields.append(pa.array(numbers) if words is None else pa.array(words).take(pa.array(rng.integers(0, len(words), n))))
    return pa.StructArray.from_arrays(
        [one.cast(field.type) for one, field in zip(fields, DEMOGRAPHIC, strict=True)], fields=list(DEMOGRAPHIC)
    )


def _rows(study: str, persons: pa.Array, arm: np.ndarray, rng: np.random.Generator) -> pa.Table:
    who = np.repeat(np.arange(len(persons)), OUTCOMES)
    task = np.tile(np.arange(OUTCOMES), len(persons))
    mean = rng.normal(4, 0.7, (CONDITIONS, OUTCOMES))
    response = np.clip(np.rint(rng.normal(mean[arm[who], task], 1.8)), 1, LEVELS).astype(np.int64)
    n = len(who)
    columns = {
        "sample_id": np.arange(n), "participant": who, "demographic": persons.take(pa.array(who)), "stimuli": pa.repeat(study, n),
        "response": response, "condition_num": arm[who], "task_num": task, "study_id": pa.repeat(study, n),
        "item_num": np.zeros(n, np.int64), "scale_min": np.ones(n, np.int64), "scale_max": np.full(n, LEVELS),
        "weight": pa.nulls(n, pa.float64()), "flags": pa.array([[]], pa.list_(pa.string())).take(pa.array(np.zeros(n, np.int64))),
        "response_clean": response,
    }  # fmt: skip
    return pa.table({name: columns[name] for name in ROWS.names}, schema=ROWS)


def _tables(study: str, number: int, persons: pa.Array, arm: np.ndarray) -> dict[str, pa.Table]:
    given: dict[str, list[dict[str, object]]] = {
        "studies": [
            {"study_id": study, "title": study, "source_url": "https://example.org", "topic": f"topic {number % 12}",
             "simulated": True, "design": "between"}
        ],
        "conditions": [
            {"study_id": study, "condition_num": c, "label": f"Arm {c}", "control": c == 0} for c in range(CONDITIONS)
        ],
        "outcomes": [
            {"study_id": study, "task_num": t, "condition_num": c, "item_num": 0, "question": f"Question {t}?", "scale_min": 1,
             "scale_max": LEVELS, "scale_step": 1}
            for t in range(OUTCOMES) for c in range(CONDITIONS)
        ],
    }  # fmt: skip
    found = {name: pa.Table.from_pylist(some, TABLES[name]) for name, some in given.items()}
    schema, n = TABLES["participants"], len(persons)
    columns = {
        "study_id": pa.repeat(study, n), "participant": np.arange(n), "demographic": persons,
        "condition_nums": pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32)), pa.array(arm)),
        "weight": pa.nulls(n, pa.float64()), "n_responses": np.full(n, OUTCOMES),
    }  # fmt: skip
    return found | {"participants": pa.table({name: columns[name] for name in schema.names}, schema=schema)}


def write_predictions(path: Path, dataset: Path) -> None:
    """A whole distribution for each row, somewhere near a bell."""
    rng = np.random.default_rng(1)
    keys = DatasetFolder(dataset).rows(CONFIG, "test", ["study_id", "sample_id"])
    about = {
        "config": CONFIG, "split": "test", "engine": "transformers", "model": "made/model",
        "dataset_fingerprint": DatasetFolder(dataset).fingerprint,
        "rows_expected": keys.num_rows, "complete": True,
    }  # fmt: skip
    with pq.ParquetWriter(path, _PREDICTIONS.with_metadata({b"socsci210": json.dumps(about).encode()}), compression="zstd") as writer:
        for batch in keys.to_batches(max_chunksize=1 << 17):
            n = len(batch)
            bell = np.exp(-((np.arange(1, LEVELS + 1) - rng.normal(4, 0.8, (n, 1))) ** 2) / 5)
            edges = pa.array(np.arange(0, LEVELS * (n + 1), LEVELS, dtype=np.int32))
            columns = [
                batch.column("study_id").cast(pa.string()), batch.column("sample_id"),
                pa.ListArray.from_arrays(edges, pa.array(np.tile(np.arange(1, LEVELS + 1), n))),
                pa.ListArray.from_arrays(edges, pa.array((bell / bell.sum(axis=1, keepdims=True)).ravel())),
                pa.array(rng.uniform(0.9, 1, n)),
            ]  # fmt: skip
            writer.write_table(pa.Table.from_arrays(columns, schema=_PREDICTIONS))


_PREDICTIONS = pa.schema(
    [
        ("study_id", pa.string()), ("sample_id", pa.int64()), ("support", pa.list_(pa.int64())),
        ("probabilities", pa.list_(pa.float64())), ("answer_mass", pa.float64()),
    ]
)  # fmt: skip


def score_all(folder: Path) -> float:
    """Seconds of one scoring, as `socsci210 score` does it."""
    from socsci210.score import score

    start = time.perf_counter()
    results = score([folder / "predictions.parquet"], folder / "dataset")
    results.write_json(folder / "results.json")
    seconds = time.perf_counter() - start
    run = results.runs[0]
    assert run.stated is not None and run.published is not None and run.stated.W.interval is not None
    assert len(run.parity) == len(DEMOGRAPHIC), [one.attribute for one in run.parity]
    return seconds


def plain(folder: Path) -> float:
    """Seconds of pandas with scipy / seconds of this package, for the W of every cell. Medians of three turns."""
    import pandas as pd
    from scipy.stats import wasserstein_distance

    from socsci210.metrics.socsci210.cells import Answers, cells_of, distance, people, predicted, stated_ruler

    rows = DatasetFolder(folder / "dataset").rows(CONFIG, "test", ["study_id", "condition_num", "task_num", "response"])
    study = rows.column("study_id").combine_chunks().dictionary_encode()
    study = (
        (study.unify_dictionaries().combine_chunks() if isinstance(study, pa.ChunkedArray) else study).indices.to_numpy().astype(np.int64)
    )
    condition, task = (rows.column(name).to_numpy() for name in ("condition_num", "task_num"))
    response = rows.column("response").to_numpy().astype(np.float64)
    probability = pq.read_table(folder / "predictions.parquet", columns=["probabilities"]).column(0).combine_chunks()
    flat = pa.concat_arrays(probability.chunks).flatten() if isinstance(probability, pa.ChunkedArray) else probability.flatten()
    matrix = flat.to_numpy().reshape(-1, LEVELS)
    levels = np.arange(1.0, LEVELS + 1)
    frame = pd.DataFrame(matrix, columns=[f"p{level}" for level in range(1, LEVELS + 1)])
    frame = frame.assign(study=study, condition=condition, task=task, response=response)
    answers = Answers(np.arange(0, LEVELS * (len(study) + 1), LEVELS), np.tile(levels, len(study)), matrix.ravel())

    def ours() -> np.ndarray:
        low, high, step = np.ones(len(study)), np.full(len(study), float(LEVELS)), np.ones(len(study))
        cells = cells_of(study, condition, task, low, high, step)
        nothing = np.full(cells.n_sub, np.nan)
        return distance(stated_ruler(cells, nothing, nothing), predicted(cells, cells.code, answers), people(cells, response))

    def theirs() -> np.ndarray:
        names = list(frame.columns[:LEVELS])
        found = [
            wasserstein_distance(levels, cell["response"].to_numpy(), cell[names].mean().to_numpy()) / (LEVELS - 1)
            for _, cell in frame.groupby(["study", "condition", "task"])
        ]
        return np.array(found)

    seconds: dict[Callable[[], np.ndarray], list[float]] = {ours: [], theirs: []}
    for _ in range(REPEATS):
        given = {}
        for side in seconds:
            start = time.perf_counter()
            given[side] = side()
            seconds[side].append(time.perf_counter() - start)
        np.testing.assert_allclose(given[ours], given[theirs], atol=1e-9)
    for name, side in (("this package", ours), ("pandas and scipy", theirs)):
        print(f"plain W by {name}: {statistics.median(seconds[side]):.3f} s")
    return statistics.median(seconds[theirs]) / statistics.median(seconds[ours])


def run(folder: Path, rows: int) -> dict[str, float]:
    """Both measurements; prints a table and returns the three figures."""
    write_dataset(folder / "dataset", rows)
    write_predictions(folder / "predictions.parquet", folder / "dataset")
    seconds, peak = in_process("tests.benchmarks.score", ["--side", "score", str(folder)])
    ratio, _ = in_process("tests.benchmarks.score", ["--side", "plain", str(folder)])
    figures = {"seconds": round(float(seconds), 1), "peak_gb": round(peak, 2), "w_ratio": round(float(ratio), 1)}
    table = Table(title=f"Scoring {rows:,} predictions of {LEVELS} levels, {os.cpu_count()} processors", title_justify="left")
    for heading in ("figure", "value", "target at 2.9 million rows"):
        table.add_column(heading)
    for name, target in TARGETS.items():
        table.add_row(name, str(figures[name]), target)
    Console().print(table)
    return figures


def main() -> None:
    """Run the benchmark, or one side of it in its own process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS_WANTED, help="rows to predict and score, for a shorter trial")
    parser.add_argument("--side", nargs=2, metavar=("SIDE", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        print({"score": score_all, "plain": plain}[given.side[0]](Path(given.side[1])))
        return
    with tempfile.TemporaryDirectory(prefix="socsci210-benchmark-") as folder:
        print(json.dumps(run(Path(folder), given.rows)))


if __name__ == "__main__":
    main()
