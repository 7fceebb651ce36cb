"""Shared fixtures. No test touches the network; tests that need real deposits skip where they are missing."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

# Before any Hugging Face import: nothing may be looked up on a hub, and two workers on two cores need no more threads than that.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("HF_EVALUATE_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Caches of a run belong to that run: the user's last dataset and prepared datasets stay as they are.
_CACHE = os.environ.setdefault("SOCSCI210_TEST_CACHE", tempfile.mkdtemp(prefix="socsci210-tests-"))  # inherited by xdist workers
os.environ["XDG_CACHE_HOME"] = _CACHE
os.environ["HF_HOME"] = f"{_CACHE}/huggingface"

import pytest  # noqa: E402
from filelock import FileLock  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def deposits_dir() -> Path:
    """The six real deposits, where this checkout has them beside it."""
    folder = SHARED / "deposits"
    if not (folder / "MANIFEST.json").exists():
        pytest.skip("the real deposits are not here (looked for ../shared/data/deposits)")
    return folder


@pytest.fixture(scope="session")
def released_dir() -> Path:
    """Real rows of the released SocSci210, where this checkout has them beside it."""
    folder = SHARED / "released"
    if not folder.exists():
        pytest.skip("the released rows are not here (looked for ../shared/data/released)")
    return folder


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The caches go with the run (workers end before their controller)."""
    if not hasattr(session.config, "workerinput"):
        shutil.rmtree(_CACHE, ignore_errors=True)


@pytest.fixture(scope="session")
def session_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for the whole run, shared by all xdist workers."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def simulated_deposits(session_dir: Path) -> Path:
    """Deposits of all simulated studies, seed 0, written once per run."""
    from socsci210.simulated import World, write_deposits

    folder = session_dir / "simulated_deposits"
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            write_deposits(World(seed=0), folder)
            (folder / "done").touch()
    return folder


@pytest.fixture(scope="session")
def simulated_dataset(session_dir: Path, simulated_deposits: Path) -> Path:
    """The dataset built from all simulated studies, seed 0, built once per run. Read it, never write to it."""
    from socsci210.build import build
    from socsci210.registry import Registry

    folder = session_dir / "simulated_dataset"
    registry = Registry()
    ids = [entry.id for entry in registry.entries() if entry.simulated]
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            build(ids, deposits=simulated_deposits, out=folder, registry=registry, jobs=1, cache=session_dir / "cache")
    return folder


@pytest.fixture(scope="session")
def made_release(session_dir: Path) -> Path:
    """A made release of 60,000 rows in the upstream layout, every known defect planted and recorded, written once per run. Read it only."""
    from tests.benchmarks.make_release import make_release as make

    folder = session_dir / "made_release"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            make(session_dir / "made_release_part", 60_000).rename(folder)
    return folder


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs one command of the command line: (exit code, standard output, standard error)."""
    from socsci210.cli import main

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["socsci210", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
