"""What the demo and the experiments both do first: a dataset from simulated studies, or from deposits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import SocSciError

Say = Callable[[str], None]


def simulated_deposits(out: Path, *, seed: int, people: int = 600, studies: Sequence[str] | None = None, say: Say) -> Path:
    """Write the deposits of simulated studies to `out` and return it.

    Raises:
        SocSciError: no simulated study has one of these ids.
    """
    from .simulated import DESIGNS, World, write_deposits

    if unknown := sorted(set(studies or ()) - set(DESIGNS)):
        known = ", ".join(DESIGNS)
        raise SocSciError(f"no simulated study is called {', '.join(unknown)}", expected=f"some of {known}", fix="check the ids")
    say(f"Writing the raw deposits of the simulated studies to {out}")
    write_deposits(World(seed=seed, people=people), out, studies)
    return out


def built_dataset(deposits: Path, out: Path, *, extra_studies: Sequence[Path] = (), say: Say) -> Path:
    """Build the dataset `out` from every study whose deposit is there, note it as the last one made here, and return it.

    Raises:
        SocSciError: there is no deposit, or a study cannot be built.
    """
    from .build import build
    from .load import remember
    from .registry import Registry

    registry = Registry(extra_studies)
    ids = registry.with_deposit(deposits)
    say(f"Building a dataset from {len(ids)} studies")
    report = build(ids, deposits=deposits, out=out, registry=registry, jobs=2)
    for study, message in report.failed.items():
        raise SocSciError(f"study {study} cannot be built: {message}", where=str(deposits))
    remember(out)
    return out
