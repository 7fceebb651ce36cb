"""The paper's table with ours beside it: one table for each convention, and a curve over training fractions where there are any."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from ..results import Convention, Run
from ..schema import Many, Strict
from .config import ExperimentConfig

Role = Literal["base", "trained"]
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
    """A table for people and programs. `columns`: key -> heading; a share is a number from 0 to 1."""

    title: str
    convention: str
    columns: dict[str, str]
    rows: list[dict[str, Any]]

    @property
    def printed(self) -> list[dict[str, Any]]:
        """The rows with intervals in words, for a screen."""
        return [{key: shown(value) if isinstance(value, list) else value for key, value in row.items()} for row in self.rows]

    def markdown(self) -> str:
        """The table as a pipe table under its title."""
        lines = [f"**{self.title}**", "", _line(self.columns.values()), _line("---" for _ in self.columns)]
        return "\n".join([*lines, *(_line(shown(row.get(key)) for key in self.columns) for row in self.rows)])


@cache
def published() -> Published:
    """The published figures."""
    text = (files("socsci210") / "data" / "published.json").read_text(encoding="utf-8")
    return Published.model_validate(json.loads(text))


def tables(config: ExperimentConfig, scored: Sequence[Scored]) -> list[Table]:
    """All tables of an experiment, the paper's first. Conventions are never mixed in one."""
    largest = max(config.fractions, default=None)
    main = [one for one in scored if one.role == "base" or one.fraction == largest]
    found = [_beside_the_paper(config, main), _stated(config, main)]
    if config.fractions:
        found += [_curve(scored, convention) for convention in ("published", "stated")]
    return found


def reasons_not_to_compare(config: ExperimentConfig, *, release: bool, n_simulated: int, sampling_error: float | None) -> list[str]:
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
    return found


def name_of(config: ExperimentConfig) -> str:
    """What tables call the base model."""
    return "small model" if config.nano is not None else str(config.model).rstrip("/").rpartition("/")[2]


# --- the tables --------------------------------------------------------------------------------------------------------------------------


def _beside_the_paper(config: ExperimentConfig, scored: Sequence[Scored]) -> Table:
    about = published().settings[config.setting]
    ours = _figures_by_role(scored, "published")
    rows, shown = [], set()
    for row in about.rows:
        fits = row.role in ours and (row.role == "chance" or row.model in (config.paper_model, None))
        shown |= {row.role} if fits else set()
        told = {"system": row.system, "paper_W": row.W, "paper_vs_base": row.vs_base, "source": row.source}
        rows.append({**told, **(ours[row.role] if fits else {})})
    names = {
        "base": f"{name_of(config)}, untrained", "trained": f"{name_of(config)}, trained", "chance": "uniform answers",
        "train_lookup": "train lookup", "noise_floor": "noise floor",
    }  # fmt: skip
    rows += [{"system": name, **ours[role]} for role, name in names.items() if role in ours and role not in shown]
    columns = {
        "system": "system", "paper_W": "W, paper", "paper_vs_base": "better than base, paper", "W": "W, ours", "interval": "95 %, ours",
        "vs_base": "better than base, ours", "n_studies": "studies", "n_cells": "cells",
    }  # fmt: skip
    return Table(f"{_words(config.setting)}, convention `published`: the paper ({about.table}) and ours", "published", columns, rows)


def _figures_by_role(scored: Sequence[Scored], convention: Convention) -> dict[str, dict[str, Any]]:
    """Role -> figures; of the reference points too, which are the same for every model."""
    found: dict[str, dict[str, Any]] = {}
    for role in ("base", "trained"):
        some = [one for one in scored if one.role == role]
        if figures := _figures(some, convention):
            found[role] = figures
    base, trained = (found.get(role, {}).get("W") for role in ("base", "trained"))
    if base and trained is not None:
        found["trained"]["vs_base"] = 1 - trained / base
    score = next((score for one in scored if (score := one.run.score(convention))), None)
    if score is not None:
        for role, value in (("chance", score.chance), ("train_lookup", score.train_lookup), ("noise_floor", score.noise_floor)):
            if value is not None:
                found[role] = {"W": value, "n_studies": score.n_studies, "n_cells": score.n_cells}
    return found


def _stated(config: ExperimentConfig, scored: Sequence[Scored]) -> Table:
    groups = {role: [one for one in scored if one.role == role] for role in ("base", "trained")}
    names = {"base": f"{name_of(config)}, untrained", "trained": f"{name_of(config)}, trained"}
    rows = [{"system": names[role], **_figures(some, "stated")} for role, some in groups.items() if some]
    columns = {
        "system": "system", "W": "W", "interval": "95 %", "chance": "chance", "noise_floor": "noise floor", "train_lookup": "train lookup",
        "pooled_oracle": "pooled oracle", "gap_closed": "gap closed", "answer_mass": "answer mass", "accuracy_median": "accuracy, median",
        "accuracy_draw": "accuracy, draw", "sensitivity": "condition r",
    }  # fmt: skip
    return Table(f"{_words(config.setting)}, convention `stated` (primary; no published figure is in it)", "stated", columns, rows)


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
        "fraction": "% of training people", "rows_trained": "training rows", "W": "W", "interval": "95 %", "noise_floor": "noise floor",
        "gap_closed": "gap closed",
    }  # fmt: skip
    if convention == "stated":
        columns |= {"accuracy_median": "accuracy, median", "accuracy_draw": "accuracy, draw"}
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
    return {**figures, "interval": found[0]["interval"] if alone else None, **seeds}


def _of_run(run: Run, convention: Convention) -> dict[str, Any]:
    score = run.score(convention)
    assert score is not None
    figures = {
        "W": score.W.point,
        "interval": list(score.W.interval) if score.W.interval else None,
        "chance": score.chance,
        "noise_floor": score.noise_floor,
        "train_lookup": score.train_lookup,
        "pooled_oracle": score.pooled_oracle,
        "gap_closed": score.gap_closed.value,
        "n_studies": score.n_studies,
        "n_cells": score.n_cells,
    }
    if convention == "published":
        return figures
    return figures | {
        "answer_mass": run.answer_mass.mean if run.answer_mass else None,
        "accuracy_median": run.individual.median.point if run.individual else None,
        "accuracy_draw": run.individual.draw.point if run.individual else None,
        "sensitivity": run.sensitivity.r,
    }


def _mean(values: Sequence[float | None]) -> float | int | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return known[0] if len(set(known)) == 1 else sum(known) / len(known)


def _words(setting: str) -> str:
    return setting.replace("_", " ").capitalize()


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def shown(value: Any) -> str:
    """A value as tables print it."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return " to ".join(f"{end:.3f}" for end in value)
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def record(found: Sequence[Table], about: Mapping[str, Any]) -> dict[str, Any]:
    """What `table.json` holds."""
    return {**about, "tables": [{"title": t.title, "convention": t.convention, "columns": t.columns, "rows": t.rows} for t in found]}
