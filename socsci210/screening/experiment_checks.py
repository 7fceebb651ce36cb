"""What must agree between the parts of an experiment file, as far as it can be known without a model or people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..demographics import FIELDS, INTEGER_FIELDS, VOCABULARY
from ..schema import MAX_ENUMERATED
from ..study_yaml import Key, Misplaced, did_you_mean
from ..texts import names_in

if TYPE_CHECKING:
    from .experiment_file import AnswerScale, Experiment

DRAW: Final = "draw"
JOINT: Final = "|"
PROFILE: Final = "profile_"
"""With a number from 1: the blank that shows a profile of the conjoint."""
_DIRECTIONS: Final = "`direction: up` (a higher value means more of what the outcome's label names) or `direction: down`"


def one_line(text: str) -> str:
    """Text as prompts have it: single spaces, no line breaks."""
    return " ".join(text.split())


def direction_stated(scale: Any) -> Any:
    """Refuse a scale that does not say which way it runs.

    Raises:
        ValueError: it does not.
    """
    if isinstance(scale, dict) and scale.get("direction") in (None, "unknown"):
        raise Misplaced(
            "the scale has no direction", (), expected=_DIRECTIONS, fix="add it: without it no effect can be called more or less"
        )
    return scale


def check_scale(scale: AnswerScale) -> None:
    """Bounds, labels and length.

    Raises:
        ValueError: they do not make a scale that can be asked exactly.
    """
    low, high, step = scale.min, scale.max, scale.step
    if step < 1 or high <= low or (high - low) % step:
        raise Misplaced(
            f"min {low}, max {high}, step {step} do not make a scale", ("min",), expected="two answers or more, min below max",
            fix="put the lowest answer at min, and a step that leads to max",
        )  # fmt: skip
    values = range(low, high + 1, step)
    if len(values) > MAX_ENUMERATED:
        raise Misplaced(
            f"the scale has {len(values)} answers",
            ("max",),
            expected=f"at most {MAX_ENUMERATED}",
            fix="use a coarser one, as with `step: 10`",
        )
    for value in scale.labels:
        if value not in values:
            raise Misplaced(
                f"{value} has a label but is not on the scale", ("labels", value), expected=f"{low} to {high}", fix="correct either"
            )
    bare = [value for value in (low, high) if value not in scale.labels]
    if bare and scale.kind != "numeric":
        raise Misplaced(
            f"no label says what {' and '.join(map(str, bare))} mean{'s' if len(bare) == 1 else ''}", ("labels",) if scale.labels else (),
            expected=f"labels of both ends, as `labels: {{{low}: Not at all, {high}: Completely}}`",
            fix="add them in the words that people see; amounts that need none are of `kind: numeric`",
        )  # fmt: skip
    if scale.kind == "binary" and len(values) != 2:
        raise Misplaced(f"a binary scale has two answers, this one {len(values)}", ("kind",), fix="leave kind out, or correct min and max")


def check_experiment(experiment: Experiment) -> None:
    """Ids are unique, every name is declared, arms differ, and there is something to compare.

    Raises:
        ValueError: the first disagreement, with its key path.
    """
    _check_ids(experiment)
    _check_control(experiment)
    _check_wordings(experiment)
    _check_hypotheses(experiment)
    _check_same(experiment)
    _check_people(experiment)
    _check_conjoint(experiment)
    _check_blanks(experiment)


def _check_ids(experiment: Experiment) -> None:
    ids = {
        "arms": [arm.id for arm in experiment.arms],
        "outcomes": [outcome.id for outcome in experiment.outcomes],
        "hypotheses": [one.id for one in experiment.hypotheses],
        "attributes": [one.name for one in experiment.attributes],
    }
    for kind, names in ids.items():
        for number, name in enumerate(names):
            if name in names[:number]:
                key = "name" if kind == "attributes" else "id"
                raise Misplaced(f"{key} {name!r} is given twice", (kind, number, key), expected="every one once", fix="rename one of them")


def _known(name: str, known: Iterable[str], kind: str, keys: tuple[Key, ...]) -> None:
    known = list(known)
    if name not in known:
        closed = kind.startswith(("field", "value"))
        fix = did_you_mean(name, known) or ("use one of these words" if closed else f"add {name!r}, or name one that is there")
        raise Misplaced(f"no {kind} {name!r}", keys, expected=f"one of {', '.join(known)}", fix=fix)


def _check_control(experiment: Experiment) -> None:
    arms = experiment.arms
    if len(arms) == 1:
        if not experiment.attributes:
            raise Misplaced(
                "one arm only", ("arms",), expected="two or more, to compare", fix="add an arm, or the attributes of a conjoint"
            )
        return
    controls = [number for number, arm in enumerate(arms) if arm.control]
    if not controls:
        raise Misplaced(
            "no arm is the control", ("arms",), expected="`control: true` in one arm", fix="mark the arm that others are compared with"
        )
    if len(controls) > 1:
        raise Misplaced(
            f"{len(controls)} arms are the control", ("arms", controls[1], "control"), expected="one",
            fix="keep one of them; a hypothesis may name another arm under `against`",
        )  # fmt: skip


def _check_wordings(experiment: Experiment) -> None:
    arms = [arm.id for arm in experiment.arms]
    for place, outcome in enumerate(experiment.outcomes):
        seen: set[str] = set()
        for number, wording in enumerate(outcome.wordings):
            keys: tuple[Key, ...] = ("outcomes", place, "wordings", number)
            for at, arm in enumerate(wording.arms):
                _known(arm, arms, "arm", (*keys, "arms", at))
                if arm in seen:
                    raise Misplaced(f"arm {arm!r} has two wordings", (*keys, "arms", at), fix="keep one of them")
                seen.add(arm)
            if wording.labels is not None and set(wording.labels) != set(outcome.scale.labels):
                raise Misplaced(
                    "labels of other values than the outcome's own", (*keys, "labels"),
                    expected=f"labels of {', '.join(map(str, outcome.scale.labels))}", fix="label the same values in every arm",
                )  # fmt: skip


def _check_hypotheses(experiment: Experiment) -> None:
    arms, outcomes = [arm.id for arm in experiment.arms], [outcome.id for outcome in experiment.outcomes]
    for number, one in enumerate(experiment.hypotheses):
        keys: tuple[Key, ...] = ("hypotheses", number)
        _known(one.outcome, outcomes, "outcome", (*keys, "outcome"))
        _known(one.arm, arms, "arm", (*keys, "arm"))
        if one.against is not None:
            _known(one.against, arms, "arm", (*keys, "against"))
        if experiment.against(one).id == one.arm:
            fix = "name another arm, or what it is compared with under `against`"
            raise Misplaced(f"arm {one.arm!r} is compared with itself", (*keys, "arm"), expected="two arms", fix=fix)


def _check_same(experiment: Experiment) -> None:
    """Two arms whose people would read the same are one arm."""
    seen: dict[tuple[object, ...], str] = {}
    for number, arm in enumerate(experiment.arms):
        asked = [outcome.asked_in(arm.id) for outcome in experiment.outcomes]
        met = (
            arm.frame if arm.text else "", arm.text.casefold(),
            *((context.casefold(), question.casefold(), tuple(sorted(scale.labels.items()))) for context, question, scale in asked),
        )  # fmt: skip
        if met in seen:
            raise Misplaced(
                f"arms {seen[met]!r} and {arm.id!r} have identical text", ("arms", number, "text"),
                expected="arms that differ in what is read",
                fix="change one of them, or leave one out: there is nothing to compare",
            )  # fmt: skip
        seen[met] = arm.id


def _check_people(experiment: Experiment) -> None:
    for number, field in enumerate(experiment.subgroups):
        _known(field, FIELDS, "field of a persona", ("subgroups", number))
    check_marginals(experiment.marginals, ("marginals",))


def check_marginals(marginals: Mapping[str, Mapping[str, float]], at: tuple[Key, ...]) -> None:
    """Shares of a population: fields and values of personas, and somebody who has them.

    Raises:
        ValueError: the first that is none, with its key path below `at`.
    """
    for name, shares in marginals.items():
        fields = [part.strip() for part in name.split(JOINT)]
        for field in fields:
            _known(field, FIELDS, "field of a persona", (*at, name))
        for key in shares:
            parts = [part.strip() for part in key.split(JOINT)]
            if len(parts) != len(fields):
                expected = f"a value of each of {', '.join(fields)}, with `{JOINT}` between them"
                raise Misplaced(f"found {key!r}", (*at, name, key), expected=expected, fix="write one value for each field")
            for field, part in zip(fields, parts, strict=True):
                words = VOCABULARY[field]
                if words is not None:
                    _known(part, words, f"value of {field}", (*at, name, key))
                elif age_range(part) is None:
                    expected = "a whole number, a range as `18-29`, or an open end as `65+`"
                    raise Misplaced(f"found {part!r}", (*at, name, key), expected=expected, fix="write it in this form")
        if not sum(shares.values()) > 0:
            raise Misplaced("the shares sum to 0: nobody is in this population", (*at, name), fix="give shares or counts above 0")


def age_range(text: str) -> tuple[int, int | None] | None:
    """(lowest, highest) of `34`, `18-29` or `65+`, whose highest is None; None for anything else."""
    low, dash, high = text.replace("–", "-").removesuffix("+").partition("-")
    if not low.strip().isdigit() or (dash and not high.strip().isdigit()) or (dash and text.endswith("+")):
        return None
    if text.endswith("+"):
        return int(low), None
    found = int(low), int(high) if dash else int(low)
    return found if found[0] <= found[1] else None


def holds(field: str, value: Any, text: str) -> bool:
    """Whether somebody's value is the one, or in the range, that `text` names; nothing names a value that is not known."""
    if value is None or field not in INTEGER_FIELDS:
        return bool(value == text)
    low, high = age_range(text) or (0, -1)
    return bool(low <= value and (high is None or value <= high))


