"""One training run in processes of its own, alone or behind `accelerate launch`, with its settings and its log kept beside each other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import yaml

from .config import TrainConfig, TrainError

Say = Callable[[str], None]

SETTINGS, LOG = "run.yaml", "train.log"
# Lines of a log that are for people.
_TOLD: Final = re.compile(
    r"(training on|validation:|left out:|shortened at|every prompt is read|resumed at|step|stopped early|the best model|not used:"
    r"|not pushed|pushed to|the model is in|reference of dpo:|dpo:|reasoning:|distribution:) "
)
_WAIT: Final = 0.2  # seconds between two looks at the log
SHOWN: Final = 5  # lines of a log that stand in for a missing message


def launch(
    config: TrainConfig, folder: Path, *, accelerate: Sequence[str] | None = None, threads: int | None = None, say: Say | None = None
) -> Path:
    """`python -m socsci210.train` on these settings. Returns the model folder.

    Args:
        config: the settings; they are written to `folder / run.yaml`.
        folder: keeps settings and log. A log that is there already is continued.
        accelerate: arguments of `accelerate launch`; without it the run is one plain process.
        threads: threads of each process; default: as many as the libraries take.
        say: called with each line of the log that tells how far training is.

    Raises:
        TrainError: training failed; the message is the run's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings, log = folder / SETTINGS, folder / LOG
    settings.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    prefix = [] if accelerate is None else ["accelerate.commands.launch", *accelerate, "-m"]
    limit = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    environment = {**os.environ, **limit, "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
    with log.open("ab") as sink:
        start = sink.tell()
        command = [sys.executable, "-m", *prefix, "socsci210.train", str(settings)]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
    try:
        told = start
        while process.poll() is None:
            time.sleep(_WAIT)
            told = _tell(log, told, say)
        _tell(log, told, say)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if process.returncode:
        raise TrainError(_message(log, start), where=f"model of {', '.join(config.train_on)}", fix=f"the whole log is {log}")
    return Path(config.output)


def _tell(log: Path, start: int, say: Say | None) -> int:
    """Say the whole lines of a log from `start` on that are for people. Returns where the next line begins."""
    with log.open("rb") as file:
        file.seek(start)
        whole = file.read().rpartition(b"\n")[0]
    for line in whole.decode(errors="replace").splitlines():
        if say is not None and _TOLD.match(line):
            say(line)
    return start + len(whole) + bool(whole)


def _message(log: Path, start: int) -> str:
    """What a failed run said: from its error on (up to what its launcher added), else its last lines."""
    with log.open("rb") as file:
        file.seek(start)
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    first = next((at for at, line in enumerate(lines) if line.startswith("error: ")), None)
    if first is None:
        return "\n".join(lines[-SHOWN:]) or "training ended without a word"
    last = next((at for at, line in enumerate(lines[first + 1 :], first + 1) if not line.startswith("  ")), len(lines))
    return "\n".join(lines[first:last]).removeprefix("error: ")
