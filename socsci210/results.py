"""The results file: a typed, versioned record of what was scored, how, and what came out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .errors import DatasetError
from .schema import Many

FORMAT: Final = 1
Convention = Literal["stated", "published"]


def _finite(value: object) -> object:
    """JSON has no nan: what could not be computed is null."""
    return None if isinstance(value, float) and value != value else value


Number = Annotated[float | None, BeforeValidator(_finite)]
Figure = Annotated[float, BeforeValidator(_finite)]  # a nan here is a mistake, and refused


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Estimate(_Part):
    """A mean over studies.

    `interval` is the 95 % bootstrap interval over studies (`resampled` is studies); from 2 to 9 studies there is none and `values` holds
    the values instead; W of a single study has an interval over its people (`resampled` is people), which covers what other people in the
    same number would give on average. `refused` says why there is no interval.
    """

    point: Figure
    interval: Many[float] | None
    values: Many[float] | None
    resampled: Literal["studies", "people"] | None = None
    refused: str | None = None


class GapClosed(_Part):
    """(chance - W) / (chance - noise floor), a ratio of means over studies; `refused` says why there is none."""

    value: Number
    interval: Many[float] | None
    refused: str | None


class StudyScore(_Part):
    """One study under one convention: means over its scored cells."""

    study_id: str
    n_cells: int
    n_rows: int
    W: Figure
    chance: Figure
    noise_floor: Figure
    train_lookup: Number
    pooled_oracle: Number
    answer_mass: Number
    accuracy: Number = None
    """Individual accuracy by the median of the predicted distribution (convention `stated` only)."""


class Score(_Part):
    """All of one convention. Every distance is on [0, 1], lower is better, and averaged over cells, then studies.

    `noise_floor` fits the kind of predictions: `noise_floor_kind` says whether it is for distributions or for draws; the other is
    beside it as `noise_floor_distributions` or `noise_floor_draws`.
    """

    convention: Convention
    decoding: str
    W: Estimate
    chance: Figure
    chance_draws: Figure
    noise_floor: Figure
    noise_floor_kind: Literal["distributions", "draws"]
    noise_floor_distributions: Figure
    noise_floor_draws: Figure
    train_lookup: Number
    pooled_oracle: Number
    best_constant: Number = None
    """W of the one answer that fits each cell best. It is chosen with the scored answers: a yardstick, no prediction."""
    total_variation: Number = None
    gap_closed: GapClosed
    n_studies: int
    n_cells: int
    not_scored: dict[str, int]
    """Cells that this convention does not score, by reason."""
    scale_source: dict[str, int] = Field(default_factory=dict)
    """Cells by where their scale comes from. `stated`: the questions themselves (stated), the range seen in training where at least one of
    their questions states none (training_range), none. `published`: the range that people used (observed), none."""
    rows_left_out: dict[str, int] = Field(default_factory=dict)
    """People's answers that this convention leaves out, by reason."""
    per_study: Many[StudyScore]


class WeightedScore(_Part):
    """Convention `stated` over the weighted studies only, the same weights on both sides."""

    W: Estimate
    chance: Figure
    n_studies: int
    n_cells: int
    n_rows: int
    effective_n: Figure
    """Sum over cells of (sum of weights)^2 / sum of squared weights."""


class GroupScore(_Part):
    """Convention `stated` over the cells of one topic or of one scale length: means over those cells in a study, then over studies."""

    kind: Literal["topic", "scale_length"]
    name: str
    n_studies: int
    n_cells: int
    W: Figure
    chance: Figure
    noise_floor: Figure


class CellScore(_Part):
    """One cell on one scale under convention `stated`."""

    study_id: str
    condition_num: int
    task_num: int
    scale_min: Figure
    scale_max: Figure
    n: int
    W: Figure
    chance: Figure
    noise_floor: Figure


class Individual(_Part):
    """How near single predictions come: 1 - |prediction - response| / (max - min), averaged over rows, then studies; higher is better.

    `median` is that of the predicted distribution, clipped to the scale (primary); `draw` is the expectation over draws from it (the
    prediction itself where predictions are draws). `entropy_ratio` stands beside it: sharpening alone must not look like skill.
    """

    median: Estimate
    draw: Estimate
    median_unclipped: Number
    entropy_ratio: Number


class CalibrationBin(_Part):
    """Predicted probabilities from `low` to `high`: their mean, and how often the answers they were put on were given."""

    low: Figure
    high: Figure
    predicted: Figure
    observed: Figure
    n: int


class Calibration(_Part):
    """Do answers come as often as their probability says? `n_rows` are the rows with a whole distribution and an answer on its scale.

    `entropy_ratio` is the entropy of the model's cell over that of people's, mean over cells, then studies: below 1 is sharper than people.
    """

    ece: Number
    brier: Number
    log_likelihood: Number
    entropy_ratio: Number
    n_rows: int
    bins: Many[CalibrationBin]


