"""An experiment file that a visitor wrote, put through `socsci210.simulate` within the bounds of a shared machine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from ..errors import SocSciError
from ..screening.experiment_file import read_experiment
from ..screening.page import write_page
from ..screening.simulate import Simulation, simulate
from .asking import MAX_FILE, FormError

MAX_PAIRS: Final = 300  # personas times arms
MAX_QUESTIONS: Final = 8  # outcomes times tasks, each asked in every wording
MAX_SECONDS: Final = 120.0
_AT_ONCE: Final = 256  # prompts between two looks at the clock
_ELSEWHERE: Final = "ask fewer here, or run `socsci210 simulate` on a machine of your own"


def screen(
    model: str,
    text: str,
    people: int,
    *,
    name: str | None = None,
    tell: Callable[[int, int], None] = lambda done, of: None,
    seconds: float = MAX_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Simulation, str]:
    """The simulation of an experiment, and its page. No file outlives the call.

    Args:
        model: folder or id of the model.
        text: the experiment file.
        people: personas, drawn from the shares in it.
        name: what the page calls the model; default: the last part of its folder or id.
        tell: called with (prompts done, prompts in all).
        seconds: how long it may take, by `clock`.

    Raises:
        SocSciError: the file is too large, too much is asked, it takes too long, or the experiment cannot be asked.
    """
    stop = clock() + seconds

    def watch(done: int, of: int) -> None:
        tell(done, of)
        if done < of and clock() > stop:
            raise FormError(
                f"after {seconds:.0f} seconds {done:,} of {of:,} prompts were answered", where="Experiment",
                expected="an experiment that is answered in this time", fix=_ELSEWHERE,
            )  # fmt: skip

    if len(text) > MAX_FILE:
        raise FormError(f"{len(text):,} characters", where="Experiment", expected=f"at most {MAX_FILE:,}", fix="shorten it")
    with tempfile.TemporaryDirectory(prefix="socsci210-space-") as scratch:
        file = Path(scratch) / "experiment.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            experiment = read_experiment(file)
            most = MAX_PAIRS // len(experiment.arms)
            if not 1 <= people <= most:
                raise FormError(
                    f"{people} personas in {len(experiment.arms)} arms", where="Personas",
                    expected=f"1 to {most} personas: at most {MAX_PAIRS} pairs of a persona and an arm",
                    fix=_ELSEWHERE,
                )  # fmt: skip
            asked = len(experiment.outcomes) * (experiment.tasks if experiment.attributes else 1)
            if asked > MAX_QUESTIONS:
                raise FormError(
                    f"{asked} questions to each persona", where="Experiment", expected=f"at most {MAX_QUESTIONS} (outcomes times tasks)",
                    fix=_ELSEWHERE,
                )  # fmt: skip
            found = simulate(experiment, model, f"sample:{people}", shard_rows=_AT_ONCE, progress=watch)
            about = {**found.screening.about, "model": name or model}
            shown = write_page(replace(found.screening, about=about), Path(scratch) / "page.html")
            return found, shown.read_text(encoding="utf-8")
        except SocSciError as error:
            error.where = error.where.replace(f"{scratch}/", "")
            raise
