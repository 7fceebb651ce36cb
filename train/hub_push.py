"""Pushing a trained model to the Hub when it is saved: as `socsci210 push model` does, but a failure ends nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from .config import TrainConfig, TrainError


def check_push(config: TrainConfig) -> None:
    """Find before the first step what a push would refuse after hours.

    Raises:
        TrainError: an adapter alone would be pushed, of a model that is not on the Hub.
    """
    alone = config.lora is not None and not config.lora.merge
    if config.push_to_hub is not None and alone and Path(str(config.model)).exists():
        raise TrainError(
            f"push_to_hub would publish an adapter of {config.model}, which only this machine has", where="push_to_hub",
            expected="a whole model, or an adapter of a model of the Hub", fix="set lora.merge, or name a model of the Hub",
        )  # fmt: skip


def push(folder: Path, repository: str, *, private: bool, say: Callable[[str], None]) -> str | None:
    """Publish a model folder, and say where it is, or why it is not and how to try again. The folder stays as it is.

    Returns:
        The address of the commit; None where the push failed.
    """
    from socsci210.hub import push as publish
    from socsci210.hub.guard import found_token
    from socsci210.hub.model import prepare_model

    try:
        with TemporaryDirectory(prefix="socsci210-push-") as work:
            package = prepare_model(folder, repository, Path(work))
            done = publish(package, repository, private=private, say=say)
    except Exception as error:  # whatever it is: hours of training are done and saved, and the run has ended well without it
        say(f"not pushed to {repository}: {found_token().scrubbed(str(error)) or type(error).__name__}")
        say(f"the model is in {folder}; try again with: {again(folder, repository, private=private)}")
        return None
    say(f"pushed to {done.url}")
    return done.url


def again(folder: Path, repository: str, *, private: bool) -> str:
    """The command that pushes the folder."""
    return f"socsci210 push model {shlex.quote(str(folder))} {repository}{' --private' if private else ''}"
