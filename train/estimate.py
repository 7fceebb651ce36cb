"""How long a run on the published release takes, from arithmetic: `python -m socsci210.train.estimate CONFIG.yaml [--key value ...]`

    FLOP = (6 or 8) x parameters x tokens read      forward 2, backward 4; 2 more where activations are computed again (FSDP2 as shipped)
    tokens read = rows x (tokens of the row alone + tokens shared / rows that share them)
    dpo reads its pairs like this, and every prompt once more, forward only, for the reference
    hours = FLOP / (GPUs x peak x utilisation) / 3600

Attention over so few tokens is below a twentieth of this and left out. It is an estimate: nothing here was run on such machines. Assumed
are the lengths of the release's texts in tokens (400 a prompt, the persona 170 of them; 100 a rationale) and that an A100 does 0.4 of its
312 TFLOP/s in bf16. The counts are the release's own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .config import TrainError, read_config
from .settings import DistributionConfig, TrainConfig

PARAMETERS: Final = {"Llama-3-8B": 8.03e9, "Qwen2.5-14B": 14.77e9}
"""Of the paper's two bases; a model is known by the name in its id or folder."""
ROWS: Final = 2_420_000  # of the 170 seen studies
PEOPLE: Final = 400_491 * ROWS // 2_901_390
TEXTS: Final = 5_998 * 170 // 210  # stimuli of the seen studies
PERSONA: Final = 170  # tokens of system prompt and persona, shared by a person's rows in the upstream template
STIMULUS: Final = 230
ANSWER: Final = 2
RATIONALE: Final = 100  # assumed: the release does not tell
GPUS: Final = 8
PEAK: Final = 312e12
UTILISATION: Final = 0.4
BYTES: Final = 16  # of a parameter: weights, gradients and two moments of AdamW in float32


@dataclass(frozen=True)
class Estimate:
    """Figures of a run.

    Attributes:
        examples: of one epoch.
        steps: of the run.
        plain, read: tokens of the run without and with shared prefixes.
        flop: of the run, the reference of dpo included.
        hours: on `GPUS` GPUs.
        gigabytes: of weights, gradients and optimizer on each GPU.
    """

    examples: int
    steps: int
    plain: float
    read: float
    flop: float
    hours: float
    gigabytes: float

    def lines(self) -> list[str]:
        """In words, as the headers of the shipped configurations have them."""
        return [
            f"{self.examples:,} examples an epoch, {self.steps:,} steps; {self.read / 1e9:.2f} billion tokens read "
            f"({self.plain / 1e9:.2f} billion without shared prefixes)",
            f"{self.flop:.1e} FLOP: {self.hours:.1f} h on {GPUS} A100 80 GB at {UTILISATION:.0%} of their peak; "
            f"{self.gigabytes:.0f} GB on each for weights and optimizer. By arithmetic, not run",
        ]


def estimate(config: TrainConfig, *, again: bool = True) -> Estimate:
    """What a run on the train side of unseen_studies of the published release takes.

    Args:
        config: names one objective and one of the models of `PARAMETERS`.
        again: activations are computed again in the backward pass.

    Raises:
        TrainError: it is a mixture, or an unknown model.
    """
    parameters = next((number for name, number in PARAMETERS.items() if name.lower() in str(config.model).lower()), None)
    if parameters is None or len(config.weights) != 1:
        raise TrainError(
            f"no estimate for model {config.model!r} and objective {config.objective!r}",
            expected=f"one objective, and a model named after {' or '.join(PARAMETERS)}",
        )
    (name,) = config.weights
    examples, prompts, behind = _examples(name, config)
    rows_sharing = min(ROWS / PEOPLE, config.share_prefix) if name != "distribution" else 1.0
    epochs = config.max_epochs or 1
    plain = epochs * examples * (PERSONA + STIMULUS + behind)
    read = epochs * examples * (PERSONA / rows_sharing + STIMULUS + behind)
    flop = (8 if again else 6) * parameters * read
    if name == "dpo":
        flop += 2 * parameters * prompts * (PERSONA * PEOPLE / ROWS + STIMULUS + behind)
    steps = epochs * -(-examples // (config.global_batch or 256))
    return Estimate(examples, steps, plain, read, flop, flop / (GPUS * PEAK * UTILISATION) / 3600, parameters * BYTES / GPUS / 1e9)


def _examples(name: str, config: TrainConfig) -> tuple[int, int, int]:
    """Examples of an epoch, prompts of the rows, and tokens behind a prompt."""
    if name == "distribution":
        settings = config.distribution or DistributionConfig()
        return (ROWS if settings.persona == "row" else TEXTS), ROWS, 2 * 7  # a scale of seven: the answers and their ends
    if name == "dpo":
        pairs = 1 if config.dpo is None else config.dpo.pairs_per_row
        return ROWS * pairs, ROWS, 2 * ANSWER
    return ROWS, ROWS, ANSWER + (RATIONALE if name == "reasoning" else 0)


def main(arguments: Sequence[str]) -> int:
    """Entry point."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    try:
        config = read_config(Path(arguments[0]), arguments[1:]).config
        print(*estimate(config).lines(), sep="\n")
    except TrainError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
