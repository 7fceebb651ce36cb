"""socsci210: survey experiments as a standard dataset, models trained to answer as people would, and scores that can be trusted.

>>> import socsci210
>>> from datasets import load_dataset
>>> rows = load_dataset("socsci210", "unseen_studies", split="test")  # doctest: +SKIP
>>> rows = socsci210.load("unseen_studies", "test")  # doctest: +SKIP

Importing this package makes the bare name "socsci210" known to `datasets.load_dataset`; it loads neither torch nor transformers.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .screening.simulate import simulate
    from .socrates import Answer, Socrates

__all__ = ["Answer", "Socrates", "__version__", "load", "simulate"]
__version__ = version("socsci210")

# The isolated children that parse deposits need no `datasets`, and must start quickly.
if "SOCSCI210_CHILD" not in os.environ:
    from .alias import install
    from .load import load

    install()
    del install


def __getattr__(name: str) -> object:
    """What needs a model is loaded when it is asked for: most uses of the package need none."""
    if name in ("Answer", "Socrates"):
        from . import socrates

        return getattr(socrates, name)
    if name == "simulate":
        from .screening.simulate import simulate

        return simulate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