def _check_conjoint(experiment: Experiment) -> None:
    for number, attribute in enumerate(experiment.attributes):
        words = [text.casefold() for text in attribute.levels.values()]
        if len(set(words)) < len(words):
            raise Misplaced("two levels have the same words", ("attributes", number, "levels"), fix="change one of them")
    if not experiment.attributes and ({"profiles", "tasks"} & experiment.model_fields_set):
        key = "profiles" if "profiles" in experiment.model_fields_set else "tasks"
        raise Misplaced(
            f"{key} without attributes", (key,), expected="attributes, of which profiles are made", fix="add them, or remove it"
        )


def _texts(experiment: Experiment) -> Iterator[tuple[tuple[Key, ...], str]]:
    for number, arm in enumerate(experiment.arms):
        yield ("arms", number, "text"), arm.text
    for number, outcome in enumerate(experiment.outcomes):
        keys: tuple[Key, ...] = ("outcomes", number)
        yield (*keys, "question"), outcome.question
        yield (*keys, "context"), outcome.context
        for value, label in outcome.scale.labels.items():
            yield (*keys, "scale", "labels", value), label
        for at, wording in enumerate(outcome.wordings):
            yield (*keys, "wordings", at, "question"), wording.question or ""
            yield (*keys, "wordings", at, "context"), wording.context or ""
            for value, label in (wording.labels or {}).items():
                yield (*keys, "wordings", at, "labels", value), label


