"""What `socsci210 demo --hub` shows: things pushed to a Hub by the commands that anybody types, and loaded back as anybody loads them.

Every push and every load is a process of its own, with the Hub's address in its environment and caches that are thrown away, so that
nothing comes back but from the Hub.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from ..errors import HubError
from .package import Kind, Say

COLUMNS: Final[dict[str, str]] = {
    "what": "pushed",
    "tag": "version",
    "files": "files sent",
    "kept": "already there",
    "megabytes": "MB sent",
    "back": "came back by",
    "equal": "equal",
}
_SECONDS: Final = 1800
_LAST: Final = 12  # lines of a failed process that are shown


@dataclass(frozen=True)
class Thing:
    """Something to push.

    Attributes:
        path: where it lies, or for an app where the model lies that it asks.
        repo, tag: what to call it on the Hub, and this version of it.
        source: what the command is given instead of `path`: for an app the Hub id of its model.
        options: further words of the command.
    """

    kind: Kind
    path: Path
    repo: str
    tag: str
    source: str | None = None
    options: Sequence[str] = ()


@dataclass(frozen=True)
class Leg:
    """One thing that went to the Hub, and one way in which it came back.

    Attributes:
        what, tag: repository and version.
        files, kept: files that were sent, and those that the Hub had.
        megabytes: sent.
        back: how it was loaded.
        equal: whether what came back is what lies here.
    """

    what: str
    tag: str
    files: int
    kept: int
    megabytes: float
    back: str
    equal: bool

    def row(self) -> dict[str, Any]:
        """As a row of the table, in the columns of `COLUMNS`."""
        return {**asdict(self), "megabytes": round(self.megabytes, 2), "equal": "yes" if self.equal else "NO"}


def round_trip(things: Sequence[Thing], environment: Mapping[str, str], *, say: Say) -> list[Leg]:
    """Push everything, in order, and load everything back, each version by its tag.

    Args:
        things: what to push; the same repository may stand there more than once, with another tag.
        environment: the variables that lead the Hub's clients to the Hub, and give them a token.
        say: called with a line about each step.

    Raises:
        HubError: a push or a load failed.
    """
    with TemporaryDirectory(prefix="socsci210-hub-") as home:
        variables = {
            **environment,
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HOME": f"{home}/hf",
            "HF_MODULES_CACHE": f"{home}/modules",
            "XDG_CACHE_HOME": f"{home}/cache",
        }
        pushed = [_pushed(thing, variables, say) for thing in things]
        legs = []
        for thing, result in zip(things, pushed, strict=True):
            say(f"Loading {thing.repo} at {thing.tag} back")
            sent = (len(result["added"]), len(result["unchanged"]), result["bytes_sent"] / 1e6)
            legs += [Leg(f"{thing.kind} {thing.repo}", thing.tag, *sent, back, equal) for back, equal in loaded(thing, variables).items()]
    return legs


def _pushed(thing: Thing, variables: Mapping[str, str], say: Say) -> dict[str, Any]:
    words = ["push", thing.kind, thing.source or str(thing.path), thing.repo, "--tag", thing.tag, *thing.options]
    say(f"socsci210 {' '.join(words)}")
    return _run(["-m", "socsci210", *words, "--json"], "", variables, thing)


def loaded(thing: Thing, variables: Mapping[str, str]) -> dict[str, bool]:
    """Load something from the Hub of the environment: how -> whether it is what lies at its path."""
    asked = {"what": thing.kind, "repo": thing.repo, "revision": thing.tag, "path": str(thing.path.resolve())}
    return _run(["-m", "socsci210.hub.round_trip_child"], json.dumps(asked), variables, thing)


def _run(words: Sequence[str], given: str, variables: Mapping[str, str], thing: Thing) -> dict[str, Any]:
    """What a process of ours prints as JSON."""
    command = [sys.executable, *words]
    done = subprocess.run(
        command, input=given, env={**os.environ, **variables}, text=True, capture_output=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-_LAST:])
        raise HubError(f"{' '.join(words[:4])} failed:\n{last}", where=f"{thing.kind} {thing.repo} at {thing.tag}", fix="see above")
    return dict(json.loads(done.stdout[done.stdout.index("{") :]))
