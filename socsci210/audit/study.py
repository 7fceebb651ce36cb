"""The audit of one study: every rule on its rows, the flags that rows get, and the answers of the clean view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .answers import cell_findings, missing_codes, off_scale, offsets
from .cells import grouped, members, occurrence, repeats
from .dataset_rules import SKETCH, audit_dataset
from .parts import treatment_end
from .people import UNDER_20K, people_findings, persona_columns, present
from .records import Finding, Ints, Mask, StudyAudit, StudyRows, StudySummary, around, values_seen
from .rules import ROW_RULES, RULES
from .structure import OWN_TEXTS, reused_task, study_findings
from .texts import text_masks

__all__ = ["Finding", "StudyAudit", "StudyRows", "StudySummary", "assign_items", "audit_dataset", "audit_study"]

TREATMENT = 60  # characters before the question that are more than an opening
MOST_OUTCOMES = 5  # outcomes that a detail names


def assign_items(condition: Ints, task: Ints, participant: Ints, text: Ints) -> Ints:
    """The item_num of n rows.

    0 in cells where nobody answers twice. Elsewhere the place of the stimulus among the distinct stimuli of its cell, in the order of first
    appearance; where more than half of a cell's rows have texts of their own (conjoints), how often the person answered in it before.
    """
    item = np.zeros(len(condition), np.int64)
    cell, n_cells = grouped(condition, task)
    person, _ = grouped(cell, participant)
    again = np.zeros(n_cells, np.bool_)
    again[cell[repeats(person)]] = True
    if not again.any():
        return item
    earlier = occurrence(person)
    for places in members(cell, again[cell]):
        codes, first, place = np.unique(text[places], return_index=True, return_inverse=True)
        if len(codes) > OWN_TEXTS * len(places):
            item[places] = earlier[places]
        else:
            item[places] = np.argsort(np.argsort(first, kind="stable"), kind="stable")[place.reshape(-1)]
    return item


def audit_study(rows: StudyRows) -> StudyAudit:
    """Run every rule that needs one study only.

    Returns:
        Findings (one per study for rules about rows, one per cell or outcome for rules about those), and for each row the names of the
        row rules that touch it and its answer in the clean view: moved back where an offset is certain, null where the row is left out.
    """
    findings: list[Finding] = []
    masks: dict[str, Mask] = {}
    shift = offsets(rows)
    masks["condition_offset"] = shift != 0
    masks["missing_code"] = missing_codes(rows, masks["condition_offset"])
    masks["off_scale"] = off_scale(rows) & ~masks["condition_offset"] & ~masks["missing_code"]
    masks["reused_task"] = reused_task(rows)
    spots: dict[str, str] = {}
    for name, of_texts, span, place in text_masks(rows.texts, rows.scales):
        masks[name] = of_texts[rows.text]
        if span is not None:
            spots[name] = around(rows.texts[place], *span)
    findings += _row_findings(rows, masks, spots)
    findings += cell_findings(rows, masks["missing_code"])
    findings += study_findings(rows)
    personas = persona_columns(rows.people)
    findings += people_findings(rows.study_id, personas)
    out = np.zeros(len(rows), np.bool_)
    for name, mask in masks.items():
        if RULES[name].action in ("missing", "exclude"):
            out |= mask
    clean = pa.array(rows.response - shift, pa.int64(), mask=out)
    summary = _summary(rows, personas, masks, repaired=int((masks["condition_offset"] & ~out).sum()), left_out=int(out.sum()))
    return StudyAudit(tuple(findings), _flags(masks, len(rows)), clean, summary)


def _row_findings(rows: StudyRows, masks: Mapping[str, Mask], spots: Mapping[str, str]) -> Iterator[Finding]:
    for name in ROW_RULES:
        mask = masks.get(name)
        if mask is None or not mask.any():
            continue
        tasks, counts = np.unique(rows.task[mask], return_counts=True)
        parts = [f"{task} ({n:,})" for task, n in zip(tasks[:MOST_OUTCOMES], counts[:MOST_OUTCOMES], strict=True)]
        more = f" and {len(tasks) - MOST_OUTCOMES} more" if len(tasks) > MOST_OUTCOMES else ""
        example = spots.get(name, "")
        if not example and name != "reused_task":
            example = values_seen(rows.response[mask])
        task = int(tasks[0]) if len(tasks) == 1 else None
        detail = f"outcome{'s' if len(tasks) > 1 else ''} {', '.join(parts)}{more}"
        yield Finding(name, rows.study_id, None, task, int(mask.sum()), len(rows), detail, example)


def _flags(masks: Mapping[str, Mask], n: int) -> pa.Array:
    """The sorted names of the rules that touch each row: few different lists, so each is made once."""
    names = sorted(masks)
    bits = np.zeros(n, np.int64)
    for place, name in enumerate(names):
        bits |= masks[name].astype(np.int64) << place
    kinds, kind = np.unique(bits, return_inverse=True)
    lists = [[name for place, name in enumerate(names) if bit >> place & 1] for bit in kinds.tolist()]
    return pa.array(lists, pa.list_(pa.string())).take(pa.array(kind.reshape(-1)))


def _summary(rows: StudyRows, personas: Mapping[str, pa.Array], masks: Mapping[str, Mask], *, repaired: int, left_out: int) -> StudySummary:
    treatments = _treatments(rows)
    return StudySummary(
        study_id=rows.study_id,
        rows=len(rows),
        people=len(rows.people),
        conditions=len(np.unique(rows.condition)),
        outcomes=len(np.unique(rows.task)),
        texts=len(rows.texts),
        treatments=len(treatments),
        sketch=treatments[:SKETCH],
        present=present(personas),
        gender_and_ethnicity=pc.sum(pc.and_(pc.is_valid(personas["gender"]), pc.is_valid(personas["ethnicity"]))).as_py() or 0,
        income_under_20k=pc.sum(pc.is_in(personas["income"], pa.array(UNDER_20K))).as_py() or 0,
        repaired=repaired,
        left_out=left_out,
        flagged={name: int(mask.sum()) for name, mask in masks.items() if mask.any()},
    )


def _treatments(rows: StudyRows) -> npt.NDArray[np.uint64]:
    """Ascending hashes of what a study shows before its questions; of whole stimuli where there is nothing before."""
    shown = {text[: treatment_end(text, scale)] for text, scale in zip(rows.texts, rows.scales, strict=True)}
    told = [part for part in shown if len(part) >= TREATMENT]
    return np.unique(pd.util.hash_array(np.array(told or rows.texts, object), categorize=False))