class Contrast(_Part):
    """One treatment effect on the [0, 1] scale: the arm `condition_num` against the arm `reference` (None: the mean of the others).

    For a conjoint, `label` names the attribute level and the one it is compared with. `reliable`: people's 95 % interval excludes zero.
    """

    study_id: str
    task_num: int
    item_num: int
    condition_num: int
    reference: int | None
    label: str
    human: Figure
    human_se: Figure
    model: Figure
    reliable: bool
    design: str


class Effects(_Part):
    """Treatment effects of the model against those of people, one point per contrast.

    `r` is corrected for the noise in people's effects, `r_raw` is not; `interval` of `r` resamples studies. `sign_agreement` counts
    reliable contrasts only. `regret` is what people would lose on [0, 1] by the arm that the model would choose. `refused` says why there
    is no agreement to report.
    """

    method: Literal["every persona through every arm", "as assigned"]
    r: Number
    r_raw: Number
    interval: Many[float] | None
    slope: Number
    mae: Number
    sign_agreement: Number
    n_reliable: int
    regret: Number
    n_contrasts: int
    n_studies: int
    refused: str | None
    contrasts: Many[Contrast]
    regret_chance: Number = None
    """The regret of an arm chosen at random."""
    p: Number = None
    """Chance of so much agreement if the model knew nothing: the signs of its effects flipped at random, outcome by outcome."""
    methods: dict[str, str] = {}
    """How the model's effects are computed, by design."""
    items: dict[str, int] = {}
    """Outcomes with several items in an arm, by how these are matched across arms: by number, by text, or pooled (item_num -1)."""
    parse_rate: Number = None
    """Of the arms file."""
    left_out: dict[str, int] = {}
    """What gives no effect, by reason."""


class Contamination(_Part):
    """How many of the scored rows the model saw in training, as far as its run record or the table of released checkpoints tells."""

    source: Literal["run record", "released checkpoint", "none"]
    overlap_rows: int
    overlap_studies: int
    share: Figure
    """Of the scored rows."""
    allowed: bool
    note: str


class AnswerMass(_Part):
    """Probability on allowed answers before normalising: mean over rows, then studies. `flagged`: below 0.9."""

    mean: Figure
    lowest_study: str
    lowest: Figure
    flagged: bool


class Coverage(_Part):
    """What the predictions cover of the split."""

    rows_in_split: int
    rows_predicted: int
    left_out: dict[str, int]
    """Rows without a prediction, by reason."""
    rows_parsed: int
    parse_rate: Figure
    off_scale: int
    """Point predictions off the scale, clipped to its nearer end."""


class Sensitivity(_Part):
    """Does the model know which arm moves people? Correlation within outcome of centred cell means; W alone cannot show this.

    `refused` says why there is no correlation. `p` is one-sided, by permutation of the conditions within outcomes.
    """

    r: Number
    p: Number
    slope: Number
    interval: Many[float] | None
    n_outcomes: int
    n_cells: int
    refused: str | None


class ParityGroup(_Part):
    """One group of people: means over the studies where it has enough of them, each study counting once.

    Responses are on the [0, 1] scale, over the questions that every group of the attribute was asked in a study; None without any.
    """

    name: str
    n_studies: int
    n_people: int
    """Summed over those studies; who took part in two counts twice."""
    accuracy: Figure
    predicted: Number
    response: Number


class Parity(_Part):
    """One attribute, averaged over the studies that carry it; `_null` is the mean gap over shuffled labels, `_net` the difference.

    Gaps in answers are None where no outcome was answered by enough people of two groups.
    """

    attribute: str
    n_studies: int
    n_groups_left_out: int
    accuracy_gap: Figure
    accuracy_gap_null: Figure
    accuracy_gap_net: Figure
    response_gap: Number
    response_gap_null: Number
    response_gap_net: Number
    human_gap: Number
    human_gap_null: Number
    human_gap_net: Number
    excess: Number
    excess_net: Number
    groups: Many[ParityGroup] = ()


class CellExample(_Part):
    """Human and model distribution of one cell on one scale, chosen by the stated `rule`."""

    rule: str
    study_id: str
    condition_num: int
    task_num: int
    condition: str
    question: str
    simulated: bool
    support: Many[int]
    labels: Many[str]
    """Of each value of `support`; empty where the scale names none."""
    human: Many[float]
    model: Many[float]
    n: int
    W: Figure
    chance: Figure
    noise_floor: Figure


