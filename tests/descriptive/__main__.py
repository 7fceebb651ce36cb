"""`python -m tests.descriptive`: write the simulated deposits of seed 0, build them, and rewrite the committed statistics."""

from __future__ import annotations

import tempfile
from pathlib import Path

from socsci210.build import build
from socsci210.dataset_folder import DatasetFolder
from socsci210.registry import Registry
from socsci210.simulated import DESIGNS, World, write_deposits

from . import FOLDER, write_all


def main() -> None:
    """Everything in a scratch folder; only the JSON files stay."""
    with tempfile.TemporaryDirectory() as scratch:
        deposits, out = Path(scratch) / "deposits", Path(scratch) / "dataset"
        write_deposits(World(seed=0), deposits)
        build(sorted(DESIGNS), deposits=deposits, out=out, registry=Registry())
        write_all(DatasetFolder(out))
    print(f"wrote {len(list(FOLDER.glob('*.json')))} files to {FOLDER}")


main()
