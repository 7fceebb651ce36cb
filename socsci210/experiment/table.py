"""The paper's table with ours beside it: one table for each convention, and a curve over training fractions where there are any."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from ..reference import MIN_STUDIES
from ..result_tables import unread_words
from ..results import Convention, Run
from ..schema import Many, Strict
from .config import ExperimentConfig

Role = Literal["base", "trained"]
MARK: Final = "†"  # on every figure of a row with a note
WORDS: Final[dict[str, str]] = {"base": "untrained", "trained": "trained"}
POINTS: Final = {
    "chance": "uniform answers (chance)", "train_lookup": "train lookup", "pooled_oracle": "pooled oracle", "noise_floor": "noise floor",
}  # fmt: skip
"""What tables call the reference points, which are the same for every model."""
UNTRAINED: Final = 0  # the training fraction of the baseline


class PublishedRow(Strict):
    """One row of the paper's table. `vs_base`: by how much its W is below that of its base model, as a share."""

    system: str
    model: str | None
    role: Literal["base", "trained", "chance", "other"]
    W: float | None
    vs_base: float | None
    source: str


class PublishedFigure(Strict):
    """A published figure that has no place in the table; `convention` is null where it is not established."""

    what: str
    value: float
    convention: Literal["published"] | None
    source: str

    @property
    def words(self) -> str:
        """The figure with its convention and source."""
        return f"{self.what}: {self.value:g} (convention {self.convention or 'not established'}; {self.source})"


class PublishedSetting(Strict):
    """What the paper says of one setting."""

    table: str
    rows: Many[PublishedRow]
    figures: Many[PublishedFigure]


class Published(Strict):
    """The published figures, with their source and convention."""

    paper: str
    about: str
    settings: dict[str, PublishedSetting]


@dataclass(frozen=True)
class Scored:
    """One model of the experiment and its score. `fraction`: percentage of the training people; None where all were trained on."""

    name: str
    role: Role
    seed: int
    fraction: int | None
    rows_trained: int | None
    run: Run


@dataclass(frozen=True)
class Table:
    """A table for people and programs.

    Attributes:
        columns: key -> heading; a share is a number from 0 to 1.
        rows: the values by key; `note` is what must stand beside every figure of the row.
    """

    title: str
    convention: str
    columns: dict[str, str]
    rows: list[dict[str, Any]]

    @property
    def notes(self) -> list[str]:
        """What must stand beside the figures of each row; empty for most."""
        return [row.get("note") or "" for row in self.rows]

    @property
    def printed(self) -> list[dict[str, Any]]:
        """The rows with intervals in words, for a screen."""
        return [
            {key: shown(value, MARK if row.get("note") else "") if isinstance(value, list) else value for key, value in row.items()}
            for row in self.rows
        ]

    def markdown(self) -> str:
        """The table as a pipe table under its title; the figures of a row with a note have a mark."""
        lines = [f"**{self.title}**", "", _line(self.columns.values()), _line("---" for _ in self.columns)]
        for row, note in zip(self.rows, self.notes, strict=True):
            lines.append(_line(shown(row.get(key), mark=MARK if note else "") for key in self.columns))
        told = list(dict.fromkeys(filter(None, self.notes)))
        return "\n".join([*lines, *([""] if told else []), *(f"{MARK} {note}" for note in told)])


@cache
def published() -> Published:
    """The published figures."""
    text = (files("socsci210") / "data" / "published.json").read_text(encoding="utf-8")
    return Published.model_validate(json.loads(text))


def tables(config: ExperimentConfig, scored: Sequence[Scored]) -> list[Table]:
    """All tables of an experiment, the paper's first. Conventions are never mixed in one."""
    largest = max(config.fractions, default=None)
    main = [one for one in scored if one.role == "base" or one.fraction == largest]
    found = [_beside_the_paper(config, main), _stated(config, main), _people(config, main)]
    if (few := _by_study(config, main)) is not None:
        found.append(few)
    if config.fractions:
        found += [_curve(scored, convention) for convention in ("published", "stated")]
    return found


def about_published(config: ExperimentConfig) -> list[str]:
    """What there is to know of the published figures: sources of single rows, and figures that have no place in the table."""
    about = published().settings[config.setting]
    sources = [f"{row.system}: {row.source}" for row in about.rows if row.source != about.table]
    return [*sources, *(figure.words for figure in about.figures)]


