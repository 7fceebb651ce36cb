"""One made study: who meets which condition, outcome and stimulus, what they answer, and what is planted among the answers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from . import defects, people
from .plan import SISTERS, TWINS, Plan
from .stimuli import Texts, Writer, bit, profiles

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
EXCLUDED_BITS = sum(bit(rule) for rule in defects.EXCLUDED)


@dataclass
class Study:
    """The rows of one study in order, one array entry each. `condition` holds condition numbers, `text` codes into `texts`.

    `persona`: the place of the row's demographic in `people.demographic`, which holds one for each person and then those that differ.
    `truth`: the answer of the clean view; `usable` is false where there is none. `rules`: what was planted, bits of defects.ROW_RULES.
    """

    plan: Plan
    people: people.People
    participant: Ints
    condition: Ints
    task: Ints
    text: Ints
    texts: Texts
    persona: Ints
    response: Ints
    truth: Ints
    rules: Ints
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    step: Ints
    decoys: dict[str, Mask] = field(default_factory=dict)
    outlier_cells: list[tuple[int, int]] = field(default_factory=list)

    @property
    def usable(self) -> Mask:
        """Rows that have an answer in the clean view."""
        return np.asarray((self.rules & EXCLUDED_BITS) == 0)


def rng_of(seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for each name."""
    digest = hashlib.sha256("/".join(("made release", str(seed), *names)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def make(plan: Plan, seed: int) -> Study:
    """All rows of one study."""
    study = plan.study_id
    who = TWINS[0] if study in TWINS else study  # twins: the same people, texts and answers
    words = SISTERS[0] if study in SISTERS else who  # sisters: the same texts, other people
    drawn = people.draw(rng_of(seed, who, "people"), who, plan.people)
    participant, condition, task, item = _met(plan, rng_of(seed, who, "design"))
    writer = Writer(plan, lambda name: rng_of(seed, words, "texts", name), int(item.max()) + 1)
    text, texts = _texts(plan, writer, rng_of(seed, who, "rows"), participant, condition, task, item)
    low, high, step = (np.array(values)[text] for values in (texts.low, texts.high, texts.step))
    answers = _answers(rng_of(seed, who, "answers"), plan, drawn, participant, condition, task, item, (low, high, step))
    rules = np.array(texts.rules, np.int64)[text] | np.where(_repeated(plan, participant, condition, task), bit("reused_task"), 0)
    nums = np.array(plan.condition_nums)
    condition = nums[condition]
    made = Study(
        plan, drawn, participant, condition, task, text, texts, participant.copy(), answers, answers.copy(), rules, low, high, step
    )
    _plant(made, rng_of(seed, who, "plants"))
    if study == defects.OLDER:
        _grow_older(made)
    return made


# --- design --------------------------------------------------------------------------------------------------------------------------


def _met(plan: Plan, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, Ints]:
    """Participant, position of the condition, outcome and item of every row: people in order, and within one by condition and outcome.

    Conditions and outcomes are dealt out in turn, so that cells are as even as they can be.
    """
    conditions, n = len(plan.condition_nums), plan.people
    counts = np.full(n, plan.rows // n) + (rng.permutation(n) < plan.rows % n)
    participant = np.repeat(np.arange(n), counts)
    slot = np.arange(plan.rows) - np.repeat(np.cumsum(counts) - counts, counts)
    dealt = rng.permutation(n)
    turn, first = (dealt // conditions)[participant], (dealt % conditions)[participant]
    item = np.zeros(plan.rows, np.int64)
    if plan.design == "within":
        condition = (first + slot) % conditions
        task = (turn + slot // conditions) % plan.tasks
    elif plan.design == "between":
        condition, task = first, (turn + slot) % plan.tasks
    else:
        condition = first
        others = _table([[task for task in asked if task] for asked in plan.asked])
        number = np.array([len(asked) - 1 for asked in plan.asked])[condition]
        battery = counts[participant] - np.minimum(number, np.maximum(counts[participant] - 2, 0))
        task = np.where(slot < battery, 0, others[condition, (turn + slot - battery) % number])
        item = np.where(slot < battery, slot, 0)
    order = np.lexsort((item, task, condition, participant))
    return participant, condition[order], task[order], item[order]


def _table(lists: list[list[int]]) -> Ints:
    width = max(map(len, lists))
    return np.array([each + [-1] * (width - len(each)) for each in lists], np.int64)


def _repeated(plan: Plan, participant: Ints, condition: Ints, task: Ints) -> Mask:
    """Rows whose (participant, condition, outcome) occurs more than once."""
    key = (participant * len(plan.condition_nums) + condition) * plan.tasks + task
    _, place, counts = np.unique(key, return_inverse=True, return_counts=True)
    return np.asarray(counts[place] > 1)


# --- texts ---------------------------------------------------------------------------------------------------------------------------


def _texts(
    plan: Plan, writer: Writer, rng: np.random.Generator, participant: Ints, condition: Ints, task: Ints, item: Ints
) -> tuple[Ints, Texts]:
    """The code of each row's stimulus, and the stimuli. Some studies have several variants of a text, one for each group of people."""
    variant = rng.integers(0, writer.variants, plan.people)[participant]
    flawed = _flawed(writer, rng, plan.rows)
    texts = Texts()
    unique = (task == 0) & (plan.design == "conjoint")
    code = np.full(plan.rows, -1, np.int64)
    shape = (len(plan.condition_nums), plan.tasks, int(item.max()) + 1, writer.variants, 2)
    key = np.ravel_multi_index((condition, task, item, variant, flawed.astype(np.int64)), shape)
    found, place = np.unique(key[~unique], return_inverse=True)
    parts = np.unravel_index(found, shape)
    codes = [texts.add(*writer.stimulus(c, t, i, v, bool(f))) for c, t, i, v, f in zip(*(p.tolist() for p in parts), strict=True)]
    code[~unique] = np.array(codes, np.int64)[place]
    rows = np.flatnonzero(unique)
    shown = profiles(rng, len(rows))
    keys = zip(condition[rows].tolist(), item[rows].tolist(), flawed[rows].tolist(), strict=True)
    code[rows] = [texts.add(*writer.stimulus(c, 0, i, 0, f, profile)) for (c, i, f), profile in zip(keys, shown, strict=True)]
    return code, texts


def _flawed(writer: Writer, rng: np.random.Generator, rows: int) -> Mask:
    rate = min((flaw.rate for flaw in writer.flaws), default=1.0)
    return rng.random(rows) < rate if rate < 1 else np.zeros(rows, np.bool_)


# --- answers -------------------------------------------------------------------------------------------------------------------------


def _answers(
    rng: np.random.Generator,
    plan: Plan,
    drawn: people.People,
    participant: Ints,
    condition: Ints,
    task: Ints,
    item: Ints,
    scale: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Ints],
) -> Ints:
    """True answers: a latent value of outcome, condition, item and person, cut into the steps of the scale."""
    conditions = len(plan.condition_nums)
    taste = drawn.covariates @ rng.normal(0, 0.25, drawn.covariates.shape[1]) + rng.normal(0, 0.5, plan.people)
    latent = rng.normal(0, 0.7, plan.tasks)[task] + rng.normal(0, 0.2, (conditions, plan.tasks))[condition, task] + taste[participant]
    latent += rng.normal(0, 0.3, int(item.max()) + 1)[item] + rng.normal(0, 1.1, plan.rows)
    share = 1 / (1 + np.exp(-1.3 * latent))
    low, high, step = scale
    options = (high - low) / step + 1
    place = np.floor(share * np.nan_to_num(options, nan=1.0)).astype(np.int64)
    answer = np.nan_to_num(low).astype(np.int64) + step * place
    wide = (options > 50) & (rng.random(plan.rows) < 0.8)
    heap = np.where(high > 500, 50, 10)
    answer = np.where(wide, np.minimum((answer + heap // 2) // heap * heap, np.nan_to_num(high).astype(np.int64)), answer)
    free = 20 + 5 * np.floor(96 * share).astype(np.int64)  # 20 .. 495 where no bounds are stated: no answer stands apart
    return np.where(np.isnan(low), free, answer)


# --- plants --------------------------------------------------------------------------------------------------------------------------


def _plant(made: Study, rng: np.random.Generator) -> None:
    study = made.plan.study_id
    _bounded_decoys(made, rng)
    if study in defects.CONSTANT:
        cell = (made.condition == made.plan.condition_nums[-1]) & (made.task == made.plan.tasks - 1)
        made.response[cell] = made.truth[cell] = int(made.low[cell].max())
    else:
        _vary_constant_cells(made)
    for strays in defects.STRAYS.get(study, ()):
        rows = np.flatnonzero((made.task == strays.task) & made.usable)
        chosen = rng.choice(rows, max(len(strays.values), round(strays.share * len(rows))), replace=False)
        made.response[chosen] = np.resize(strays.values, len(chosen))
        made.rules[chosen] |= bit(strays.rule)
    if study in defects.OUTLIERS:
        rows = np.flatnonzero((made.task == 0) & (made.condition == made.plan.condition_nums[0]) & made.usable)
        made.response[rows[0]] = made.truth[rows[0]] = defects.OUTLIERS[study]
        made.outlier_cells.append((made.plan.condition_nums[0], 0))
    if study == defects.OFFSET:
        rows = made.task == 0
        made.response[rows] += 2 * made.condition[rows]
        made.rules[rows & (made.condition > 0)] |= bit("condition_offset")
    made.decoys["negative_on_scale"] = (made.response < 0) & (made.low < 0)
    made.decoys["code_on_scale"] = np.isin(made.response, (98, 99, 998, 999)) & (made.high >= made.response)


def _bounded_decoys(made: Study, rng: np.random.Generator) -> None:
    study = made.plan.study_id
    if study == defects.BOUNDED_OUTLIER[0]:
        rows = np.flatnonzero(made.task == defects.BOUNDED_OUTLIER[1])
        made.truth[rows] = 10 * rng.integers(0, 7, len(rows))
        made.truth[rows[0]] = int(made.high[rows[0]])
        made.decoys["bounded_outlier"] = np.arange(len(made.task)) == rows[0]
    if study in defects.CODE_ON_SCALE:
        task, values = defects.CODE_ON_SCALE[study]
        rows = np.flatnonzero(made.task == task)[1:]
        chosen = rng.choice(rows, max(len(values), len(rows) // 100), replace=False)
        made.truth[chosen] = np.resize(values, len(chosen))
    if study == defects.CODE_AMONG_OTHERS[0]:
        _, task, value = defects.CODE_AMONG_OTHERS
        rows = np.flatnonzero(made.task == task)
        made.truth[rows] *= 4
        made.truth[rows[len(rows) // 2]] = value
        made.decoys["code_among_others"] = np.arange(len(made.task)) == rows[len(rows) // 2]
    made.response[:] = made.truth


def _grow_older(made: Study) -> None:
    """Every tenth person is a year older in the last row than in the others."""
    last = np.flatnonzero(np.diff(made.participant, append=-1))
    answered = np.bincount(made.participant)
    rows = last[(made.participant[last] % 10 == 0) & (answered[made.participant[last]] > 1)]
    made.people = made.people.with_older(made.participant[rows])
    made.persona[rows] = made.plan.people + np.arange(len(rows))
    made.rules[rows] |= bit("persona_differs")


def _vary_constant_cells(made: Study) -> None:
    """Nobody plans a cell of one answer but where it is planted: the first row of such a cell takes a neighbouring answer."""
    key = np.searchsorted(made.plan.condition_nums, made.condition) * made.plan.tasks + made.task
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    least, most = np.minimum.reduceat(made.truth[order], starts), np.maximum.reduceat(made.truth[order], starts)
    for places in np.split(order, starts[1:]):
        if np.isnan(made.low[places[0]]) and len(places) > 3:
            _pair_ends(made, places)
    for row in order[starts[least == most]]:
        up = np.isnan(made.high[row]) or made.truth[row] < made.high[row]
        made.truth[row] += made.step[row] if up else -made.step[row]
    made.response[:] = made.truth


def _pair_ends(made: Study, places: Ints) -> None:
    """Without bounds, the least and the largest answer of a cell are given twice, so that its range never hangs on one answer by chance."""
    ascending = places[np.argsort(made.truth[places], kind="stable")]
    made.truth[ascending[1]] = made.truth[ascending[0]]
    made.truth[ascending[-2]] = made.truth[ascending[-1]]
