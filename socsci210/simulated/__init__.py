"""Simulated studies: a world whose true answer distributions are known, written as raw deposits and read back through study files.

world = World(seed=0)
write_deposits(world, Path("deposits"))          # deposits/<id>/..., deposits/truth.parquet
socsci210 build sim_bus_lanes ... --deposits deposits --out dataset
"""

from .catalogue import DESIGNS
from .deposits import write_deposits
from .truth import expected_rows, truth, truth_rows
from .world import World

__all__ = ["DESIGNS", "World", "expected_rows", "truth", "truth_rows", "write_deposits"]
