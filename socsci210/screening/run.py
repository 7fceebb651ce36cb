"""From an experiment and people to answers.parquet: exact distributions, resumable at any moment, the same for the same seed.

`<out>/answers/` holds the shards of every layout of the prompt while they are made. They go when answers.parquet stands beside them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from ..language_model import run_record
from ..predict.openai_options import ServerOptions
from ..predict.shards import CLOSING, METADATA_KEY, Progress, read_metadata, run_sharded
from ..prompts import get_template, same_words, template_hash
from ..replacing import write_text, write_whole
from ..row_texts import RowTexts
from .asked import Asked
from .experiment_file import Experiment, ExperimentError, read_experiment
from .parts import ANSWERS, EXPERIMENT, PERSONAS, PROFILES, answers_schema
from .personas import made_up, personas_sha256
from .variation import Variant, variants_for

ENGINES: Final = ("transformers", "openai")
SHARD_ROWS: Final = 4096
SHARDS: Final = "answers"
_LIBRARIES: Final = ("socsci210", "torch", "transformers", "openai")
_OUTPUT: Final = ("support", "probabilities", "answer_mass")


@dataclass(frozen=True)
class Engine:
    """What answers.

    Attributes:
        model: folder or Hub id of a causal language model, or the name that a server knows it by.
        server: which model server to ask; without one the model is loaded here.
        template: layout of the prompt; default: the one that the model was trained on, else upstream.
        batch_size: prompts per forward pass, at most.
    """

    model: str
    server: ServerOptions | None = None
    template: str | None = None
    batch_size: int = 64

    @property
    def name(self) -> str:
        """As metadata call it."""
        return ENGINES[0] if self.server is None else ENGINES[1]

    @cached_property
    def revision(self) -> str | None:
        """What its weights are known by; nothing is known of those behind a server."""
        from ..language_model import revision

        return None if self.server else revision(self.model)

    @cached_property
    def loaded(self) -> tuple[Any, Any]:
        """(model, tokenizer), loaded once."""
        from ..language_model import load_model

        return load_model(self.model)

    def record(self) -> dict[str, Any]:
        """The model's run record, or nothing.

        Raises:
            DatasetError: there is no such model.
            ExperimentError: it writes rationales before its answers.
            PromptError: it was trained on other words than its template has today.
        """
        found = {} if self.server else run_record(self.model)
        if found.get("reasoning"):
            raise ExperimentError(
                "the model writes a rationale before every answer", where=self.model, expected="a model that answers at once",
                fix="use one that was trained with another objective than `reasoning`",
            )  # fmt: skip
        if self.template is None:
            same_words(found, self.model)
        return found


def collect(
    experiment: Experiment,
    personas: pa.Table,
    engine: Engine,
    out: Path,
    *,
    variants: Sequence[str] | None = None,
    seed: int = 0,
    source: Path | None = None,
    shard_rows: int = SHARD_ROWS,
    progress: Progress | None = None,
) -> Path:
    """Put every persona through every arm, outcome and variant, write `out`/answers.parquet and return it.

    A run that was cut off goes on where it was; one that is complete is not run again.

    Args:
        experiment: what is asked.
        personas: whom (columns of `parts.PERSONAS_SCHEMA`).
        engine: what answers.
        out: folder; experiment.yaml, personas.parquet and, of a conjoint, profiles.parquet are written there too.
        variants: names of variants beside the base; default: all that the model may be asked.
        seed: of profiles, of blanks that are drawn, and of draws from a server.
        source: the experiment's file, which is copied word for word.
        shard_rows: rows per shard: what a kill may cost.
        progress: called with (rows done, rows wanted).

    Raises:
        ExperimentError: `out` holds another experiment, other people or another run, or the experiment cannot be asked.
        DatasetError: there is no such model.
        EgressError: people who may be real would be sent to a server without leave, or it does not answer as it must.
    """
    ways = variants_for(engine.record(), engine.template, variants)
    asked = Asked(experiment, personas, ways, seed)
    asked.texts  # noqa: B018 - refuses people without words for a blank before anything is written
    metadata = _metadata(experiment, personas, engine, ways, seed)
    if (out / ANSWERS).exists():
        return _already_there(out / ANSWERS, metadata)
    if engine.server is None:
        engine.loaded  # noqa: B018 - so that a model that is not there leaves no folder behind
    _write_inputs(experiment, personas, asked, out, source)
    templates = list(dict.fromkeys(way.template for way in ways))
    rows = {template: asked.of_template(template) for template in templates}
    count = _Count(progress, len(asked))
    ask = _ask_model if engine.server is None else _ask_server
    for template in templates:
        target = out / SHARDS / f"{template}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        shared = metadata | {"template": template, "seed": seed}
        ask(engine, asked, rows[template], template, target, shared, shard_rows, count.part(len(rows[template])))
    _finish(out, asked, rows, metadata)
    return out / ANSWERS


def _metadata(experiment: Experiment, personas: pa.Table, engine: Engine, ways: list[Variant], seed: int) -> dict[str, Any]:
    templates = dict.fromkeys(way.template for way in ways)
    return {
        "model": engine.model,
        "revision": engine.revision,
        "engine": engine.name,
        "seed": seed,
        "experiment_sha256": experiment.sha256,
        "personas_sha256": personas_sha256(personas),
        "made_up": made_up(personas),
        "variants": [way.name for way in ways],
        "templates": {name: template_hash(name) for name in templates},
    }


def _already_there(answers: Path, metadata: dict[str, Any]) -> Path:
    found = {key: value for key, value in read_metadata(answers).items() if key != CLOSING}
    if found != metadata:
        differs = ", ".join(sorted(key for key in {*found, *metadata} if found.get(key) != metadata.get(key)))
        raise ExperimentError(
            f"answers of another run (other {differs})", where=str(answers), fix="choose another --out, or delete this folder"
        )
    return answers


def _write_inputs(experiment: Experiment, personas: pa.Table, asked: Asked, out: Path, source: Path | None) -> None:
    """What goes into the run, beside what comes out of it; what an earlier run of the same wrote stays."""
    copy = out / EXPERIMENT
    if copy.exists():
        if read_experiment(copy).sha256 != experiment.sha256:
            raise ExperimentError("holds another experiment", where=str(copy), fix="choose another --out, or delete this folder")
        if not (out / PERSONAS).exists() or personas_sha256(pq.read_table(out / PERSONAS)) == personas_sha256(personas):
            _write_people(personas, asked, out)
            return
        raise ExperimentError("holds other people", where=str(out / PERSONAS), fix="choose another --out, or delete this folder")
    _write_people(personas, asked, out)
    text = source.read_text(encoding="utf-8-sig") if source else experiment_yaml(experiment)
    write_text(copy, text)


def _write_people(personas: pa.Table, asked: Asked, out: Path) -> None:
    write_whole(out / PERSONAS, lambda path: pq.write_table(personas, path, compression="zstd"))
    if asked.experiment.attributes:
        write_whole(out / PROFILES, lambda path: pq.write_table(asked.profiles(), path, compression="zstd"))


def experiment_yaml(experiment: Experiment) -> str:
    """An experiment as the text of its file, without comments."""
    content = experiment.model_dump(mode="json", exclude_defaults=True)
    for outcome, one in zip(experiment.outcomes, content["outcomes"], strict=True):  # JSON has no whole numbers as keys
        one["scale"]["labels"] = dict(outcome.scale.labels)
        for wording, given in zip(outcome.wordings, one.get("wordings", ()), strict=True):
            if wording.labels is not None:
                given["labels"] = dict(wording.labels)
    return yaml.safe_dump({"format": 1, **content}, sort_keys=False, allow_unicode=True, width=120)


# --- asking ------------------------------------------------------------------------------------------------------------------------


class _Count:
    """Adds up the progress of several files."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._before = progress, total, 0

    def part(self, rows: int) -> Callable[[int, int], None]:
        """The progress of the next file."""
        before = self._before
        self._before += rows

        def done(n: int, _: int) -> None:
            if self._progress:
                self._progress(before + n, self._total)

        return done