def _check_blanks(experiment: Experiment) -> None:
    used: set[str] = set()
    shown = [f"{PROFILE}{number + 1}" for number in range(experiment.profiles)] if experiment.attributes else []
    for keys, text in _texts(experiment):
        names = names_in(text)
        used |= set(names)
        for name in names:
            if name not in experiment.fills and name not in shown:
                fix = did_you_mean(name, (*experiment.fills, *shown)) or f"write the words out, or declare {name} under `fills`"
                raise Misplaced(f"nothing fills the blank {{{name}}}", keys, expected="text as people read it", fix=fix)
    for number, name in enumerate(shown):
        if name in experiment.fills:
            raise Misplaced(f"{name!r} is the name of a profile", ("fills", name), fix="choose another name")
        if name not in used:
            raise Misplaced(
                f"no question shows profile {number + 1}", ("profiles",), expected=f"{{{name}}} in the context of an outcome",
                fix=f"write for example `context: \"Plan {number + 1}: {{{name}}}.\"`, or lower `profiles`",
            )  # fmt: skip
    for name, fill in experiment.fills.items():
        if name not in used:
            raise Misplaced(f"no text holds {{{name}}}", ("fills", name), fix="remove it, or put the blank into a text")
        if fill.by != DRAW:
            _known(fill.by, (*FIELDS, DRAW), "field of a persona", ("fills", name, "by"))
            for value in fill.values:
                words = VOCABULARY[fill.by]
                if fill.by in INTEGER_FIELDS and age_range(value) is None:
                    raise Misplaced(
                        f"found {value!r}", ("fills", name, "values", value), expected="a whole number or a range", fix="correct it"
                    )
                if words is not None:
                    _known(value, words, f"value of {fill.by}", ("fills", name, "values", value))