def reasons_not_to_compare(
    config: ExperimentConfig, *, release: bool, n_simulated: int, sampling_error: float | None, overlap: bool = False
) -> list[str]:
    """Why figures of this experiment and published ones are not of the same thing; empty where they are."""
    found = []
    if not release:
        what = f"{n_simulated} of its studies are simulated" if n_simulated else "it was built from deposits"
        found.append(f"the dataset is not the published one: {what}")
    if config.template != "upstream":
        found.append(f"the prompts are in the template {config.template}, the paper's in upstream")
    if config.per_cell is not None:
        error = "" if sampling_error is None else f" (standard error of W that this adds: {sampling_error:.4f})"
        found.append(f"at most {config.per_cell} people of every cell were predicted, in the paper all{error}")
    if overlap:
        found.append("some of the scored rows were in the training of the model, in the paper none")
    return found


def name_of(config: ExperimentConfig) -> str:
    """What tables call the base model."""
    return "small model" if config.nano is not None else str(config.model).rstrip("/").rpartition("/")[2]


# --- the tables --------------------------------------------------------------------------------------------------------------------------


def _beside_the_paper(config: ExperimentConfig, scored: Sequence[Scored]) -> Table:
    about = published().settings[config.setting]
    ours = _figures_by_role(scored, "published")
    rows, placed = [], set()
    for row in about.rows:
        fits = row.role in ours and (row.role == "chance" or row.model in (config.paper_model, None))
        fits = fits and "note" not in ours[row.role]  # a model that saw the scored rows is not the paper's
        placed |= {row.role} if fits else set()
        told = {"system": row.system, "paper_W": row.W, "paper_vs_base": row.vs_base, "source": row.source}
        rows.append({**told, **(ours[row.role] if fits else {})})
    rows += [{"system": name, **ours[role]} for role, name in _names(config).items() if role in ours and role not in placed]
    columns = {
        "system": "system", "paper_W": "W, paper", "paper_vs_base": "gain, paper", "W": "W, ours", "interval": "95 %, ours",
        "vs_base": "gain, ours", "answer_mass": "answer mass",
    }  # fmt: skip
    title = f"{_words(config.setting)}, convention `published`: the paper ({about.table}) and ours{_counted(ours)}"
    return Table(title, "published", columns, rows)


def _stated(config: ExperimentConfig, scored: Sequence[Scored]) -> Table:
    ours = _figures_by_role(scored, "stated")
    rows = [{"system": name, **ours[role]} for role, name in _names(config).items() if role in ours]
    columns = {
        "system": "system", "W": "W", "interval": "95 %", "vs_base": "gain", "gap_closed": "gap closed", "answer_mass": "answer mass",
    }  # fmt: skip
    title = f"{_words(config.setting)}, convention `stated` (primary; no published figure is in it){_counted(ours)}"
    return Table(title, "stated", columns, rows)


def _people(config: ExperimentConfig, scored: Sequence[Scored]) -> Table:
    """What W does not show: single people, and differences between conditions."""
    ours = _figures_by_role(scored, "stated")
    rows = [{"system": name, **ours[role]} for role, name in _names(config).items() if role in ours and role not in POINTS]
    columns = {
        "system": "system", "accuracy_median": "accuracy, median", "accuracy_draw": "accuracy, draw", "entropy_ratio": "entropy ratio",
        "sensitivity": "condition r", "parse_rate": "parse rate",
    }  # fmt: skip
    return Table(f"{_words(config.setting)}: single people and conditions, on stated scales", "stated", columns, rows)


def _by_study(config: ExperimentConfig, scored: Sequence[Scored]) -> Table | None:
    """W of every study, where there are too few for an interval."""
    known = [(one, score) for one in scored if (score := one.run.stated)]
    if not known or known[0][1].n_studies >= MIN_STUDIES:
        return None
    names = _names(config)
    rows = []
    for part in known[0][1].per_study:
        row: dict[str, Any] = {"study": part.study_id, "n_cells": part.n_cells, "chance": part.chance, "noise_floor": part.noise_floor}
        for role in ("base", "trained"):
            row[role] = _mean([s.W for one, score in known if one.role == role for s in score.per_study if s.study_id == part.study_id])
        rows.append(row | _noted([one for one, _ in known]))
    columns = {
        "study": "study", "n_cells": "cells", "base": names["base"], "trained": names["trained"], "chance": "chance",
        "noise_floor": "noise floor",
    }  # fmt: skip
    return Table(f"W study by study, convention `stated`: under {MIN_STUDIES} studies a mean has no interval", "stated", columns, rows)


def _names(config: ExperimentConfig) -> dict[str, str]:
    """Role -> what tables call it, in their order."""
    return {**{role: f"{name_of(config)}, {word}" for role, word in WORDS.items()}, **POINTS}


def _counted(ours: Mapping[str, Mapping[str, Any]]) -> str:
    """What ours are means over, for a title. Models that are scored on different cells are told apart."""
    counts = {
        role: f"{_plural(part['n_studies'], 'study', 'studies')}, {_plural(part['n_cells'], 'cell', 'cells')}"
        for role, part in ours.items()
        if role not in POINTS
    }
    if len(set(counts.values())) > 1:
        return f"; {', '.join(f'{WORDS[role]} over {told}' for role, told in counts.items())}"
    return f"; over {next(iter(counts.values()))}" if counts else ""