def _some(texts: RowTexts, rows: npt.NDArray[np.int64]) -> RowTexts:
    return RowTexts(texts.personas, texts.persona[rows], texts.stimuli, texts.stimulus[rows], texts.scales, texts.scale[rows])


def _ask_model(
    engine: Engine, asked: Asked, rows: npt.NDArray[np.int64], template: str, out: Path, metadata: dict[str, Any], shard_rows: int,
    progress: Progress,
) -> None:  # fmt: skip
    from ..predict.draws import Draws
    from ..predict.exact import ExactAnswers
    from ..predict.transformer import ModelPredictor, prompt_order
    from ..prompts import PromptEncoder

    loaded, tokenizer = engine.loaded
    encoder, texts, keys = PromptEncoder(tokenizer, template), _some(asked.texts, rows), pa.table({"row": rows})
    exact = ExactAnswers(loaded, encoder, batch_size=engine.batch_size)
    _check_length(asked, texts, encoder, exact.context)
    draws = Draws(loaded, encoder, seed=metadata["seed"], batch_size=engine.batch_size)
    predictor = ModelPredictor(exact, draws, draws=1, keys=keys, texts=texts, drawn=np.zeros(len(rows), bool))
    run_sharded(
        keys, predictor, out=out, metadata=metadata, shard_rows=shard_rows, progress=progress, schema=predictor.schema,
        order=prompt_order(texts, encoder),
    )  # fmt: skip


