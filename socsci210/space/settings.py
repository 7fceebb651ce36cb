"""Which model the app asks: what a push writes down, and how the app loads it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import DatasetError
from ..socrates import Socrates

SETTINGS: Final = "space.json"
MODEL_FILES: Final = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]  # weights in no other form are fetched


@dataclass(frozen=True)
class Settings:
    """Which model the page asks.

    Attributes:
        model: folder or Hub id.
        revision: commit of a Hub id; None: its newest, or a folder.
        name: what people are told; default: the last part of a folder, or the id.
    """

    model: str
    revision: str | None = None
    name: str | None = None

    @classmethod
    def read(cls, folder: Path) -> Settings:
        """Those of `space.json` in a folder; the environment variable SOCRATES_MODEL overrides them.

        Raises:
            DatasetError: neither names a model.
        """
        if named := os.environ.get("SOCRATES_MODEL", "").strip():
            return cls(named)
        try:
            stored = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
            model, revision, name = str(stored["model"]), stored.get("revision"), stored.get("name")
        except (OSError, ValueError, KeyError) as error:
            raise DatasetError(
                "no model is named", where=SETTINGS, expected='{"model": "a folder or Hub id"}',
                fix="set the variable SOCRATES_MODEL in the settings of the Space, or push the Space again",
            ) from error  # fmt: skip
        return cls(str(folder / model) if (folder / model).is_dir() else model, revision, name)

    @property
    def text(self) -> str:
        """The settings as `space.json` holds them."""
        told = {key: value for key, value in asdict(self).items() if value is not None}
        return json.dumps(told, indent=2) + "\n"

    @property
    def shown(self) -> str:
        """The model's name for people."""
        return self.name or (Path(self.model).name if Path(self.model).is_dir() else self.model)

    def load(self) -> Socrates:
        """The model, its weights read.

        Raises:
            DatasetError: it cannot be found or asked.
        """
        folder = self.model
        if self.revision is not None:
            from huggingface_hub import snapshot_download
            from huggingface_hub.errors import HfHubHTTPError

            try:
                folder = snapshot_download(self.model, revision=self.revision, allow_patterns=MODEL_FILES)
            except (HfHubHTTPError, OSError) as error:
                raise DatasetError(
                    f"revision {self.revision[:12]} cannot be had ({type(error).__name__})", where=self.model,
                    expected="a model on the Hub that this Space may read",
                    fix="check that it is still there; for a private model add a secret HF_TOKEN to the Space",
                ) from error  # fmt: skip
        socrates = Socrates(folder)
        answers_at_once(socrates.record, self.model)
        socrates.predict({"age": 40}, 'You were asked: "Ready? Only return an integer from 1 to 2, nothing else."', (1, 2))
        return socrates


def answers_at_once(record: Mapping[str, Any], model: str) -> None:
    """Check, by its run record, that visitors need not wait for a model to write a rationale before every answer.

    Raises:
        DatasetError: they would have to.
    """
    if record.get("reasoning"):
        raise DatasetError(
            "this model writes a rationale before its answer, which takes minutes for a few people", where=model,
            expected="a model of objective sft, dpo or distribution", fix="name one of these",
        )  # fmt: skip
