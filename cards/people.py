"""Who is in a dataset, and who is not: shares, panels and years for the card, counted from the small tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..demographics import FIELDS, INTEGER_FIELDS, VOCABULARY

FEW: Final = 30
"""A cell with fewer answers than this is called small; groups under it are left out of parity too."""
_THIN: Final = 0.5
_COMMON: Final = 3
_UNSEEN_SHOWN: Final = 12


def people(tables: Mapping[str, pa.Table]) -> dict[str, Any]:
    """What a card says of the people of a dataset.

    Args:
        tables: `participants` and `studies`, in the schemas of schema.TABLES.

    Returns:
        n, panels, years, undated, weighted, fields, covered, missing, thin and unseen, as people.md.jinja reads them.
    """
    persons, studies = tables["participants"], tables["studies"].to_pylist()
    demographic = persons.column("demographic").combine_chunks()
    of_study = persons.column("study_id").cast(pa.string())
    found = [_field(name, pc.struct_field(demographic, name), of_study) for name in FIELDS]
    covered = [field for field in found if field["known"]]
    weighted = persons.filter(pc.is_valid(persons.column("weight"))).column("study_id")
    return {
        "n": len(persons),
        "panels": _panels(studies, len(persons)),
        **_years(studies),
        "weighted": len(pc.unique(weighted)),
        "fields": len(covered),
        "covered": covered,
        "missing": [field["name"] for field in found if not field["known"]],
        "thin": [field for field in covered if field["share"] < _THIN],
        "unseen": [{"name": field["name"], "absent": field["unseen"]} for field in covered if field["unseen"]],
    }


def cells(table: pa.Table) -> dict[str, int]:
    """Of the cells of a dataset: how many, with how few answers, and how many without a bounded scale."""
    n = table.column("n").to_numpy()
    return {
        "n": len(n),
        "small": int((n < FEW).sum()),
        "few": FEW,
        "median": int(np.median(n)) if len(n) else 0,
        "unscaled": table.column("scale_min").null_count,
    }


def _field(name: str, values: pa.Array, of_study: pa.ChunkedArray) -> dict[str, Any]:
    known = pc.is_valid(values)
    n = int(pc.sum(known).as_py() or 0)
    counts = Counter({item["values"]: item["counts"] for item in pc.value_counts(values.filter(known)).to_pylist()})
    vocabulary = VOCABULARY[name] or ()
    in_it = counts.keys() <= set(vocabulary)  # not so where values were made coarser
    return {
        "name": name,
        "known": n,
        "share": n / max(len(values), 1),
        "studies": len(pc.unique(of_study.filter(known))),
        "seen": f"{len(counts)} of {len(vocabulary)}" if vocabulary and in_it else str(len(counts)),
        "common": _range(counts) if name in INTEGER_FIELDS else _common(counts, n),
        "unseen": _unseen(vocabulary, counts) if in_it else "",
    }


def _range(counts: Counter[Any]) -> str:
    """Lowest, median and highest of an integer field."""
    if not counts:
        return ""
    values = sorted(counts)
    half = sum(counts.values()) / 2
    reached = np.cumsum([counts[value] for value in values])
    return f"{values[0]} to {values[-1]}, median {values[int(np.searchsorted(reached, half))]}"


def _common(counts: Counter[Any], n: int) -> str:
    first = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:_COMMON]
    return ", ".join(f"{value} {100 * count / n:.1f} %" for value, count in first)


def _unseen(vocabulary: tuple[str, ...], counts: Counter[Any]) -> str:
    absent = [value for value in vocabulary if value not in counts]
    more = f" and {len(absent) - _UNSEEN_SHOWN} more" if len(absent) > _UNSEEN_SHOWN else ""
    return "; ".join(absent[:_UNSEEN_SHOWN]) + more


def _panels(studies: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    """Panels by how many people came from them, the largest first."""
    names = Counter({study["panel"]: 0 for study in studies})
    for study in studies:
        names[study["panel"]] += study["n_participants"]
    return [
        {"name": name, "studies": sum(study["panel"] == name for study in studies), "people": count, "share": count / max(n, 1)}
        for name, count in sorted(names.items(), key=lambda item: (-item[1], item[0]))
    ]


def _years(studies: list[dict[str, Any]]) -> dict[str, Any]:
    """From which year to which the studies were fielded, and how many do not say."""
    starts = [study["field_start"][:4] for study in studies if study["field_start"] not in (None, "unknown")]
    ends = [study["field_end"][:4] for study in studies if study["field_end"] not in (None, "unknown")]
    first, last = min(starts + ends, default=""), max(starts + ends, default="")
    undated = sum(study["field_start"] in (None, "unknown") and study["field_end"] in (None, "unknown") for study in studies)
    return {"years": first if first == last else f"{first} to {last}", "undated": undated}
