"""Checkpoints: written whole or not at all, the newest few and the best one kept, continued only by the run that wrote them.

A checkpoint is written under a temporary name, its files reach the disk, their names and sizes are noted in it, and only then does it get
its own name. So a kill at any moment leaves the checkpoints before it; what it leaves half-written is seen and not used.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from .config import TrainConfig, TrainError

STATE: Final = "progress.json"
ADAPTER: Final = "trained.safetensors"
# Settings that change nothing that is learned: they may always differ between a run and its continuation.
FREE: Final = (
    "output", "dataset", "log_every", "checkpoint_every", "keep_checkpoints", "allow_changed", "track_with", "push_to_hub", "hub_private",
)  # fmt: skip
# Settings that `allow_changed` lets differ.
CHANGEABLE: Final = (
    "learning_rate", "weight_decay", "warmup", "max_grad_norm", "precision", "max_steps", "max_minutes", "max_epochs", "validation",
    "batch_size", "accumulation", "global_batch", "gradient_checkpointing", "read_as",  # the rows of a step stay the same: a fact
)  # fmt: skip


def folder_of(output: Path) -> Path:
    """Where the checkpoints of a model lie until it is complete."""
    return output.with_name(output.name + ".checkpoints")


def identity(config: TrainConfig, **facts: Any) -> dict[str, Any]:
    """What must be equal for a checkpoint to be continued: the settings that decide what is learned, and facts about data and model."""
    settings = {key: value for key, value in config.model_dump(mode="json").items() if key not in FREE}
    return {**settings, **facts}


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they lie, one folder each.
        accelerator: of whose models and optimizers they are.
        noted: what must be equal for one to be continued (`identity`).
        keep: so many of the newest are kept.
        allow_changed: settings in `CHANGEABLE` may differ.
        say: called with what was done.
    """

    def __init__(
        self,
        folder: Path,
        accelerator: Any,
        noted: Mapping[str, Any],
        *,
        keep: int,
        allow_changed: bool = False,
        say: Callable[[str], None],
    ) -> None:
        self.folder, self.accelerator, self.keep, self.allow_changed, self.say = folder, accelerator, keep, allow_changed, say
        self.noted: dict[str, Any] = json.loads(json.dumps(noted))

    def save(self, step: int, progress: Mapping[str, Any], *, best: int | None = None) -> None:
        """Write the checkpoint of a step, and delete those that are no longer kept. Every process must call it.

        Args:
            step: its name.
            progress: where the run stands; anything that JSON can hold.
            best: the step whose checkpoint is kept whatever its age.
        """
        final = self._at(step)
        temporary = final.with_name(final.name + ".tmp")
        if self.accelerator.is_main_process:
            shutil.rmtree(temporary, ignore_errors=True)  # of a run that was killed while it wrote
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(temporary))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            _seal(temporary, {"identity": self.noted, "progress": dict(progress)})
            shutil.rmtree(final, ignore_errors=True)  # the same step, not whole
            temporary.replace(final)
            self._prune(best)
        self.accelerator.wait_for_everyone()

    def resume(self) -> dict[str, Any] | None:
        """Go on from the newest whole checkpoint: the progress that was stored with it, or None where there is none.

        Raises:
            TrainError: it is of another model, dataset or configuration.
        """
        newest = self.newest()
        if newest is None:
            return None
        state = json.loads((newest / STATE).read_text(encoding="utf-8"))
        self._check(newest, state["identity"])
        self.accelerator.load_state(str(newest))
        progress = dict(state["progress"])
        if progress.get("evaluations") and state["identity"].get("validation") != self.noted.get("validation"):
            self.say("evaluations made so far were of other validation settings: they are forgotten, and the best model is looked for anew")
            progress["evaluations"] = []
        return progress

    def restore(self, step: int) -> None:
        """Load the weights of a step whose checkpoint was kept.

        Raises:
            TrainError: it is not there, or not whole.
        """
        path = self._at(step)
        if not _whole(path):
            raise TrainError(
                "the best checkpoint is not there, or not whole", where=str(path), fix="delete the checkpoints and train again"
            )
        self.accelerator.load_state(str(path))

    def newest(self) -> Path | None:
        """The newest whole checkpoint."""
        for path in sorted(self._finished(), reverse=True):
            if _whole(path):
                return path
            self.say(f"not used: checkpoint {path} is not whole")
        return None

    def _at(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"

    def _finished(self) -> list[Path]:
        return [path for path in self.folder.glob("step-*") if path.suffix != ".tmp"]

    def _prune(self, best: int | None) -> None:
        spared = {*sorted(self._finished())[-self.keep :], *([] if best is None else [self._at(best)])}
        for older in self.folder.glob("step-*"):
            if older not in spared:
                shutil.rmtree(older)

    def _check(self, path: Path, stored: Mapping[str, Any]) -> None:
        differs = {key for key in {*self.noted, *stored} if stored.get(key) != self.noted.get(key)}
        if self.allow_changed:
            differs -= set(CHANGEABLE)
        if differs:
            raise TrainError(
                f"a checkpoint of another run: other {', '.join(sorted(differs))}", where=str(path),
                fix="train with the same settings, choose another --output, or delete the checkpoints"
                + (" (--allow_changed true goes on all the same)" if differs <= set(CHANGEABLE) else ""),
            )  # fmt: skip


def _seal(folder: Path, state: dict[str, Any]) -> None:
    """Note the files of a checkpoint and bring all of them to the disk."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    state["files"] = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    (folder / STATE).write_text(json.dumps(state), encoding="utf-8")
    for path in [*files, folder / STATE]:
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _whole(folder: Path) -> bool:
    """Whether all files that a checkpoint notes are there, in the sizes that it notes."""
    try:
        files = json.loads((folder / STATE).read_text(encoding="utf-8"))["files"]
        return all((folder / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def save_trained_only(accelerator: Any) -> None:
    """From now on checkpoints hold the parameters that are trained, not those that stay as they are: an adapter's, without its model."""
    from safetensors.torch import load_file, save_file

    def save(models: list[Any], weights: list[Any], folder: str) -> None:
        own = accelerator.unwrap_model(models[0])
        if accelerator.is_main_process:
            tensors = {name: p.detach().cpu().contiguous() for name, p in own.named_parameters() if p.requires_grad}
            Path(folder).mkdir(parents=True, exist_ok=True)
            save_file(tensors, Path(folder) / ADAPTER)
        weights.clear()  # accelerate saves what is left here

    def load(models: list[Any], folder: str) -> None:
        own = accelerator.unwrap_model(models.pop())  # accelerate loads what is left here
        missing = own.load_state_dict(load_file(Path(folder) / ADAPTER), strict=False).missing_keys
        trained = {name for name, p in own.named_parameters() if p.requires_grad}
        if lost := sorted(trained & set(missing)):
            raise TrainError(f"the checkpoint lacks {lost[0]}", where=folder, fix="delete the checkpoints and train again")

    accelerator.register_save_state_pre_hook(save)
    accelerator.register_load_state_pre_hook(load)
