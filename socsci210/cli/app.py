"""The application that commands register with, and the options they share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="socsci210",
    help="Survey experiments as a standard dataset, models trained to answer as people would, and scores that can be trusted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
StudiesDir = Annotated[list[Path] | None, typer.Option("--studies", help="Folder of further study folders; may be given more than once.")]
DatasetDir = Annotated[Path, typer.Option(help="Dataset folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of a table for a person.")]

# The panels in which help lists the commands.
STUDIES = "From a deposit to a dataset"
RELEASE = "The released SocSci210"
MODELS = "Models and their scores"
SCREENING = "A hypothesis before the field"
PUBLISHING = "On the Hub"
