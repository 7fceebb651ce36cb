"""The people of a screening: from a file of the 16 fields, drawn from the shares of a population, or those of a dataset's study."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..dataset_folder import MANIFEST, DatasetFolder
from ..demographics import FIELDS, VOCABULARY
from ..errors import DatasetError
from ..predict.shards import METADATA_KEY
from ..study_yaml import did_you_mean
from .experiment_file import ExperimentError
from .parts import PERSONAS_SCHEMA
from .population import Shares, draw_people, weigh_people

SAMPLE: Final = "sample"
LEFT_OUT: Final = "left_out"
"""In the metadata of a table of personas: people of the study who are not in it, by reason."""
UNKNOWN: Final = "nothing is known about the person"
NO_WEIGHT: Final = "weight 0"
WEIGHT: Final = "weight"
MOST_PEOPLE: Final = 1_000_000
BOUNDS: Final[Mapping[str, tuple[int, int]]] = {"age": (1, 120), "household_size": (1, 40)}
_FORMS: Final = "a csv or parquet file of the 16 fields, sample:N, or DATASET:STUDY"


def read_personas(spec: str | Path | pa.Table, *, shares: Shares | None = None, people: int | None = None, seed: int = 0) -> pa.Table:
    """The people of a screening (columns: `parts.PERSONAS_SCHEMA`).

    Args:
        spec: a csv or parquet file, or a table, of some of the 16 fields and perhaps `weight`; `sample:N`, N people drawn from the shares;
            or `DATASET:STUDY`, the people of a study in a dataset folder.
        shares: of the population, as `marginals` in an experiment file. People of a file or study are weighted to them.
        people: at most so many of the people of a file or study, drawn by the seed.
        seed: of both draws.

    Raises:
        ExperimentError: nobody, a field or value outside the vocabulary, or shares that cannot be met.
        DatasetError: a dataset or study that is not there.
    """
    if people is not None and people < 1:
        raise ExperimentError(f"--people {people}", expected="1 or more", fix="check --people")
    left_out: dict[str, int] = {}
    if isinstance(spec, pa.Table):
        found, source = _of_table(spec, "personas"), "table"
    elif str(spec).startswith(f"{SAMPLE}:") and not Path(spec).exists():
        n = _number(str(spec), people)
        found, source = [{**person, WEIGHT: 1.0} for person in draw_people(n, shares or {}, seed)], SAMPLE
        shares = None
    elif Path(spec).is_file():
        found, source = _of_file(Path(spec)), Path(spec).name
    else:
        (found, left_out), source = _of_study(str(spec)), _short(str(spec))
    if not found:
        raise ExperimentError("there are no people", where=str(source), expected="at least one person", fix="add people")
    if people is not None and people < len(found):
        chosen = np.sort(np.random.default_rng(seed).permutation(len(found))[:people])
        found = [found[place] for place in chosen.tolist()]
    weights = np.array([person[WEIGHT] for person in found], np.float64)
    weights = weigh_people(found, weights, shares) if shares else weights / weights.mean()
    rows = [{**person, WEIGHT: weight, "source": source} for person, weight in zip(found, weights.tolist(), strict=True)]
    return pa.Table.from_pylist(rows, PERSONAS_SCHEMA).replace_schema_metadata({METADATA_KEY: json.dumps({LEFT_OUT: left_out})})


def made_up(personas: pa.Table) -> bool:
    """Whether nobody among them is, or may be, a real person."""
    return pc.all(pc.equal(personas.column("source"), SAMPLE)).as_py() is True


def personas_sha256(personas: pa.Table) -> str:
    """Of who they are, in their order."""
    return hashlib.sha256(json.dumps(personas.to_pylist(), sort_keys=True).encode()).hexdigest()


def _number(spec: str, people: int | None) -> int:
    text = spec.partition(":")[2].replace(",", "").replace("_", "")
    if not text.isdigit() or not 1 <= int(text) <= MOST_PEOPLE or people is not None:
        fix = "write for example sample:500" if people is None else "leave --people out: N says how many"
        raise ExperimentError(f"found {spec!r}", where="--personas", expected=f"sample:N with N from 1 to {MOST_PEOPLE:,}", fix=fix)
    return int(text)


def _of_file(path: Path) -> list[dict[str, Any]]:
    if path.suffix.lower() in (".parquet", ".pq"):
        try:
            return _of_table(pq.read_table(path), str(path))
        except (OSError, pa.ArrowException) as error:
            raise ExperimentError(f"does not read as parquet ({error})", where=str(path), fix="save it again, or as csv") from None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            lines = csv.reader(file, delimiter=max(",;\t", key=first.count), strict=True)
            names = next(lines, [])
            rows = [(lines.line_num, row) for row in lines if any(cell.strip() for cell in row)]
    except UnicodeDecodeError:
        raise ExperimentError("is not UTF-8", where=str(path), expected="a csv or parquet file", fix="save it as CSV UTF-8") from None
    except csv.Error as error:
        raise ExperimentError(f"is not a csv file ({error})", where=str(path), fix="put quotes around cells with commas") from None
    fields = _columns([name.strip() for name in names], str(path))
    people = []
    for line, row in rows:
        where = f"{path}, line {line}"
        if len(row) != len(fields):
            raise ExperimentError(f"{len(row)} cells", where=where, expected=f"{len(fields)}", fix="put quotes around cells with commas")
        people.append(_person(dict(zip(fields, row, strict=True)), where))
    return people


def _of_table(table: pa.Table, where: str) -> list[dict[str, Any]]:
    if "demographic" in table.column_names:  # the participants of a dataset
        rows = [{**(row["demographic"] or {}), WEIGHT: row.get(WEIGHT)} for row in table.to_pylist()]
    else:
        names = [name for name in table.column_names if name != "source"]
        _columns(names, where)
        rows = table.select(names).to_pylist()
    return [_person(row, f"{where}, row {number}") for number, row in enumerate(rows, 1)]


def _columns(names: list[str], where: str) -> list[str]:
    known = (*FIELDS, WEIGHT)
    for number, name in enumerate(names):
        if name not in known:
            fix = did_you_mean(name, known) or "remove this column: nothing but these fields is read"
            raise ExperimentError(f"unknown column {name!r}", where=where, expected=f"some of {', '.join(known)}", fix=fix)
        if name in names[:number]:
            raise ExperimentError(f"column {name!r} is there twice", where=where, fix="keep one of them")
    return names


def _person(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """One person, checked."""
    person = {field: _value(field, value, where) for field, value in values.items() if field != WEIGHT and value not in (None, "")}
    if not person:
        raise ExperimentError("nothing is known about this person", where=where, fix="fill in at least one field, or remove the row")
    given = values.get(WEIGHT)
    try:
        weight = 1.0 if given in (None, "") else float(given)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise ExperimentError(f"weight is {given!r}", where=where, expected="a number above 0", fix="correct it, or leave weights out")
    return {**person, WEIGHT: weight}


def _value(field: str, value: Any, where: str) -> str | int:
    words = VOCABULARY[field]
    text = str(value).strip()
    if words is None:
        low, high = BOUNDS[field]
        number = int(float(text)) if text.replace(".0", "").isdigit() else -1
        if not low <= number <= high:
            raise ExperimentError(f"{field} is {text!r}", where=where, expected=f"a whole number from {low} to {high}", fix="correct it")
        return number
    if text not in words:
        fix = did_you_mean(text, words) or "use one of these words, or leave the cell empty"
        raise ExperimentError(f"{field} is {text!r}", where=where, expected=f"one of {'; '.join(words)}", fix=fix)
    return text


def _of_study(spec: str) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The people of `DATASET:STUDY`, and how many are left out, by reason."""
    place, colon, study = spec.rpartition(":")
    if not colon or not (Path(place) / MANIFEST).is_file():
        raise ExperimentError(
            f"found {spec!r}", where="--personas", expected=_FORMS, fix="check the path: there is no such file or dataset"
        )
    folder = DatasetFolder(Path(place))
    if study not in folder.studies:
        fix = did_you_mean(study, folder.studies) or "name one of these"
        raise DatasetError(f"no study {study!r}", where=place, expected=f"one of {', '.join(folder.studies[:30])}", fix=fix)
    table = folder.table("participants", ["study_id", "demographic", WEIGHT])
    own = table.filter(pc.equal(table.column("study_id").cast(pa.string()), study)).to_pylist()
    people, left_out = [], dict.fromkeys((UNKNOWN, NO_WEIGHT), 0)
    for row in own:
        person = {field: value for field, value in row["demographic"].items() if value is not None}
        weight = 1.0 if row[WEIGHT] is None else row[WEIGHT]
        if not person or weight <= 0:
            left_out[NO_WEIGHT if person else UNKNOWN] += 1
        else:
            people.append({**person, WEIGHT: weight})
    return people, {reason: n for reason, n in left_out.items() if n}


def _short(spec: str) -> str:
    """DATASET:STUDY without the folders above the dataset."""
    place, _, study = spec.rpartition(":")
    return f"{Path(place).resolve().name}:{study}"
