"""Tests against a local Hub, through the real clients.

The clients freeze the Hub's address when they are imported, so they run in a child process: `run(hub, code, tmp_path)` runs Python code
there, gives it `given` as the dictionary GIVEN, and returns what it hands to `answer(...)`. Starting one costs seconds: put many checks
into one child.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from socsci210.local_hub import LocalHub

_BEFORE = """
import json as _json, sys as _sys
GIVEN = _json.loads(_sys.stdin.read())
def answer(value):
    print("\\nANSWER " + _json.dumps(value), flush=True)
"""


def environment(hub: LocalHub, home: Path, token: str | None = None, **variables: str) -> dict[str, str]:
    """The environment of a machine of its own: its caches lie below `home`, its token is the one given or that of the hub's own user."""
    homes = {"HF_HOME": str(home / "hf"), "XDG_CACHE_HOME": str(home / "xdg"), "HF_MODULES_CACHE": str(home / "modules")}
    return {**os.environ, **hub.environment(hub.token if token is None else token), **homes, **variables}


def run(
    hub: LocalHub,
    code: str,
    home: Path,
    *,
    given: dict[str, Any] | None = None,
    token: str | None = None,
    fails: bool = False,
    **variables: str,
) -> Any:
    """Run code in a child whose Hub is this one, and return its last answer. The token must not be in anything that it says.

    Args:
        given: what the code sees as GIVEN; JSON.
        token: of the child's user; "" for none, None for the hub's own user.
        fails: the code shall end with an error: its standard error is returned.
        variables: further environment variables.
    """
    env = environment(hub, home, token, **variables)
    done = subprocess.run(
        [sys.executable, "-c", _BEFORE + code],
        input=json.dumps(given or {}),
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=home,
    )
    for user in hub.users.values():
        assert user.token not in done.stdout + done.stderr, "a token was printed"
    if fails:
        assert done.returncode != 0, done.stdout
        return done.stderr
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    answers = [line.removeprefix("ANSWER ") for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    assert answers, f"the child handed nothing to answer(): {done.stdout[-2000:]}"
    return json.loads(answers[-1])