def _figures_by_role(scored: Sequence[Scored], convention: Convention) -> dict[str, dict[str, Any]]:
    """Role -> figures; of the reference points too."""
    found: dict[str, dict[str, Any]] = {}
    for role in ("base", "trained"):
        some = [one for one in scored if one.role == role]
        if figures := _figures(some, convention):
            found[role] = figures
    base, trained = (found.get(role, {}).get("W") for role in ("base", "trained"))
    if base and trained is not None:
        found["trained"]["vs_base"] = 1 - trained / base
    score = next((score for one in scored if (score := one.run.score(convention))), None)
    for name in POINTS:
        if score is not None and (value := getattr(score, name)) is not None:
            found[name] = {"W": value, "n_studies": score.n_studies, "n_cells": score.n_cells}
    return found


def _curve(scored: Sequence[Scored], convention: Convention) -> Table:
    """One row for each training fraction; 0 is the untrained model."""
    parts: dict[int, list[Scored]] = {}
    for one in scored:
        parts.setdefault(UNTRAINED if one.role == "base" else one.fraction or 100, []).append(one)
    rows = [
        {"fraction": fraction, "rows_trained": some[0].rows_trained, **_figures(some, convention)}
        for fraction, some in sorted(parts.items())
    ]
    columns = {
        "fraction": "% of training people", "rows_trained": "rows trained on", "W": "W", "interval": "95 %", "gap_closed": "gap closed",
        "answer_mass": "answer mass",
    }  # fmt: skip
    if convention == "stated":
        columns |= {"accuracy_median": "accuracy, median", "accuracy_draw": "accuracy, draw", "entropy_ratio": "entropy ratio"}
    return Table(f"By share of the training people, convention `{convention}`", convention, columns, rows)


def _figures(some: Sequence[Scored], convention: Convention) -> dict[str, Any]:
    """Figures of one system, averaged over its seeds. An interval is over studies, so only a single seed has one."""
    some = [one for one in some if one.run.score(convention)]
    if not some:
        return {}
    found = [_of_run(one.run, convention) for one in some]
    figures = {key: _mean([values[key] for values in found]) for key in found[0] if key != "interval"}
    alone = len(found) == 1
    seeds = {} if alone else {"by_seed": [{"seed": one.seed, "W": values["W"]} for one, values in zip(some, found, strict=True)]}
    return {**figures, "interval": found[0]["interval"] if alone else None, **seeds, **_noted(some)}


def _noted(some: Sequence[Scored]) -> dict[str, str]:
    """What must stand beside every figure of models that saw scored rows in training, or left cells unanswered; nothing where none did."""
    seen = [one.run.contamination for one in some if one.run.contamination and one.run.contamination.overlap_rows]
    told = [f"{part.overlap_rows:,} of the scored rows ({part.share:.1%}) were in its training: {part.note}" for part in seen]
    told += [unread_words(score) for one in some if (score := one.run.stated) and score.unread[0]]
    return {"note": "; ".join(dict.fromkeys(told))} if told else {}


def _of_run(run: Run, convention: Convention) -> dict[str, Any]:
    score = run.score(convention)
    assert score is not None
    figures = {
        "W": score.W.point,
        "interval": list(score.W.interval) if score.W.interval else None,
        "gap_closed": score.gap_closed.value,
        "answer_mass": run.answer_mass.mean if run.answer_mass else None,
        "n_studies": score.n_studies,
        "n_cells": score.n_cells,
    }
    if convention == "published":
        return figures
    return figures | {
        "accuracy_median": run.individual.median.point if run.individual else None,
        "accuracy_draw": run.individual.draw.point if run.individual else None,
        "entropy_ratio": run.individual.entropy_ratio if run.individual else None,
        "sensitivity": run.sensitivity.r,
        "parse_rate": run.coverage.parse_rate,
    }


def _mean(values: Sequence[float | None]) -> float | int | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return known[0] if len(set(known)) == 1 else sum(known) / len(known)


def _plural(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _words(setting: str) -> str:
    return setting.replace("_", " ").capitalize()


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def shown(value: Any, mark: str = "") -> str:
    """A value as tables print it, a figure with its mark."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return "–".join(f"{end:.3f}" for end in value) + mark
    if not isinstance(value, int | float):
        return str(value)
    return (f"{value:.3f}" if isinstance(value, float) else f"{value:,}") + mark


def record(found: Sequence[Table], about: Mapping[str, Any]) -> dict[str, Any]:
    """What `table.json` holds."""
    return {**about, "tables": [{"title": t.title, "convention": t.convention, "columns": t.columns, "rows": t.rows} for t in found]}
