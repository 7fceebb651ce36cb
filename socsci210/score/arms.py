"""Arms files: every persona of a study through every condition of an outcome, read and checked.

A persona counts in an item where its answer could be read in every arm that the file has of the item: else arms would differ in who answers
for them. What is left out is counted. In conjoints the arms are questions drawn from those that people saw, the same for every persona;
`shown_to` says whose each was.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..dataset_folder import DatasetFolder
from ..errors import DatasetError
from ..items import Items
from ..metrics.socsci210.cells import Answers, Ints
from ..metrics.socsci210.codes import distinct
from ..metrics.socsci210.effects import Rows
from ..predict.shards import ARM_KEY, SHOWN_TO
from ..row_texts import row_steps
from .conjoint import Conjoints, Judged, judged_of, some_answers
from .files import AGAIN, SHOWN, PredictionFiles
from .predictions import Mask, Where, has, match, named, nothing_parsed, read_columns, read_distributions, shared_columns, unread
from .rows import means_on_scale
from .split import COLUMNS, Scale, study_codes

NOT_READ: Final = "rows of the arms file without a readable answer"
NOT_IN_ALL: Final = "rows of the arms file of personas without a readable answer in every arm of the item"


class Arms(NamedTuple):
    """What people answered and what the model expects. Of an arms file: people's answers in all conditions, whatever their side of a split.

    Attributes:
        people, model: outcomes that are compared between arms, items by the number that all arms share.
        judged, asked: outcomes that show profiles: what people said of them, and the model for every persona.
        parse_rate: share of an arms file's rows with a readable answer; None without one.
        left_out: rows of an arms file, by reason.
    """

    people: Rows
    model: Rows
    judged: Judged
    asked: Judged
    parse_rate: float | None
    left_out: Counter[str]


def read_arms(run: PredictionFiles, folder: DatasetFolder, studies: tuple[str, ...], items: Items, conjoints: Conjoints) -> Arms:
    """Read the arms of a run.

    Args:
        studies: names by code, for the codes of both sides.

    Raises:
        DatasetError: rows of other studies, of cells, participants or questions that the dataset has not, given twice, or whose predictions
            are no distributions over the scale; or no prediction that could be read.
    """
    names = shared_columns(run)
    key = ARM_KEY + ((SHOWN_TO,) if SHOWN_TO in names else ())
    table = read_columns(run, key)
    _, study = study_codes(table, studies)
    person, condition, task, item = (table.column(name).to_numpy().astype(np.int64) for name in ARM_KEY[1:])
    shown_to = pc.fill_null(table.column(SHOWN_TO), -1).to_numpy().astype(np.int64) if SHOWN_TO in names else np.full(len(study), -1)
    _refuse(run, table, study < 0, "are of studies that the scored predictions do not have")
    rows = folder.rows("all", columns=COLUMNS, studies=[studies[code] for code in np.unique(study).tolist()])
    _, own_study = study_codes(rows, studies)
    own_person, own_condition, own_task, own_item = (rows.column(name).to_numpy().astype(np.int64) for name in ARM_KEY[1:])
    cells, own_cells = _codes([(study, condition, task, item), (own_study, own_condition, own_task, own_item)])
    people, own_people = _codes([(study, person), (own_study, own_person)])
    _refuse(run, table, ~np.isin(cells, own_cells), "are of cells that the dataset has not")
    _refuse(run, table, ~np.isin(people, own_people), "are of participants that the dataset has not")
    plain = shown_to < 0
    _refuse(run, table, plain & conjoints.shows(study, task), f"do not say which profiles they are about (`{SHOWN_TO}`)")
    questions, own_questions = _codes([(cells, shown_to), (own_cells, own_person)])
    _refuse(run, table, ~plain & ~np.isin(questions, own_questions), "are of questions that nobody saw")
    twice = distinct([questions, people])
    _refuse(run, table, twice.first[twice.code] != np.arange(len(cells)), "are given more than once")

    first = np.unique(own_cells, return_index=True)
    place, _ = match(cells, first[0])
    low, high = (rows.column(name).cast(pa.float64()).to_numpy() for name in ("scale_min", "scale_max"))
    own_scale = Scale(low, high, row_steps(rows, folder).astype(np.float64))
    scale = own_scale.take(first[1][place])
    answers, readable = _answers(run, names, table, scale)
    common = items.common(study, condition, task, item)
    complete = readable & (~plain | _in_every_arm(distinct([study, task, common]).code, cells, people, readable))
    mean = np.full(len(study), np.nan)
    known = np.flatnonzero(readable)
    mean[known] = means_on_scale(answers if len(known) == len(mean) else some_answers(answers, known), scale.take(known))

    response = rows.column("response").to_numpy().astype(np.float64)
    inside = (response >= low) & (response <= high) & ((response - low) % own_scale.step == 0)
    humans = Rows(own_study, own_condition, own_task, items.common(own_study, own_condition, own_task, own_item), own_person,
                  (response - low) / (high - low))  # fmt: skip
    model = Rows(study, condition, task, common, person, mean)
    outcomes, own_outcomes = _codes([(study, task), (own_study, own_task)])
    points = Answers(np.arange(len(response) + 1), response, np.ones(len(response)))
    judged = np.flatnonzero(inside & np.isin(own_outcomes, outcomes[~plain]))
    asked = np.flatnonzero(complete & ~plain)
    return Arms(
        people=humans.take(inside & np.isin(own_cells, cells[plain])),
        model=model.take(complete & plain),
        judged=judged_of(humans._replace(item=own_item), own_person, points, own_scale, judged, conjoints.most),
        asked=judged_of(model._replace(item=item), shown_to, answers, scale, asked, conjoints.most),
        parse_rate=float(readable.mean()),
        left_out=+Counter({NOT_READ: int((~readable).sum()), NOT_IN_ALL: int((readable & ~complete).sum())}),
    )


def _in_every_arm(item: Ints, cell: Ints, person: Ints, readable: Mask) -> Mask:
    """Rows of personas with a readable answer in every cell that the file has of the item."""
    cells = distinct([item, cell])
    wanted = np.bincount(item[cells.first], minlength=int(item.max()) + 1)
    persona = distinct([item, person])
    found = np.bincount(persona.code, weights=readable, minlength=persona.size)
    complete: Mask = (found == wanted[item[persona.first]])[persona.code]
    return complete


def _answers(run: PredictionFiles, names: list[str], table: pa.Table, scale: Scale) -> tuple[Answers, Mask]:
    """The answers in the order of the file, empty where none could be read, and where one could."""
    at = Where(run, table, np.arange(table.num_rows))
    if has(run, names, "probabilities"):
        silent = unread(run, names, table.num_rows)
        answers = read_distributions(run, names, at, scale, silent)
        readable = answers.sizes > 0
    elif has(run, names, "prediction"):
        point = read_columns(run, ("prediction",)).column(0).to_numpy().astype(np.float64)
        readable = np.isfinite(point)
        answers = Answers(np.concatenate([[0], np.cumsum(readable)]), point[readable], np.ones(int(readable.sum())))
    else:
        raise DatasetError("neither `probabilities` nor `prediction`", where=run.where, expected="one of them", fix=AGAIN)
    if not readable.any():
        raise nothing_parsed(run, len(readable))
    return answers, readable


def _codes(sides: list[tuple[Ints, ...]]) -> tuple[Ints, Ints]:
    """One code for equal keys on both sides."""
    both = distinct([np.concatenate(pair) for pair in zip(*sides, strict=True)]).code
    return both[: len(sides[0][0])], both[len(sides[0][0]) :]


def _refuse(run: PredictionFiles, table: pa.Table, bad: Mask, what: str) -> None:
    if bad.any():
        raise DatasetError(
            f"{int(bad.sum())} of {len(bad)} predictions {what}: {named(table, np.flatnonzero(bad)[:SHOWN])}",
            where=run.where, expected="every persona of a scored study once in every arm", fix=AGAIN,
        )  # fmt: skip
