"""Lets `load_dataset("socsci210", ...)` find the dataset made here, from any directory.

`datasets` has no way to register a name, so this wraps its internal `dataset_module_factory`: the bare name becomes the path that
`load.dataset_path` finds, everything else passes through. tests/test_load.py fails when a new `datasets` moves the internal.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, Final

import datasets.inspect
import datasets.load

from .load import dataset_path

NAME: Final = "socsci210"
HOOK: Final = "dataset_module_factory"


def install() -> None:
    """Teach `datasets` the name. Calling it again does nothing."""
    for module in (datasets.load, datasets.inspect):  # inspect holds a copy of its own
        factory = getattr(module, HOOK, None)
        if factory is None:
            warnings.warn(
                f"this version of datasets has no {module.__name__}.{HOOK}: load_dataset({NAME!r}) will not work, socsci210.load() does",
                stacklevel=2,
            )
        elif not getattr(factory, "resolves_socsci210", False):
            setattr(module, HOOK, _resolving(factory))


def _resolving(factory: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(factory)
    def resolving(path: str, *args: Any, **kwargs: Any) -> Any:
        return factory(dataset_path() if path == NAME else path, *args, **kwargs)

    resolving.resolves_socsci210 = True  # type: ignore[attr-defined]
    return resolving
