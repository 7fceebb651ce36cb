"""The work behind `load`: read with `datasets`, join, repair, filter, render prompts."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import DatasetDict, Features, IterableDatasetDict, Value, load_dataset
from datasets.exceptions import DatasetNotFoundError

from .dataset_folder import MANIFEST, DatasetFolder, reasoning_glob, split_glob, table_file
from .errors import DatasetError
from .prompts import get_template, template_hash
from .reasoning import traces_about, with_reasoning
from .schema import ROWS, SPLIT_CONFIGS, SPLITS, TABLES
from .splits import FRACTIONS, strict_studies
from .splits.keep import Keep, Person, people_of, with_clean_response


@dataclass(frozen=True)
class Wish:
    """What `load` was asked for; its docstring explains each."""

    config: str
    split: str | None
    prompts: str | None
    columns: list[str] | None
    studies: set[str] | None
    clean: bool
    disjoint_people: bool
    strict: bool
    fraction: int | None
    reasoning: bool | str | Path
    streaming: bool


def load_wish(path: str, wish: Wish) -> Any:
    """Load what is wished for from the folder or Hub id `path`.

    Raises:
        DatasetError: see `load`.
    """
    _check_names(wish)
    _check_options(wish)
    if wish.studies is not None:
        _check_studies(path, wish.studies)
    found = _read(path, wish.config, wish.split, streaming=wish.streaming, columns=_needed(wish))
    if wish.split is not None:
        return _finished(found, path, wish, wish.split)
    done = {name: _finished(part, path, wish, name) for name, part in found.items()}
    return IterableDatasetDict(done) if wish.streaming else DatasetDict(done)


def _keep(path: str, wish: Wish, split: str) -> Keep:
    """Which rows of a split stay."""
    return Keep(
        studies=wish.studies,
        without_studies=strict_studies(_read(path, "assignments", "train").data.table) if wish.strict and split != "test" else None,
        clean=wish.clean,
        people=_fraction_people(path, wish.fraction) if wish.fraction is not None and split == "train" else None,
        without_people=_people_more_held_out(path, wish.config, split, wish.studies) if wish.disjoint_people else None,
    )


def _finished(part: Any, path: str, wish: Wish, split: str) -> Any:
    """What is asked for of one split: columns joined, answers repaired, rows left out, prompts rendered, columns chosen."""
    if wish.reasoning:
        side = _read_reasoning(path, wish.config) if wish.reasoning is True else _read_traces(path, wish.reasoning)
        part = with_reasoning(part, side)
    if wish.clean:
        part = with_clean_response(part)
    part = _keep(path, wish, split).apply(part)
    if wish.prompts is not None:
        part = _with_prompts(part, wish.prompts)
    if wish.columns is None:
        return part
    given = {"reasoning": bool(wish.reasoning), "prompt": wish.prompts is not None}
    added = [name for name, asked in given.items() if asked and name not in wish.columns]
    return part.select_columns([*wish.columns, *added])


def _needed(wish: Wish) -> list[str] | None:
    """The columns that must be read to filter, render and return; None for all."""
    if wish.columns is None:
        return None
    extra = ["study_id"] if wish.config in TABLES else ["study_id", "participant"]
    text = ["demographic", "stimuli"] if wish.prompts is not None else []
    answers = ["response", "response_clean"] if wish.clean else []
    key = ["sample_id"] if wish.reasoning else []
    return [name for name in dict.fromkeys([*wish.columns, *extra, *text, *answers, *key]) if name not in ("prompt", "reasoning")]


def _with_prompts(part: Any, template: str) -> Any:
    # `datasets` caches a map under a hash of its arguments, not of the code it calls: the hash of the template makes a new wording count.
    arguments = {"template": template, "version": template_hash(template)}
    features = Features({**part.features, "prompt": Value("string")})
    # In Arrow, so that a batch in which a field is always null keeps its type.
    return part.with_format("arrow").map(_render, batched=True, fn_kwargs=arguments, features=features).with_format(None)


def _render(table: pa.Table, template: str, version: str) -> pa.Table:
    render = get_template(template).render
    rows = zip(table["demographic"].to_pylist(), table["stimuli"].to_pylist(), strict=True)
    return table.append_column("prompt", pa.array([render(person, text) for person, text in rows], pa.string()))


def _read(path: str, config: str, split: str | None, *, streaming: bool = False, columns: Sequence[str] | None = None) -> Any:
    """Read with `datasets`. It prepares every split of a config, so where one is wanted its files are named."""
    options: dict[str, Any] = {} if columns is None else {"columns": list(columns)}
    if split is not None:
        options["data_files"] = {split: table_file(config) if config in TABLES else split_glob(config, split)}
    try:
        return load_dataset(path, config, split=split, streaming=streaming, **options)
    except DatasetNotFoundError:
        raise
    except (ValueError, FileNotFoundError) as error:  # a config or split without rows has no files
        raise DatasetError(
            f"config {config!r}, split {split!r}: {error}", where=path, expected="a split that has rows",
            fix="a dataset of few studies leaves some sides without any (its card counts them): choose another config, or add studies",
        ) from error  # fmt: skip


def _read_reasoning(path: str, config: str) -> Any:
    try:
        return load_dataset(path, config, split="train", data_files={"train": reasoning_glob(config)})
    except DatasetNotFoundError:
        raise
    except FileNotFoundError as error:
        raise DatasetError(
            f"no reasoning is kept for the training rows of {config}",
            where=path,
            expected="a dataset imported with its rationales",
            fix="import the release again with --with-reasoning; or write some with socsci210 trace, and name the file: reasoning=FILE",
        ) from error


def _read_traces(path: str, traces: str | Path) -> Any:
    traces_about(traces, _fingerprint(path))
    return load_dataset("parquet", data_files=str(traces), split="train", columns=["study_id", "sample_id", "reasoning"])


def _fingerprint(path: str) -> str:
    """The fingerprint of a dataset folder, or of one on the Hub."""
    if Path(path).is_dir():
        return DatasetFolder(path).fingerprint
    from huggingface_hub import hf_hub_download

    with open(hf_hub_download(path, MANIFEST, repo_type="dataset"), encoding="utf-8") as file:  # noqa: PTH123
        return str(json.load(file)["fingerprint"])


# --- who stays -----------------------------------------------------------------------------------------------------------------------


def _people_more_held_out(path: str, config: str, split: str, studies: set[str] | None) -> set[Person]:
    """People of the sides that are held out more than `split`; an error if that is everyone on it."""
    available = _read(path, config, None, streaming=True)
    people = {
        side: people_of(_read(path, config, side, columns=["study_id", "participant"]).data.table)
        for side in SPLITS[SPLITS.index(split) :]
        if side in available
    }
    own = {person for person in people.pop(split) if studies is None or person[0] in studies}
    more = set[Person]().union(*people.values())
    if own and own <= more:
        raise DatasetError(
            f"nobody is left in {split} of {config}: all its people also stand on a side that is more held out",
            expected="people who stand on one side only",
            fix="load it without disjoint_people, or use unseen_participants, which separates people",
        )
    return more


def _assignments(path: str, config: str) -> Any:
    frame = _read(path, "assignments", "train").data.table.to_pandas()
    return frame[frame["config"] == config]


def _fraction_people(path: str, fraction: int) -> set[Person]:
    frame = _assignments(path, "unseen_participants")
    frame = frame[frame["train_fraction"] <= fraction]
    return set(zip(frame["study_id"], frame["unit"].astype(int), strict=True))


def _check_studies(path: str, wanted: set[str]) -> None:
    known = set(_read(path, "studies", "train", columns=["study_id"])["study_id"])
    if unknown := sorted(wanted - known):
        near = difflib.get_close_matches(unknown[0], known, n=3)
        expected = f"some of {', '.join(sorted(near or known))}"
        raise DatasetError(f"no study {', '.join(unknown)}", where=path, expected=expected, fix="correct studies=")


# --- what may be asked for -----------------------------------------------------------------------------------------------------------


def _check_names(wish: Wish) -> None:
    config, split = wish.config, wish.split
    configs = ("all", *SPLIT_CONFIGS, *TABLES)
    if config not in configs:
        near = difflib.get_close_matches(config, configs, n=1)
        raise DatasetError(f"no config is called {config!r}", expected=", ".join(configs), fix=f"did you mean {near[0]!r}?" if near else "")
    splits = SPLITS if config in SPLIT_CONFIGS else ("train",)
    if split is not None and split not in splits:
        raise DatasetError(f"config {config!r} has no split {split!r}", expected=", ".join(splits))
    added = [name for name, asked in (("reasoning", wish.reasoning), ("prompt", wish.prompts is not None)) if asked]
    names = [*TABLES[config].names] if config in TABLES else [*ROWS.names, *added]
    if wish.columns is not None and not wish.columns:
        raise DatasetError("columns=[] names no column", expected="name at least one column", fix="leave columns out to get all of them")
    if unknown := [name for name in wish.columns or () if name not in names]:
        fix = "columns=[..., 'prompt'] needs prompts='upstream'" if "prompt" in unknown else "correct columns="
        raise DatasetError(f"config {config!r} has no column {', '.join(unknown)}", expected=", ".join(names), fix=fix)


def _check_options(wish: Wish) -> None:
    for option, expected in _misplaced(wish):
        raise DatasetError(f"{option} with config {wish.config!r}, split {wish.split!r}", expected=expected, fix="leave the option out")
    if wish.prompts is not None:
        get_template(wish.prompts)
    if wish.fraction is not None and wish.fraction not in FRACTIONS:
        raise DatasetError(f"fraction {wish.fraction}", expected=f"one of {', '.join(map(str, FRACTIONS))} (per cent)")


def _misplaced(wish: Wish) -> Iterator[tuple[str, str]]:
    """Options that mean nothing for the config or split, and where they would."""
    if wish.config in TABLES and (wish.prompts is not None or wish.clean):
        yield ("prompts" if wish.prompts is not None else "clean"), "a config of rows: all or a split configuration"
    if wish.strict and wish.config not in SPLIT_CONFIGS:
        yield "strict", f"one of {', '.join(SPLIT_CONFIGS)}"
    if wish.reasoning and (wish.config not in SPLIT_CONFIGS or wish.split != "train"):
        yield "reasoning", f"split train of {', '.join(SPLIT_CONFIGS)}: rationales were written from the true answer"
    if wish.reasoning and wish.streaming:
        yield "reasoning and streaming", "one of the two"
    if wish.disjoint_people and wish.config not in SPLIT_CONFIGS:
        yield "disjoint_people", f"one of {', '.join(SPLIT_CONFIGS)}"
    if wish.fraction is not None and (wish.config != "unseen_participants" or wish.split not in (None, "train")):
        yield "fraction", "the training people of unseen_participants"
