"""What the levels of a conjoint add by the predicted answers: average marginal component effects (Hainmueller, Hopkins & Yamamoto 2014).

A choice among as many profiles as the scale has answers says of each profile how probable it is to be chosen, the lowest answer being
profile 1; an outcome that shows one profile says where on the scale its rating lies, from 0 to 1. The AMCE of a level is the weighted mean
over all profiles that show it, less that over those that show the attribute's first level: what `metrics.socsci210.effects.amce` works out
for people. Levels are drawn independently of each other, so that nothing else differs between the two but by chance.

Intervals are those of `uncertainty`. A persona answers several questions and sees several profiles: what they move an AMCE by is the sum
over all of them (people as clusters, Liang & Zeger 1986), and covers both which personas were drawn and which profiles they were shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DatasetError
from ..metrics.socsci210.codes import Floats, Ints
from ..texts import names_in
from .answered import Answered
from .experiment_checks import PROFILE
from .experiment_file import Experiment
from .parts import PROFILES, TASK
from .uncertainty import Estimated, combined

SCHEMA: Final = pa.schema(
    [(name, pa.string()) for name in ("outcome", "arm", "attribute", "level", "against")]
    + [(name, pa.float64()) for name in ("effect", "low", "high", "base", "base_low", "base_high")]
    + [("same_sign", pa.bool_()), ("robust", pa.bool_()), ("profiles", pa.int64())]
)
"""One row for each level but the first of its attribute. `effect` is on [0, 1]: a probability to be chosen, or a share of the scale; `base`
the same in the base variant alone; `profiles` how many showed the level."""


def amces(
    experiment: Experiment, answered: tuple[Answered, ...], answers: pa.Table, profiles: pa.Table | None
) -> tuple[pa.Table, list[str]]:
    """AMCEs by outcome and arm (columns `SCHEMA`), and what is said of outcomes that have none.

    Args:
        answered: of `read_answers`, which has seen that the answers are complete.
        answers: of every persona, task by task.
        profiles: what each profile showed (columns of `parts.profiles_schema`).

    Raises:
        DatasetError: there are no profiles, or those of other people or questions.
    """
    if not experiment.attributes:
        return SCHEMA.empty_table(), []
    levels = _levels(experiment, answers, profiles)
    rows: list[dict[str, Any]] = []
    notes = []
    for one in answered:
        which = _profiles_of(experiment, one)
        if isinstance(which, str):
            notes.append(f"No effects of levels on {one.outcome.id}: {which}.")
            continue
        value, of_people = _judged(one, answers, choice=len(which) > 1), levels[one.people][:, :, which]
        for place, arm in enumerate(one.arms):
            key = {"outcome": one.outcome.id, "arm": arm}
            rows += [key | row for row in _of_arm(experiment, one, value[:, place], of_people)]
    return pa.Table.from_pylist(rows, SCHEMA), notes


def _profiles_of(experiment: Experiment, one: Answered) -> list[int] | str:
    """The profiles, from 0, of which the answers to an outcome say something, or why there are none."""
    shown: set[str] = set()
    for arm in one.arms:
        context, question, scale = one.outcome.asked_in(arm)
        texts = (experiment.arm(arm).text, context, question, *scale.labels.values())
        shown |= {name for text in texts for name in names_in(text) if name.startswith(PROFILE)}
    found = sorted(int(name.removeprefix(PROFILE)) - 1 for name in shown)
    if not found:
        return "it shows no profile"
    if len(found) > 1 and len(found) != len(one.support):
        return f"of {len(found)} profiles in a question, only a choice among them says something of each"
    return found


def _levels(experiment: Experiment, answers: pa.Table, profiles: pa.Table | None) -> Ints:
    """Code of the level of every attribute, shape (personas, tasks, profiles, attributes)."""
    shape = (-1, experiment.tasks, experiment.profiles)
    columns = [TASK, "profile", *(attribute.name for attribute in experiment.attributes)]
    last = pc.max(answers.column("persona")).as_py()
    if profiles is None or not set(columns) <= set(profiles.column_names) or len(profiles) < (last + 1) * experiment.tasks * shape[2]:
        raise DatasetError(
            "a conjoint without its profiles", where=PROFILES, expected=f"columns persona, {', '.join(columns)}, for everybody",
            fix="give the file that the run wrote",
        )  # fmt: skip
    place = [profiles.column(name).to_numpy().reshape(shape) for name in ("persona", TASK, "profile")]
    wanted = np.indices(place[0].shape)
    if any((found != number + (i == 2)).any() for i, (found, number) in enumerate(zip(place, wanted, strict=True))):
        raise DatasetError("profiles in another order", where=PROFILES, expected="persona, task, profile", fix="run it again")
    codes = [
        pc.index_in(profiles.column(attribute.name), pa.array(list(attribute.levels), pa.string())) for attribute in experiment.attributes
    ]
    if any(code.null_count for code in codes):
        raise DatasetError("levels that the experiment does not have", where=PROFILES, fix="give the profiles of this experiment")
    return np.stack([code.to_numpy().astype(np.int64).reshape(shape) for code in codes], axis=-1)


def _judged(one: Answered, answers: pa.Table, *, choice: bool) -> Floats:
    """What is said of every profile on [0, 1], shape (people, arms, variants, tasks, profiles)."""
    own = answers.filter(pc.equal(answers.column("outcome"), one.outcome.id)).combine_chunks()
    person = np.searchsorted(one.people, own.column("persona").to_numpy())
    arm, variant = (
        pc.index_in(own.column(n), pa.array(list(known))).to_numpy() for n, known in (("arm", one.arms), ("variant", one.variants))
    )
    task = own.column(TASK).to_numpy()
    probability = pc.list_flatten(own.column("probabilities")).to_numpy().reshape(len(own), -1)
    place = (one.support - one.support[0]) / one.span
    said = probability if choice else (probability @ place)[:, None]
    out = np.empty((len(one.people), len(one.arms), len(one.variants), int(task.max()) + 1, said.shape[1]))
    out[person, arm, variant, task] = said
    return out


def _of_arm(experiment: Experiment, one: Answered, value: Floats, levels: Ints) -> Iterator[dict[str, Any]]:
    """Args: value: (people, variants, tasks, profiles); levels: (people, tasks, profiles, attributes)."""
    for place, attribute in enumerate(experiment.attributes):
        first, *others = attribute.levels
        shown = [levels[..., place] == code for code in range(len(attribute.levels))]
        for code, level in enumerate(others, 1):
            n = int(shown[code].sum())
            if not n or not shown[0].any():
                continue
            found = contrast(value, one.weight, shown[code], shown[0])
            base = contrast(value[:, [one.base]], one.weight, shown[code], shown[0])
            signs = np.sign(found.by_variant)
            yield {
                "attribute": attribute.name, "level": level, "against": first, "effect": found.value, "low": found.low, "high": found.high,
                "base": base.value, "base_low": base.low, "base_high": base.high, "same_sign": bool((signs == signs[0]).all()),
                "robust": found.robust, "profiles": n,
            }  # fmt: skip


def contrast(value: Floats, weight: Floats, shown: Any, reference: Any) -> Estimated:
    """Mean over the profiles that are `shown` less the mean over those of the `reference`, with people as clusters.

    Args:
        value: shape (people, variants, tasks, profiles).
        weight: shape (people,).
        shown, reference: which profiles, shape (people, tasks, profiles).
    """
    (one, moved), (other, moved_other) = (_mean(value, weight, which) for which in (shown, reference))
    there = (shown | reference).any(axis=(1, 2))
    n = int(there.sum())
    small = np.full(n, n / (n - 1) if n > 1 else np.nan)
    return combined(one - other, (moved - moved_other)[there], small, float(n - 1))


def _mean(value: Floats, weight: Floats, which: Any) -> tuple[Floats, Floats]:
    """Weighted mean of every variant, (variants,), and what each persona moves it by, (people, variants)."""
    times = which.sum(axis=(1, 2))
    sums = np.einsum("pvtk,ptk->pv", value, which.astype(np.float64))
    whole = float(weight @ times)
    mean = weight @ sums / whole
    return mean, weight[:, None] * (sums - times[:, None] * mean) / whole