class Run(_Part):
    """One model (or control) on one split of one configuration."""

    config: str
    split: str
    engine: str
    model: str | None
    revision: str | None
    template: str | None
    template_hash: str | None
    seed: int | None
    per_cell: int | None = Field(default=None, validation_alias=AliasChoices("per_cell", "limit_cell"))
    """At most so many people of every cell were predicted; None: all. Files of earlier versions call it `limit_cell`."""
    sampling_error: Number = None
    """Standard error that predicting only some people adds to W of convention `stated`; None where all were predicted."""
    training: dict[str, Any] | None
    held_out: bool | None
    """Whether the model's own run record says that this split was held out of its training; None where there is no record."""
    coverage: Coverage
    answer_mass: AnswerMass | None
    stated: Score | None
    published: Score | None
    weighted: WeightedScore | None
    sensitivity: Sensitivity
    parity: Many[Parity]
    examples: Many[CellExample]
    groups: Many[GroupScore] = ()
    individual: Individual | None = None
    calibration: Calibration | None = None
    effects: Effects | None = None
    contamination: Contamination | None = None
    cells: Many[CellScore] = ()

    def score(self, convention: Convention) -> Score | None:
        """The score under a convention; None where it scores no cell."""
        return self.stated if convention == "stated" else self.published


class Dataset(_Part):
    """What was scored against."""

    fingerprint: str
    n_studies: int
    n_simulated: int
    studies: dict[str, str]
    """Title of every scored study."""
    sources: dict[str, str]
    """Address of every scored study's source."""


class Results(_Part):
    """A results file."""

    format: Literal[1]
    version: str
    versions: dict[str, str]
    seed: int
    bootstrap_draws: int
    permutations: int
    shuffles: int
    dataset: Dataset
    runs: Many[Run]

    def write_json(self, path: str | Path) -> Path:
        """Write the file whole or not at all."""
        out = Path(path)
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = out.with_name(out.name + ".tmp")
        temporary.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        temporary.replace(out)
        return out

    @classmethod
    def read_json(cls, path: str | Path) -> Results:
        """Read a results file.

        Raises:
            DatasetError: no such file, another format, or not what this version writes.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
            found = json.loads(text)
        except (OSError, ValueError) as error:
            raise DatasetError(f"does not read ({error})", where=str(path), fix="run socsci210 score again") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            form = found.get("format") if isinstance(found, dict) else None
            raise DatasetError(f"format {form!r}", where=str(path), expected=f"results of format {FORMAT}", fix="run socsci210 score again")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise DatasetError(f"{key}: {first['msg']}", where=str(path), fix="run socsci210 score again") from error


def summary(results: Results) -> dict[str, dict[str, float | None]]:
    """The figures of convention `stated` by configuration; a second run of a configuration is named after its model or engine.

    `overlap` is the share of the scored rows that the model was trained on, None where nothing is known of its training.
    """
    out: dict[str, dict[str, float | None]] = {}
    for name, run in zip(_names(results), results.runs, strict=True):
        score = run.stated
        out[name] = {
            "W": score.W.point if score else None,
            "chance": score.chance if score else None,
            "noise_floor": score.noise_floor if score else None,
            "train_lookup": score.train_lookup if score else None,
            "pooled_oracle": score.pooled_oracle if score else None,
            "gap_closed": score.gap_closed.value if score else None,
            "answer_mass": run.answer_mass.mean if run.answer_mass else None,
            "overlap": _overlap(run),
        }
    return out


def overlap_notes(results: Results) -> dict[str, str]:
    """What must stand beside every figure of a run that was scored on rows of its own training, by the names of `summary`."""
    return {
        name: f"{name}: {run.contamination.overlap_rows:,} of its scored rows ({run.contamination.share:.1%}) were in the training of "
        f"{run.model or 'this model'} ({run.contamination.note})"
        for name, run in zip(_names(results), results.runs, strict=True)
        if run.contamination is not None and run.contamination.overlap_rows
    }


def _names(results: Results) -> list[str]:
    names: list[str] = []
    for run in results.runs:
        names.append(run.config if run.config not in names else f"{run.config} ({run.model or run.engine}, {run.split})")
    return names


def _overlap(run: Run) -> float | None:
    found = run.contamination
    return None if found is None or found.source == "none" else found.share


def score_table(results: Results) -> list[dict[str, Any]]:
    """One row for each run and convention, for tables."""
    return [
        {
            "config": run.config,
            "split": run.split,
            "model": run.model or run.engine,
            "convention": score.convention,
            "W": score.W.point,
            "chance": score.chance,
            "noise_floor": score.noise_floor,
            "train_lookup": score.train_lookup,
            "pooled_oracle": score.pooled_oracle,
            "gap_closed": score.gap_closed.value,
            "answer_mass": run.answer_mass.mean if run.answer_mass else None,
            "overlap": _overlap(run),
            "n_studies": score.n_studies,
            "n_cells": score.n_cells,
        }
        for run in results.runs
        for score in (run.stated, run.published)
        if score
    ]
