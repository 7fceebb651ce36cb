"""What the page says: results turned into headings, sentences, rows and figures. No markup here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Final

from ..results import CellExample, Contrast, Dataset, GroupScore, Results, Run, StudyScore
from . import panels
from .commands import commands
from .drawing import Drawing
from .verdicts import Verdict, contaminated, stamp, verdicts
from .words import HELD_OUT, WORDS

NAMED: Final = 3  # more models than this are counted, not named, in the lead
CONTRASTS: Final = 1000  # treatment effects that the table of a run lists
KINDS: Final = ("topic", "scale_length")


@dataclass(frozen=True)
class Block:
    """One run: its names, verdicts, tables and figures. `place` is its rank among the runs of the same split, from 1."""

    id: str
    run: Run
    name: str
    model: str
    place: int
    held_out: str
    simulated: str
    contaminated: str
    verdicts: list[Verdict]
    left_out: str
    studies: list[StudyScore]
    study_figure: Drawing | None
    groups: dict[str, list[GroupScore]]
    group_figures: list[Drawing]
    parity_figures: list[Drawing]
    parity_group_figures: list[Drawing]
    effect_figures: list[Drawing]
    contrasts: list[Contrast]
    calibration_figures: list[Drawing]
    cells: list[tuple[CellExample, Drawing]]
    commands: list[str]

    @property
    def context(self) -> str:
        """Whose answers the figures show."""
        return self.name if self.model in self.name else f"{self.name} · {self.model}"

    @property
    def cell_context(self) -> str:
        """The same, and how to read the answers to one question."""
        return f"{self.context}. Bars: people; lines: model."

    @property
    def missing(self) -> list[str]:
        """What these results do not hold, so that a reader does not look for it."""
        run = self.run
        parts = {
            "scores of any cell": run.stated,
            "distributions of single cells": run.examples,
            "treatment effects": run.effects,
            "calibration": run.calibration,
            "individual accuracy": run.individual,
            "parity between groups": run.parity,
        }
        return [name for name, found in parts.items() if not found]

    @property
    def answers(self) -> list[int]:
        """How many answers the scales of the cells have."""
        return sorted({len(one.support) for one, _ in self.cells})

    @property
    def drawings(self) -> Iterator[Drawing]:
        """Every figure of the run, in the order of the page, each knowing its context."""
        yield from (replace(drawing, context=self.cell_context) for _, drawing in self.cells)
        some = [*self.effect_figures, *self.calibration_figures, *self.parity_figures, *self.parity_group_figures]
        some += self.group_figures
        some += [self.study_figure] if self.study_figure is not None else []
        yield from (replace(drawing, context=self.context) for drawing in some)


@dataclass(frozen=True)
class Board:
    """The runs of one split, nearest to people first."""

    name: str
    held_out: str
    blocks: list[Block]
    figures: list[Drawing]


@dataclass(frozen=True)
class Page:
    """Everything the template shows."""

    models: str
    boards: list[Board]
    studies: dict[str, str]
    sources: dict[str, str]
    simulated: int
    all_simulated: bool
    fingerprint: str
    about: Results
    conventions: tuple[tuple[str, str], ...] = field(
        default=(
            ("stated", "Positions on the scale as the question states it. The primary convention."),
            (
                "published",
                "Each cell on the range that people used, predictions read at temperature 0.6 and top_p 0.9: the only figures to "
                "stand beside published ones. Never compare across the two tables.",
            ),
        )
    )

    @property
    def blocks(self) -> list[Block]:
        """All runs in the order of the page."""
        return [block for board in self.boards for block in board.blocks]

    @property
    def has_more(self) -> bool:
        """Whether any run has more than distances."""
        return any(block.run.effects or block.run.individual or block.run.calibration for block in self.blocks)

    @property
    def drawings(self) -> Iterator[Drawing]:
        """Every figure of the page."""
        for board in self.boards:
            yield from board.figures
            for block in board.blocks:
                yield from block.drawings


def page_of(results: Sequence[Results]) -> Page:
    """What a page of one or several results files of one dataset shows."""
    runs = [(run, one) for one in results for run in one.runs]
    sides: dict[tuple[str, str], list[tuple[Run, Results]]] = {}
    for run, file in runs:
        sides.setdefault((run.config, run.split), []).append((run, file))
    studies = {study: title for one in results for study, title in one.dataset.studies.items()}
    models = list(dict.fromkeys(short_name(run) for run, _ in runs))
    counter = iter(range(len(runs)))
    titles = _distinct(studies)
    return Page(
        models=", ".join(models) if len(models) <= NAMED else f"{len(models)} models",
        boards=[_board(some, counter, titles) for some in sides.values()],
        studies=studies,
        sources={study: url for one in results for study, url in one.dataset.sources.items() if url.startswith(("https://", "http://"))},
        simulated=max((one.dataset.n_simulated for one in results), default=0),
        all_simulated=all(one.dataset.n_simulated == one.dataset.n_studies for one in results),
        fingerprint=results[0].dataset.fingerprint,
        about=results[0],
    )


def short_name(run: Run) -> str:
    """What a heading calls a model: the last part of its folder or Hub id (the whole is told under what was run)."""
    return PurePosixPath(run.model).name or run.model if run.model else run.engine


def _distinct(titles: dict[str, str]) -> dict[str, str]:
    """Titles for the rows of a figure, led by the id so that two studies of one title stay apart when they are cut."""
    return {study: f"{study} · {title}" for study, title in titles.items()}


def _board(runs: Sequence[tuple[Run, Results]], counter: Iterator[int], titles: dict[str, str]) -> Board:
    ranked = sorted(runs, key=lambda pair: pair[0].stated.W.point if pair[0].stated else float("inf"))
    first = ranked[0][0]
    where = WORDS.get(first.config, first.config) + ("" if first.split == "test" else f", {first.split}")
    blocks = [
        _block(next(counter), i + 1, run, file.dataset, where, titles, file.seed, several=len(ranked) > 1)
        for i, (run, file) in enumerate(ranked)
    ]
    said = list(dict.fromkeys(block.simulated for block in blocks if block.simulated))
    said += [f"{short_name(run)[:18]}: {words[0].lower()}{words[1:]}" for run, _ in ranked for words in stamp(run.contamination)]
    name = "leaderboard-" + "-".join([first.config, first.split]).replace("_", "-")
    drawn = panels.leaderboard(name, where, [(block.model, block.run) for block in blocks], said)
    return Board(where, HELD_OUT.get(first.config, first.config), blocks, drawn)


def _block(index: int, place: int, run: Run, dataset: Dataset, where: str, titles: dict[str, str], seed: int, *, several: bool) -> Block:
    name = f"run-{index}"
    simulated = simulated_words(dataset)
    said = [*([simulated] if simulated else []), *stamp(run.contamination)]
    groups = {kind: panels.group_rows(run.groups, kind) for kind in KINDS}
    effects = run.effects
    return Block(
        id=name,
        run=run,
        name=f"{where} · {short_name(run)}" if several else where,
        model=short_name(run),
        place=place,
        held_out=HELD_OUT.get(run.config, run.config),
        simulated=simulated,
        contaminated=contaminated(run.contamination) if run.contamination and run.contamination.overlap_rows else "",
        verdicts=verdicts(run),
        left_out="; ".join(f"{n:,} {reason}" for reason, n in run.coverage.left_out.items()),
        studies=panels.farthest(run.stated) if run.stated else [],
        study_figure=panels.by_study(name, run.stated, titles, said) if run.stated and run.stated.per_study else None,
        groups={kind: some for kind, some in groups.items() if some},
        group_figures=[panels.by_group(name, kind, groups[kind], said) for kind in KINDS if groups[kind]],
        parity_figures=panels.parity(name, run, said),
        parity_group_figures=panels.parity_groups(name, run, said),
        effect_figures=panels.effects(name, run, said),
        contrasts=panels.contrast_rows(effects.contrasts)[:CONTRASTS] if effects else [],
        calibration_figures=panels.calibration(name, run, said),
        cells=[(one, panels.cell(name, one, stamp(run.contamination))) for one in run.examples],
        commands=commands(run, seed),
    )


def simulated_words(dataset: Dataset) -> str:
    """How much of a run's data is simulated, for its figures; short enough for a phone."""
    if not dataset.n_simulated:
        return ""
    if dataset.n_simulated == dataset.n_studies:
        return "Simulated data: no person gave these answers"
    return f"Simulated: {dataset.n_simulated} of the {dataset.n_studies} studies"
