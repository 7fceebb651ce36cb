"""The command line. Each command only reads its arguments, calls one function of the library, and shows what came out."""

from __future__ import annotations

import sys
from typing import NoReturn

from ..errors import SocSciError, refused_by_system
from .app import app
from .shown import console, show

# isort: off
# Help lists commands in the order in which they are imported.
from . import demo, fetch, profile, data, draft, exam, review, studies, release, trace, predict, models, simulate, push
# isort: on

__all__ = [
    "app",
    "data",
    "demo",
    "draft",
    "exam",
    "fetch",
    "main",
    "models",
    "predict",
    "profile",
    "push",
    "release",
    "review",
    "show",
    "simulate",
    "studies",
    "trace",
]


def main() -> None:
    """Entry point: a message instead of a traceback for everything a user can put right."""
    try:
        app()
    except SocSciError as error:
        _refuse(error)
    except OSError as error:
        _refuse(refused_by_system(error))


def _refuse(error: SocSciError) -> NoReturn:
    console.print("error: ", style="bold red", end="")
    console.print(str(error), markup=False, highlight=False, soft_wrap=True)
    sys.exit(1)
