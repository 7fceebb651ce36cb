"""From an experiment and a model to tidy tables and one page: `socsci210.simulate` and the command of that name."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ..predict.openai_options import ServerOptions
from ..predict.shards import METADATA_KEY, Progress
from .analyse import Screening, analyse
from .evidence import find_evidence, read_evidence
from .experiment_file import Experiment, read_experiment, read_marginals
from .page import write_page
from .parts import PROFILES
from .personas import LEFT_OUT, read_personas
from .run import SHARD_ROWS, Engine, collect
from .tables import write_tables

PAGE: Final = "page.html"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Simulation:
    """What a simulation comes to. Every table is a pyarrow table: `.to_pandas()` where that is wanted.

    Attributes:
        experiment: what was asked.
        personas, answers: columns as of `screening.parts`. The page and the tables are of these.
        profiles: of a conjoint, what each profile showed, ready for a regression; else None.
        screening: effects, distributions, subgroups, hypotheses and, of a conjoint, what its levels add (`amces`); and how far the model
            may be believed.
        folder: where everything was written, or None.
        page: the page, or None.
    """

    experiment: Experiment
    personas: pa.Table
    answers: pa.Table
    profiles: pa.Table | None
    screening: Screening
    folder: Path | None
    page: Path | None


def simulate(
    experiment: str | Path | Mapping[str, Any] | Experiment,
    model: str | Path,
    personas: str | Path | pa.Table,
    *,
    out: str | Path | None = None,
    people: int | None = None,
    marginals: str | Path | None = None,
    variants: Sequence[str] | None = None,
    evidence: Sequence[str | Path] = (),
    server: ServerOptions | None = None,
    template: str | None = None,
    batch_size: int = 64,
    shard_rows: int = SHARD_ROWS,
    seed: int = 0,
    progress: Progress | None = None,
    say: Say = lambda line: None,
) -> Simulation:
    """Put every persona through every arm of an experiment, and tell what may be concluded.

    >>> found = socsci210.simulate("experiment.yaml", "models/socrates", "sample:500", out="screening")  # doctest: +SKIP
    >>> found.screening.hypotheses.to_pandas()  # doctest: +SKIP

    Args:
        experiment: its file, or the same content as a mapping.
        model: folder or Hub id of a causal language model, or the name that the server knows it by.
        personas: a csv or parquet file or a table of the 16 fields; `sample:N`, drawn from the shares of the experiment file or of
            `marginals`; or `DATASET:STUDY`, the people of a study.
        out: folder for everything; a run that was cut off goes on there. Without it nothing is kept but what is returned.
        people: at most so many people of a file or study.
        marginals: a file of shares, instead of those in the experiment file.
        variants: names of prompt variations beside the base; default: all that the model may be asked.
        evidence: results files of the same model; those in its folder are found without being named.
        server: a model server to ask instead of loading the model.
        template: layout of the prompt; default: the one that the model was trained on, else upstream.
        batch_size: prompts per forward pass, at most.
        shard_rows: prompts after which progress is told, and which a kill may cost.
        seed: of everything that is drawn.
        progress: called with (rows done, rows wanted).
        say: called with a line about each thing that a user should know.

    Raises:
        ExperimentError: the experiment or its people cannot be asked.
        DatasetError: there is no such model, dataset or study, or results of another model.
        EgressError: people who may be real would be sent to a server without leave, or it does not answer as it must.
    """
    read = read_experiment(experiment)
    shares = read_marginals(Path(marginals)) if marginals is not None else read.marginals
    who = read_personas(personas, shares=shares, people=people, seed=seed)
    _tell(who, say)
    engine = Engine(str(model), server, template, batch_size)
    engine.record()  # refuses a model that is not there
    known = read_evidence([Path(one) for one in evidence] or find_evidence(str(model)), model=str(model), revision=engine.revision)
    if isinstance(known, str):
        say(f"no evidence how far this model may be believed: {known}")
    source = Path(experiment) if isinstance(experiment, str | Path) else None
    with tempfile.TemporaryDirectory(prefix="socsci210-simulate-") as scratch:
        folder = Path(scratch) if out is None else Path(out)
        path = collect(read, who, engine, folder, variants=variants, seed=seed, source=source, shard_rows=shard_rows, progress=progress)
        answers = pq.read_table(path)
        profiles = pq.read_table(folder / PROFILES) if read.attributes else None
        found = Simulation(read, who, answers, profiles, analyse(read, who, answers, known, profiles=profiles, seed=seed), None, None)
        if out is None:
            return found
        write_tables(found.screening, folder)
        return replace(found, folder=folder, page=write_page(found.screening, folder / PAGE))


def _tell(personas: pa.Table, say: Say) -> None:
    for reason, n in json.loads((personas.schema.metadata or {}).get(METADATA_KEY, b"{}")).get(LEFT_OUT, {}).items():
        say(f"people of the study who are left out: {n:,} ({reason})")
