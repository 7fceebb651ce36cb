"""The settings of one training run, as a strict model. Defaults are those of the paper's configurations where it gives them.

How they are read from a file and the command line: config.py. Examples with comments: train/configs/.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from socsci210.demographics import FIELDS
from socsci210.schema import Many, Strict

SplitConfig = Literal["all", "unseen_studies", "unseen_conditions", "unseen_outcomes", "unseen_participants"]
Fraction = Literal[1, 5, 10, 25, 50, 100]
Tracker = Literal["tensorboard", "wandb", "mlflow", "trackio", "comet_ml", "aim", "clearml", "dvclive", "swanlab"]
DPO_LEARNING_RATE: Final = 1e-6
GLOBAL_BATCH: Final = 256
GROUP_MINIMUM: Final = 20
OBJECTIVES: Final = ("sft", "reasoning", "distribution", "dpo")
REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def _number(value: object) -> object:
    """YAML 1.1 reads 1e-5 (without a point) as a string."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value) else value


Number = Annotated[float, BeforeValidator(_number)]


class NanoConfig(Strict):
    """A small Qwen2-architecture model with random weights, and a tokenizer trained on the training texts."""

    hidden_size: int = Field(192, ge=8)
    intermediate_size: int = Field(512, ge=8)
    layers: int = Field(2, ge=1)
    heads: int = Field(4, ge=1)
    vocab_size: int = Field(1500, ge=300)
    """Tokens learned from the texts; the lines of personas that recur are added as whole tokens beside them."""
    init_std: Number = Field(0.06, gt=0)
    context: int = Field(1024, ge=64)


class LoraConfig(Strict):
    """Low-rank adapters (Hu et al. 2021, arXiv:2106.09685): the weights of the model stay as they are, small matrices beside them learn.

    The output folder then holds the adapter alone, and names the model that it belongs to.
    """

    r: int = Field(16, ge=1)
    """Rank of the matrices."""
    alpha: int = Field(32, ge=1)
    """The adapter's part is multiplied by alpha / r."""
    dropout: Number = Field(0.0, ge=0, lt=1)
    targets: Literal["all-linear"] | Many[str] = "all-linear"
    """Names of the layers that get an adapter, or every linear layer but the output's."""
    bits: Literal[4, 16] = 16
    """4: the weights are held in four bits while the adapter learns (QLoRA; Dettmers et al. 2023, arXiv:2305.14314). Needs bitsandbytes."""
    merge: bool = False
    """Save the model with the adapter added to its weights, instead of the adapter alone."""


class ValidationConfig(Strict):
    """Evaluation during training: W on a fixed part of the validation side, with the project's own scorer. Test rows are never read."""

    config: SplitConfig | None = None
    """Whose validation side; default: the first split config of `train_on`."""
    rows: int = Field(2000, ge=1)
    """At most so many rows are predicted. Cells, and people in them, are chosen by a hash: always the same ones."""
    per_cell: int = Field(20, ge=1)
    """At most so many people of one cell are predicted; all its people are its human distribution."""
    every_steps: int | None = Field(None, ge=1)
    every_minutes: Number | None = Field(None, gt=0)
    """Time between two evaluations, that of evaluating not counted. Give this or every_steps."""
    patience: int | None = Field(None, ge=1)
    """Training stops after so many evaluations in a row without a better W; default: it never stops early."""
    min_gain: Number = Field(0.0, ge=0)
    """How much lower W must be to count as better."""

    @model_validator(mode="after")
    def _check(self) -> ValidationConfig:
        if (self.every_steps is None) == (self.every_minutes is None):
            raise ValueError("give either every_steps or every_minutes")
        if self.config == "all":
            raise ValueError("config 'all' has no validation side")
        return self


class DistributionConfig(Strict):
    """Targets that are distributions (train/objectives/distribution.py)."""

    groups: Many[str] = ()
    """Fields of the persona: the target is the distribution of the people of a cell who share them; without any, of all its people."""
    minimum: int | None = Field(None, ge=1)
    """A group with fewer rows in a cell takes the distribution of the whole cell. Default with groups: 20."""
    persona: Literal["none", "row", "sampled"] = "sampled"
    """What a prompt says of a person. none: the fields of `groups` alone. row: an example for every row, with its whole persona. sampled:
    an example for every cell and group, with the whole persona of one of its people, another one in every epoch."""
    smoothing: Number = Field(0.0, ge=0, lt=1)
    """Share of the target that is spread evenly over the scale."""

    @field_validator("groups")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in value if name not in FIELDS]:
            raise ValueError(f"no field of the persona is called {', '.join(unknown)}; there are {', '.join(FIELDS)}")
        return value

    @model_validator(mode="before")
    @classmethod
    def _groups(cls, values: Any) -> Any:
        if not isinstance(values, dict) or (values.get("minimum") is None) != bool(values.get("groups")):
            return values
        if not values.get("groups"):
            raise ValueError("minimum is of the groups, and there are none: name groups, or leave minimum out")
        return {**values, "minimum": GROUP_MINIMUM}


