"""Arms files: every persona of a study through every condition of an outcome, read and checked."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from ..dataset_folder import DatasetFolder
from ..errors import DatasetError
from ..metrics.socsci210.cells import Answers, Ints
from ..metrics.socsci210.codes import distinct
from ..metrics.socsci210.effects import Rows
from ..row_texts import row_steps
from .files import AGAIN, SHOWN, PredictionFiles
from .predictions import Mask, Where, has, match, named, read_columns, read_distributions, shared_columns
from .rows import means_on_scale
from .split import COLUMNS, Scale, study_codes

KEY: Final = ("study_id", "participant", "condition_num", "task_num", "item_num")


def taken(rows: Rows, index: Ints | Mask) -> Rows:
    """Some of the rows, unweighted."""
    keys = (rows.study, rows.condition, rows.task, rows.item, rows.person)
    study, condition, task, item, person = (key[index] for key in keys)
    return Rows(study, condition, task, item, person, rows.value[index])


class Arms(NamedTuple):
    """People's answers to the items of an arms file (all conditions, whatever their side of a split), and the model's for every persona."""

    people: Rows
    model: Rows


def read_arms(run: PredictionFiles, folder: DatasetFolder, studies: tuple[str, ...]) -> Arms:
    """Read the arms of a run.

    Args:
        studies: names by code, for the codes of both sides.

    Raises:
        DatasetError: rows of other studies, of cells or participants that the dataset has not, given twice, or whose predictions are no
            distributions over the scale.
    """
    table = read_columns(run, KEY)
    _, study = study_codes(table, studies)
    arrays = tuple(table.column(name).to_numpy().astype(np.int64) for name in KEY[1:])
    person, condition, task, item = arrays
    _refuse(run, table, study < 0, "are of studies that the scored predictions do not have")
    rows = folder.rows("all", columns=COLUMNS, studies=[studies[code] for code in np.unique(study).tolist()])
    _, own_study = study_codes(rows, studies)
    own_person, own_condition, own_task, own_item = (rows.column(name).to_numpy().astype(np.int64) for name in KEY[1:])
    cells, own_cells = _codes([(study, condition, task, item), (own_study, own_condition, own_task, own_item)])
    people, own_people = _codes([(study, person), (own_study, own_person)])
    _refuse(run, table, ~np.isin(cells, own_cells), "are of cells that the dataset has not")
    _refuse(run, table, ~np.isin(people, own_people), "are of participants that the dataset has not")
    twice = distinct([cells, people])
    _refuse(run, table, twice.first[twice.code] != np.arange(len(cells)), "are given more than once")

    first = np.unique(own_cells, return_index=True)
    place, _ = match(cells, first[0])
    low, high = (rows.column(name).cast(pa.float64()).to_numpy() for name in ("scale_min", "scale_max"))
    scale = Scale(low, high, row_steps(rows, folder).astype(np.float64))
    answers = _answers(run, table, scale.take(first[1][place]))
    mean = means_on_scale(answers, scale.take(first[1][place]))

    response = rows.column("response").to_numpy().astype(np.float64)
    inside = (response >= low) & (response <= high) & ((response - low) % scale.step == 0)
    items, own_items = _codes([(study, task, item), (own_study, own_task, own_item)])
    keep = np.flatnonzero(inside & np.isin(own_items, items))
    value = (response - low) / (high - low)
    humans = taken(Rows(own_study, own_condition, own_task, own_item, own_person, value), keep)
    return Arms(humans, Rows(study, condition, task, item, person, mean))


def _answers(run: PredictionFiles, table: pa.Table, scale: Scale) -> Answers:
    names = shared_columns(run)
    at = Where(run, table, np.arange(table.num_rows))
    if has(run, names, "probabilities"):
        return read_distributions(run, names, at, scale)
    if not has(run, names, "prediction"):
        raise DatasetError("neither `probabilities` nor `prediction`", where=run.where, expected="one of them", fix=AGAIN)
    point = read_columns(run, ("prediction",)).column(0).to_numpy().astype(np.float64)
    at.refuse(~np.isfinite(point), "could not be read as an answer", "an answer for every persona in every arm")
    return Answers(np.arange(len(point) + 1), point, np.ones(len(point)))


def _codes(sides: list[tuple[Ints, ...]]) -> tuple[Ints, Ints]:
    """One code for equal keys on both sides."""
    both = distinct([np.concatenate(pair) for pair in zip(*sides, strict=True)]).code
    return both[: len(sides[0][0])], both[len(sides[0][0]) :]


def _refuse(run: PredictionFiles, table: pa.Table, bad: np.ndarray[tuple[int], np.dtype[np.bool_]], what: str) -> None:
    if bad.any():
        raise DatasetError(
            f"{int(bad.sum())} of {len(bad)} predictions {what}: {named(table, np.flatnonzero(bad)[:SHOWN])}",
            where=run.where, expected="every persona of a scored study once in every arm", fix=AGAIN,
        )  # fmt: skip