def _check_length(asked: Asked, texts: RowTexts, encoder: Any, context: int) -> None:
    """Refuse a text for which the model has no room, by its arm and outcome, before anybody is asked."""
    if not context:
        return
    stimuli = np.unique(texts.stimulus)
    who = max(texts.personas, key=lambda text: len(encoder.tokenizer.encode(text, add_special_tokens=False)))
    for at in stimuli.tolist():
        answer = max(len(encoder.answer(value)) for scale in texts.scales for value in (scale.values[0], scale.values[-1]))
        if (needed := len(encoder.prompt(who, texts.stimuli[at])) + answer) > context:
            cell = asked.cell_of(at)
            raise ExperimentError(
                f"the prompt has {needed} tokens with the text of arm {cell.arm.id!r} and outcome {cell.outcome.id!r}",
                where=f"arms: {cell.arm.id}", expected=f"at most {context}, the context of the model",
                fix="shorten the text, or use a model with a longer context; texts are never cut",
            )  # fmt: skip


def _ask_server(
    engine: Engine, asked: Asked, rows: npt.NDArray[np.int64], template: str, out: Path, metadata: dict[str, Any], shard_rows: int,
    progress: Progress,
) -> None:  # fmt: skip
    from ..predict.openai import Shared, ask_server

    assert engine.server is not None
    people, arms = len(asked.people), len(asked.experiment.arms)
    invented = metadata["made_up"]
    what = f"{people} {'made-up' if invented else 'perhaps real'} people and the texts of {arms} arms ({len(rows)} prompts)"
    ask_server(
        engine.server, Shared(what, 0 if invented else people), pa.table({"row": rows}), _some(asked.texts, rows), get_template(template),
        metadata["seed"], out=out, metadata=metadata, shard_rows=shard_rows, progress=progress,
    )  # fmt: skip


def _finish(out: Path, asked: Asked, rows: dict[str, npt.NDArray[np.int64]], metadata: dict[str, Any]) -> None:
    """answers.parquet from the files of all templates. Somebody without a readable answer is left out everywhere, and counted."""
    parts = [pq.read_table(out / SHARDS / f"{template}.parquet") for template in rows]
    usage = {template: told for template in rows if (told := read_metadata(out / SHARDS / f"{template}.parquet").get(CLOSING))}
    order = np.argsort(np.concatenate([part.column("row").to_numpy() for part in parts]), kind="stable")
    found = pa.concat_tables([part.select(list(_OUTPUT)) for part in parts]).take(pa.array(order))
    keys = asked.keys()
    table = pa.table([*keys.columns, *found.columns], [*keys.column_names, *_OUTPUT])
    silent = pc.unique(table.filter(pc.is_null(table.column("probabilities"))).column("persona"))
    table = table.filter(pc.invert(pc.is_in(table.column("persona"), silent)))
    if not table.num_rows:
        raise ExperimentError(
            f"none of {len(asked.people)} people gave an answer that could be read to every question", where=str(out),
            expected="numbers of the scale", fix="use a model that answers with a number, or a server that gives logprobs",
        )  # fmt: skip
    table = table.cast(answers_schema(conjoint=bool(asked.experiment.attributes))).combine_chunks()
    closing = {"versions": _versions(), "people_left_out": len(silent), **({"server": usage} if usage else {})}
    stored = json.dumps({**metadata, CLOSING: closing}, sort_keys=True).encode()
    table = table.replace_schema_metadata({METADATA_KEY: stored})
    write_whole(out / ANSWERS, lambda path: pq.write_table(table, path, compression="zstd"))
    shutil.rmtree(out / SHARDS)


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
