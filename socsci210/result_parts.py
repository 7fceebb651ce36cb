"""What a results file is made of: one typed record for each thing that is scored."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from .schema import Many

Convention = Literal["stated", "published"]
UNREAD: Final = "no readable prediction"
"""Why a cell is not scored whose rows were asked, and none of the answers could be read. W is then one of other cells."""


def _finite(value: object) -> object:
    """JSON has no nan: what could not be computed is null."""
    return None if isinstance(value, float) and value != value else value


Number = Annotated[float | None, BeforeValidator(_finite)]
Figure = Annotated[float, BeforeValidator(_finite)]  # a nan here is a mistake, and refused


class Part(BaseModel):
    """A record of a results file: no unknown keys, no changed values, no guessed types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Estimate(Part):
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


class GapClosed(Part):
    """(chance - W) / (chance - noise floor), a ratio of means over studies; `refused` says why there is none."""

    value: Number
    interval: Many[float] | None
    refused: str | None


class StudyScore(Part):
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


class Score(Part):
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
    draws_per_person: int = 1
    """How many draws for each person `noise_floor_draws` is for: those of the file, else one."""
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
    studies_not_scored: dict[str, int] = Field(default_factory=dict)
    """Studies of which no cell has a prediction, by reason."""
    scale_source: dict[str, int] = Field(default_factory=dict)
    """Cells by where their scale comes from. `stated`: the questions themselves (stated), the range seen in training where at least one of
    their questions states none (training_range), none. `published`: the range that people used (observed), none."""
    rows_left_out: dict[str, int] = Field(default_factory=dict)
    """People's answers that this convention leaves out, by reason."""
    per_study: Many[StudyScore]

    @property
    def unread(self) -> tuple[int, int]:
        """(cells, whole studies) that are not scored because no prediction of theirs could be read."""
        return self.not_scored.get(UNREAD, 0), self.studies_not_scored.get(UNREAD, 0)


class WeightedScore(Part):
    """Convention `stated` over the weighted studies only, the same weights on both sides."""

    W: Estimate
    chance: Figure
    n_studies: int
    n_cells: int
    n_rows: int
    effective_n: Figure
    """Sum over cells of (sum of weights)^2 / sum of squared weights."""


class GroupScore(Part):
    """Convention `stated` over the cells of one topic or of one scale length: means over those cells in a study, then over studies."""

    kind: Literal["topic", "scale_length"]
    name: str
    n_studies: int
    n_cells: int
    W: Figure
    chance: Figure
    noise_floor: Figure


class CellScore(Part):
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


class Individual(Part):
    """How near single predictions come: 1 - |prediction - response| / (max - min), averaged over rows, then studies; higher is better.

    `median` is that of the predicted distribution, clipped to the scale (primary); `draw` is the expectation over draws from it (the
    prediction itself where predictions are draws). `entropy_ratio` stands beside it: sharpening alone must not look like skill.
    """

    median: Estimate
    draw: Estimate
    median_unclipped: Number
    entropy_ratio: Number
    draw_unclipped: Number = None
    """As `median_unclipped`: a prediction off the scale stays where it is, and its accuracy may be below 0."""


class CalibrationBin(Part):
    """Predicted probabilities from `low` to `high`: their mean, and how often the answers they were put on were given."""

    low: Figure
    high: Figure
    predicted: Figure
    observed: Figure
    n: int


class Calibration(Part):
    """Do answers come as often as their probability says? `n_rows` are the rows with a whole distribution and an answer on its scale.

    `entropy_ratio` is the entropy of the model's cell over that of people's, mean over cells, then studies: below 1 is sharper than people.
    """

    ece: Number
    brier: Number
    log_likelihood: Number
    entropy_ratio: Number
    n_rows: int
    bins: Many[CalibrationBin]


class Contrast(Part):
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


class Effects(Part):
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
    """Chance of so much agreement if the model knew nothing: its arms shuffled within each study, alike in all outcomes."""
    methods: dict[str, str] = {}
    """How the model's effects are computed, by design."""
    items: dict[str, int] = {}
    """Outcomes with several items in an arm, by how these are matched across arms: by number, by text, or pooled (item_num -1)."""
    parse_rate: Number = None
    """Of the arms file."""
    left_out: dict[str, int] = {}
    """What gives no effect, by reason."""


class Contamination(Part):
    """How many of the scored rows the model saw in training, as far as its run record or the table of released checkpoints tells."""

    source: Literal["run record", "released checkpoint", "none"]
    overlap_rows: int
    overlap_studies: int
    share: Figure
    """Of the scored rows."""
    allowed: bool
    note: str


class AnswerMass(Part):
    """Probability on allowed answers before normalising: mean over rows, then studies. `flagged`: below 0.9."""

    mean: Figure
    lowest_study: str
    lowest: Figure
    flagged: bool


class Coverage(Part):
    """What the predictions cover of the split."""

    rows_in_split: int
    rows_predicted: int
    left_out: dict[str, int]
    """Rows without a prediction, by reason."""
    rows_parsed: int
    parse_rate: Figure
    off_scale: int
    """Point predictions off the scale, clipped to its nearer end."""


class Sensitivity(Part):
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


class ParityGroup(Part):
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


class Parity(Part):
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


class CellExample(Part):
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
