"""The words of a study: every question as every condition met it, quoted from the deposit, with blanks still to be filled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ..errors import StudyFileError
from ..extract import Extract, fills_of, items_of
from ..schema import Scale
from ..stimuli import stimulus
from ..study_file import Code, Condition, Item, Outcome, Quote, ScaleSpec, StudyFile, Variant
from ..texts import Sources, bound, names_in, resolve
from .codes import MissingCodes, whole

Cell = tuple[int, int, int]
"""condition_num, task_num, item_num"""


@dataclass(frozen=True)
class Asked:
    """One question as people of one condition met it. Texts hold the names of row fills and of profiles in braces."""

    variant: Variant
    frame: str
    text: str
    context: str
    question: str
    scale: Scale

    def template(self, without: Collection[str] = ()) -> str:
        """The stimulus with its blanks; what was met before the question is left out where it holds a blank of `without`."""
        text, context = (part if not set(names_in(part)) & set(without) else "" for part in (self.text, self.context))
        return stimulus(self.frame, text, self.question, self.scale, then_read=context)

    @property
    def blanks(self) -> tuple[str, ...]:
        """Names in braces, each once, in the order of the text."""
        return tuple(dict.fromkeys(names_in(self.template())))


def sources_of(study: StudyFile, deposit: Extract) -> Sources:
    """What the quotations of a study may point at."""
    return Sources(
        documents=deposit.documents,
        columns=deposit.columns,
        header_texts=deposit.header_texts,
        inline_allowed=study.simulated or study.own_deposit,
        name=study.id,
    )


def wording(study: StudyFile, deposit: Extract) -> dict[Cell, Asked]:
    """Every question of every condition that was asked it, ordered by task, item and condition.

    Raises:
        StudyFileError: a quotation that leads nowhere, an edit that does not fit, a blank without a fill.
    """
    sources = sources_of(study, deposit)
    found = {}
    for task, outcome in enumerate(study.outcomes):
        for number, item in enumerate(items_of(outcome)):
            for place, condition in enumerate(study.conditions):
                variant = outcome.asked_as(condition.id)
                if variant is not None:
                    found[place, task, number] = _asked(study, sources, outcome, item, condition, variant)
    return found


def _asked(study: StudyFile, sources: Sources, outcome: Outcome, item: Item, condition: Condition, variant: Variant) -> Asked:
    names = _blank_names(study, outcome)
    fixed = _Fixed(study, sources, condition, item.bind)

    def words(quotes: Sequence[Quote] | None) -> str:
        return fixed.fill(resolve(quotes or (), sources, item.bind, names))

    if variant.scale is None:  # the study file's own checks rule this out
        raise StudyFileError(f"outcome {outcome.id} has no scale in condition {condition.id}", where=study.id)
    scale = _scale(study, sources, outcome, variant, variant.scale, item)
    labels = {value: fixed.fill(label) for value, label in scale.labels.items()}
    return Asked(
        variant=variant,
        frame=condition.frame,
        text=words(condition.text),
        context=words(variant.context),
        question=words(variant.question),
        scale=scale.model_copy(update={"labels": labels}),
    )


def _blank_names(study: StudyFile, outcome: Outcome) -> frozenset[str]:
    return fills_of(study, outcome) | {attribute.profile for attribute in outcome.attributes}


@dataclass(frozen=True)
class _Fixed:
    """Fills that depend on the condition alone are put in at once."""

    study: StudyFile
    sources: Sources
    condition: Condition
    bind: Mapping[str, str | int]

    def fill(self, text: str) -> str:
        values = {
            name: self._value(name) for name in names_in(text) if name in self.study.fills and self.study.fills[name].by == "condition"
        }
        return bound(text, values)

    def _value(self, name: str) -> str:
        values = self.study.fills[name].values
        if not isinstance(values, dict) or self.condition.id not in values:
            raise StudyFileError(
                f"no value for condition {self.condition.id}",
                where=f"{self.study.id}: fills.{name}.values",
                expected="a quotation for every condition whose text uses it",
                fix=f"add {self.condition.id} to fills.{name}.values",
            )
        return resolve((values[self.condition.id],), self.sources, self.bind, ())


# --- scales --------------------------------------------------------------------------------------------------------------------------


def _scale(study: StudyFile, sources: Sources, outcome: Outcome, variant: Variant, spec: ScaleSpec, item: Item) -> Scale:
    names = _blank_names(study, outcome)
    labels = {} if spec.value_labels is None else _stored_labels(study, sources, outcome, variant, spec, item)
    labels |= {value: resolve((quote,), sources, item.bind, names) for value, quote in spec.labels.items()}
    try:
        return Scale(
            min=spec.min,
            max=spec.max,
            step=spec.step,
            kind=spec.kind,
            unit=spec.unit,
            direction=spec.direction,
            labels=dict(sorted(labels.items())),
        )
    except ValueError as error:
        raise StudyFileError(
            f"{error}", where=f"{study.id}: outcomes.{outcome.id}.scale", fix="correct min, max, step, kind or labels"
        ) from None


def _stored_labels(study: StudyFile, sources: Sources, outcome: Outcome, variant: Variant, spec: ScaleSpec, item: Item) -> dict[int, str]:
    """The value labels of a column, at the answer that each code stands for; labels of codes that are no answer are left out."""
    name = bound(spec.value_labels or "", item.bind)
    where = f"{study.id}: outcomes.{outcome.id}.scale.value_labels"
    if name not in sources.columns:
        raise StudyFileError(f"column {name!r} is not in the data", where=where, fix="correct the name (upper and lower case count)")
    column = sources.columns[name]
    missing = MissingCodes.of(study, name, sources.columns, outcome.missing)
    recode = None if variant.recode is None else {whole(code): value for code, value in variant.recode.items()}
    bounds = range(0) if spec.min is None or spec.max is None else range(spec.min, spec.max + 1, spec.step)
    labels: dict[int, str] = {}
    for code in column.value_labels:
        value = whole(code) if recode is None else recode.get(whole(code))
        if not isinstance(value, int) or value not in bounds or value in spec.labels or _is_missing(code, recode, missing):
            continue
        label = resolve((Quote(value_label=(name, code)),), sources, item.bind, ())
        if labels.setdefault(value, label) != label:
            raise StudyFileError(
                f"answer {value} has two labels: {labels[value]!r} and {label!r}",
                where=where,
                expected="codes of one answer to share a label",
                fix=f"quote the label of {value} under scale.labels",
            )
    return labels


def _is_missing(code: Code, recode: Mapping[Code, int] | None, missing: MissingCodes) -> bool:
    return not (recode is not None and whole(code) in recode) and missing.reason(whole(code)) is not None


def condition_text(cells: Mapping[Cell, Asked], condition: int) -> str | None:
    """The text of a condition; several, where its binds give several, in the order of the questions; None where it has none."""
    texts = dict.fromkeys(asked.text for (place, _, _), asked in cells.items() if place == condition and asked.text)
    return "\n\n".join(texts) or None