class DpoConfig(Strict):
    """Contrastive pairs (train/objectives/dpo.py). The paper tells neither beta nor the number of pairs."""

    beta: Number = Field(0.1, gt=0)
    """How dearly the model pays for going away from where it started."""
    pairs_per_row: int = Field(1, ge=1)
    """Rejected answers for every row, each of another person drawn at random; drawn anew in every epoch."""
    reference: str | None = None
    """Folder of files with the log-probabilities of the model that training starts from; runs with the same model and rows share a file.
    Default: `reference` beside the output."""


class TrainConfig(Strict):
    """All settings of a run."""

    # --- objective
    objective: str | dict[str, Number] = "sft"
    """What is minimised, or a mixture: {sft: 0.7, dpo: 0.3}. Every step has examples of each part in these shares."""
    distribution: DistributionConfig | None = None
    """Settings of the objective of this name; default: its defaults."""
    dpo: DpoConfig | None = None
    """Settings of the objective of this name; default: its defaults."""

    # --- data and model
    dataset: str
    output: str
    """Model folder to write; it is complete or absent. Checkpoints lie in `<output>.checkpoints` until then."""
    train_on: Many[SplitConfig] = Field(min_length=1)
    """Rows that stand on the train side of ALL these configs."""
    fraction: Fraction | None = None
    """Config unseen_participants only: rows of this percentage of the training people. Fractions nest."""
    strict: bool = False
    """Without studies that are held out as a whole in unseen_studies, and their kin: what a model of the released conditions or outcomes
    needs so that it may also be scored on unseen studies."""
    model: str | None = None
    """Folder or Hub id of any causal language model; or else `nano`."""
    rationales: str | None = None
    """Objective `reasoning` only: a file of `socsci210 trace`; default: the rationales that the dataset was imported with."""
    nano: NanoConfig | None = None
    lora: LoraConfig | None = None
    """Train adapters instead of all weights."""
    template: Literal["upstream", "stimulus_first"] = "upstream"
    seed: int = 0

    # --- length of the run, and what a step is
    max_steps: int | None = Field(None, ge=0)
    max_minutes: Number | None = Field(None, gt=0)
    """Training stops at max_steps, max_minutes or max_epochs, whichever comes first; the learning rate follows the nearest end. Without
    any of them it is one epoch, as in the paper.
    With `max_steps: 0` the model is saved as it starts: the baseline of a model of random weights."""
    max_epochs: int | None = Field(None, ge=1)
    global_batch: int | None = Field(None, ge=1)
    """Rows of a step, over all processes and forward passes: the same steps on any number of processes. Default: batch_size x accumulation
    x processes; and 256, as in the paper, for a `model` whose settings give neither batch_size nor accumulation."""
    batch_size: int = Field(32, ge=1)
    """Rows of one process and forward pass."""
    share_prefix: int = Field(1, ge=1)
    """So many rows whose prompts begin alike (with one stimulus or one persona, whichever the template puts first) come one after the other
    and read it together. It is also the cap: grouping puts no more rows of one beginning into a step. 1: plainly shuffled."""
    accumulation: int = Field(1, ge=1)
    too_long: Literal["refuse", "truncate_stimulus", "leave_out"] = "refuse"
    """What becomes of rows that are longer than the model's context: training is refused; or words are cut at the front of their stimulus
    until they fit; or they are left out. Both are counted. An answer is never cut."""
    read_as: Literal["auto", "packs", "padded"] = "auto"
    """packs: what prompts share is read once and nothing is padded. padded: every prompt in full. auto: packs, if a check at the start
    finds that the model reads both alike. Only the speed differs."""
    cell_smoothing: Number = Field(0.0, ge=0, le=1)
    """Share of the target, at the start, that goes to the answers of all training rows with the same stimulus; it falls to 0 linearly."""

    # --- optimizer
    learning_rate: Number = Field(1e-5, gt=0)
    """Its highest value; default: 1e-5, and 1e-6 where the objective is dpo."""
    weight_decay: Number = Field(0.1, ge=0)
    warmup: Number = Field(0.05, ge=0, lt=1)
    """Share of the run in which the learning rate rises."""
    max_grad_norm: Number = Field(1.0, gt=0)
    precision: Literal["no", "bf16"] = "no"
    gradient_checkpointing: bool = False
    """Activations are computed again in the backward pass instead of being kept: less memory, about a third more time."""

    # --- checkpoints, evaluation, what is told
    checkpoint_every: int | None = Field(None, ge=1)
    """Steps between checkpoints; without it there are none (but the best one, where `validation` is given)."""
    keep_checkpoints: int | None = Field(None, ge=1)
    """The newest so many are kept, and the best one beside them. Default, where there are checkpoints: 1."""
    allow_changed: bool = False
    """Go on from a checkpoint although learning_rate, weight_decay, warmup, max_grad_norm, precision or the length of the run differ now:
    after a loss that was not finite, for instance; or how steps are cut (batch_size, gradient_checkpointing), after memory ran out. Model,
    data, order and the rows of a step must be the same all the same."""
    validation: ValidationConfig | None = None
    log_every: int = Field(20, ge=1)
    """Steps between two lines of the log."""
    track_with: Many[Tracker] = ()
    """Trackers that accelerate knows and that are installed. The log beside the model, train_log.jsonl, is always written."""
    push_to_hub: str | None = None
    """`org/name`: the model folder is pushed there after it has been saved. A failure keeps the folder."""
    hub_private: bool | None = None
    """Whether the repository is private; a private model is never pushed to a public one. Default of a push: true."""

    @field_validator("objective")
    @classmethod
    def _objectives(cls, value: str | dict[str, float]) -> str | dict[str, float]:
        for name in [value] if isinstance(value, str) else value:
            if name not in OBJECTIVES:
                raise ValueError(f"no objective is called {name!r}; there are {', '.join(OBJECTIVES)}, and mixtures: sft: 0.7, dpo: 0.3")
        if isinstance(value, dict) and (not value or min(value.values()) <= 0):
            raise ValueError("every part of a mixture needs a weight above 0")
        return value

    @field_validator("push_to_hub")
    @classmethod
    def _repository(cls, value: str | None) -> str | None:
        if value is not None and not REPOSITORY.fullmatch(value):
            raise ValueError("expected org/name")
        return value

    @model_validator(mode="before")
    @classmethod
    def _paper(cls, values: Any) -> Any:
        """Defaults that hang on other settings: the paper's epoch, 256 rows a step, learning rate of dpo; settings of what is used."""
        if not isinstance(values, dict):
            return values
        added: dict[str, Any] = {}
        if all(values.get(name) is None for name in ("max_steps", "max_minutes", "max_epochs")):
            added["max_epochs"] = 1
        if values.get("model") is not None and not {"global_batch", "batch_size", "accumulation"} & set(values):
            added["global_batch"] = GLOBAL_BATCH
        objective = values.get("objective")
        named = set(objective) if isinstance(objective, dict) else {str(objective)}
        if named == {"dpo"} and "learning_rate" not in values:
            added["learning_rate"] = DPO_LEARNING_RATE
        if values.get("push_to_hub") is not None and values.get("hub_private") is None:
            added["hub_private"] = True
        if values.get("keep_checkpoints") is None and any(values.get(name) is not None for name in ("checkpoint_every", "validation")):
            added["keep_checkpoints"] = 1
        for name in ("distribution", "dpo"):  # so that the run record has their values
            if name in named and values.get(name) is None:
                added[name] = {}
        return {**values, **added}

    @model_validator(mode="after")
    def _check(self) -> TrainConfig:
        if (self.model is None) == (self.nano is None):
            raise ValueError("give either model or nano")
        if self.global_batch is not None and self.accumulation > 1:
            raise ValueError("give either global_batch or accumulation")
        if self.batch_size % self.share_prefix:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of share_prefix {self.share_prefix}")
        if self.fraction is not None and "unseen_participants" not in self.train_on:
            raise ValueError("fraction is of the training people of unseen_participants, which train_on does not name")
        if self.lora is not None and self.nano is not None and not self.lora.merge:
            raise ValueError("an adapter of a nano model belongs to weights that are nowhere stored: set lora.merge, or name a model")
        if self.keep_checkpoints is not None and self.checkpoint_every is None and self.validation is None:
            raise ValueError("keep_checkpoints is given, and there are no checkpoints: set checkpoint_every, or leave it out")
        if self.hub_private is not None and self.push_to_hub is None:
            raise ValueError("hub_private is given, and nothing is pushed: set push_to_hub, or leave it out")
        self._check_objective()
        self._check_validation()
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Weight of every objective; they sum to 1."""
        given = self.objective if isinstance(self.objective, dict) else {self.objective: 1.0}
        return {name: weight / sum(given.values()) for name, weight in given.items()}

    def _check_objective(self) -> None:
        for name in ("distribution", "dpo"):
            if getattr(self, name) is not None and name not in self.weights:
                raise ValueError(f"settings of {name} are given, and the objective is {', '.join(self.weights)}")
        if self.cell_smoothing and "sft" not in self.weights:
            raise ValueError("cell_smoothing is of the objective sft")
        if self.rationales is not None and "reasoning" not in self.weights:
            raise ValueError(f"rationales are given, and the objective is {', '.join(self.weights)}")
        if self.validation is not None and "reasoning" in self.weights:
            raise ValueError("validation reads answers right behind the prompt, where a model that reasons has none: leave it out")
        if self.nano is not None and "dpo" in self.weights and len(self.weights) == 1:
            raise ValueError("dpo needs a model that can answer to start from: name a trained `model`, not random weights")

    def _check_validation(self) -> None:
        if self.validation is None:
            return
        named = [config for config in self.train_on if config != "all"]
        if not named or (self.validation.config is not None and self.validation.config not in named):
            raise ValueError(f"validation reads the validation side of a split config of train_on, which names {', '.join(self.train_on)}")
