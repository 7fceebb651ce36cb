"""A study of a dataset as an experiment: to change it and screen again, or to hold predictions against what people did.

Where a study's words differ by person, a dataset keeps them filled in, row by row. The blanks are found again by matching every row with
the study's texts: a blank that follows from a field of the persona is filled by that field, any other is drawn from the words that were
seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ..dataset_folder import MANIFEST, DatasetFolder
from ..demographics import FIELDS, INTEGER_FIELDS
from ..errors import DatasetError
from ..schema import MAX_ENUMERATED, Scale
from ..stimuli import OPENINGS, answer_format
from ..study_yaml import did_you_mean
from ..texts import BLANK, bound, names_in
from .experiment_checks import DRAW, PROFILE
from .experiment_file import Experiment, ExperimentError, read_experiment
from .names import outcome_names
from .replay_profiles import blanked

_FORM: Final = "DATASET:STUDY, a dataset folder and a study in it"
_CONTEXT: Final = "the_context"  # a name that no blank has: it would have to be declared
_ENOUGH: Final = 3  # people for each value of a field, before a blank is said to follow from it


@dataclass
class _Met:
    """What one question was in one condition: the words around it, and the words of every blank by person."""

    frame: str
    context: str
    question: str
    scale: Scale
    blanks: dict[str, dict[int, str]] = field(default_factory=dict)


def experiment_of(spec: str) -> tuple[Experiment, list[str]]:
    """A study of a dataset as an experiment, and what in it was decided without asking.

    Args:
        spec: `DATASET:STUDY`.

    Raises:
        DatasetError: there is no such dataset or study.
        ExperimentError: nothing of the study can be asked this way.
    """
    place, colon, study = spec.rpartition(":")
    if not colon or not (Path(place) / MANIFEST).is_file():
        raise ExperimentError(f"found {spec!r}", where="--from", expected=_FORM, fix="check the path: there is no such dataset")
    folder = DatasetFolder(Path(place))
    if study not in folder.studies:
        fix = did_you_mean(study, folder.studies) or "name one of these"
        raise DatasetError(f"no study {study!r}", where=place, expected=f"one of {', '.join(folder.studies[:30])}", fix=fix)
    return _Replay(folder, study).experiment()


class _Replay:
    def __init__(self, folder: DatasetFolder, study: str) -> None:
        self.study, self.notes, self.tasks = study, list[str](), 1
        self.about = _own(folder.table("studies"), study)[0]
        self.conditions = sorted(_own(folder.table("conditions"), study), key=lambda one: int(one["condition_num"]))
        self.outcomes = _own(folder.table("outcomes"), study)
        self.names = outcome_names(self.outcomes)
        people = folder.table("participants", ["study_id", "participant", "demographic"])
        self.people = {one["participant"]: one["demographic"] for one in _own(people, study)}
        rows = folder.rows(columns=["participant", "condition_num", "task_num", "item_num", "stimuli"], studies=[study])
        self.rows: dict[tuple[int, int, int], dict[int, str]] = {}
        for row in rows.set_column(4, "stimuli", rows.column("stimuli").cast(pa.string())).to_pylist():
            cell = self.rows.setdefault((row["condition_num"], row["task_num"], row["item_num"]), {})
            cell[row["participant"]] = row["stimuli"]
        self.shown = blanked(self.rows, _own(folder.table("attributes"), study))
        self.rows = self.shown.rows

    def experiment(self) -> tuple[Experiment, list[str]]:
        met = dict(self._questions())
        if not met:
            why = "; ".join(self.notes) or "it has no questions"
            raise ExperimentError(f"no outcome of {self.study} can be asked: {why}", expected="a study that was built from its deposit")
        arms, frames = self._arms(met)
        fills = self._fills(met)
        content: dict[str, Any] = {
            **self._conjoint(met),
            "format": 1,
            "title": self.about["title"],
            "topic": self.about["topic"] or None,
            "arms": [self._arm(one, number == self._control(arms), frames, fills) for number, one in enumerate(arms)],
            "outcomes": [self._outcome(name, of, arms, fills) for name, of in met.items()],
            "fills": {name: one for name, one in fills.items() if not isinstance(one, str)},
        }
        control, first = content["arms"][self._control(arms)]["id"], content["outcomes"][0]["id"]
        content["hypotheses"] = [
            {"id": f"{arm['id']}_{first}"[:60], "outcome": first, "arm": arm["id"], "direction": "more"}
            for arm in content["arms"]
            if arm["id"] != control
        ]
        self.notes.append("hypotheses: the dataset has none, so every arm is said to give more of the first outcome: write your own")
        return read_experiment(content), self.notes

    def _conjoint(self, met: Mapping[str, Mapping[int, _Met]]) -> dict[str, Any]:
        """The attributes, where outcomes show profiles."""
        used = {name for of in met.values() for one in of.values() for name in names_in(one.context) if name.startswith(PROFILE)}
        if not used:
            return {}
        self.notes.append("profiles: levels are drawn anew, all as often and independently of each other, in the order of the attributes")
        profiles = max(int(name.removeprefix(PROFILE)) for name in used)
        return {"attributes": self.shown.attributes, "profiles": profiles, "tasks": self.tasks}

    # --- what was asked ----------------------------------------------------------------------------------------------------------

    def _questions(self) -> Iterator[tuple[str, dict[int, _Met]]]:
        """By name of outcome (and item), what was asked in every condition; outcomes that cannot be asked again are told in the notes."""
        named: dict[str, dict[int, Mapping[str, Any]]] = {}
        for one in self.outcomes:
            named.setdefault(self.names[one["task_num"], one["item_num"]], {})[one["condition_num"]] = one
        of_profiles: dict[str, list[dict[int, _Met]]] = {}
        for name, asked in named.items():
            if reason := self._not_asked(asked):
                self.notes.append(f"outcome {name} is left out: {reason}")
                continue
            found = {condition: self._met(one) for condition, one in asked.items()}
            if any(one is None for one in found.values()):
                self.notes.append(f"outcome {name} is left out: what people read before it differs by person")
                continue
            known = {condition: one for condition, one in found.items() if one is not None}
            first = next(iter(asked.values()))
            if first["task_num"] in self.shown.tasks:  # items are one question about other profiles
                of_profiles.setdefault(first["outcome_id"], []).append(known)
            else:
                yield name, known
        for name, items in of_profiles.items():
            if any(item != items[0] for item in items):
                self.notes.append(f"outcome {name} is left out: its items are different questions about profiles")
            else:
                self.tasks = max(self.tasks, len(items))
                yield name, items[0]

    def _not_asked(self, asked: Mapping[int, Mapping[str, Any]]) -> str | None:
        if len(asked) < len(self.conditions):
            return f"it was asked in {len(asked)} of {len(self.conditions)} conditions"
        if any(one["question"] is None for one in asked.values()):
            return "its wording is not kept apart from what was read before it"
        scales = {(one["scale_min"], one["scale_max"], one["scale_step"]) for one in asked.values()}
        if len(scales) > 1:
            return "its scale differs by condition"
        scale = _scale(next(iter(asked.values())))
        return None if 0 < len(scale.values) <= MAX_ENUMERATED else "its answers cannot be enumerated"

    def _met(self, one: Mapping[str, Any]) -> _Met | None:
        """What one question was in one condition, from the rows of the cell; None where rows differ in more than their blanks."""
        condition = next(c for c in self.conditions if c["condition_num"] == one["condition_num"])
        scale = _scale(one)
        pattern = _pattern(condition["text"] or "", one["question"], scale)
        stimuli = self.rows.get((one["condition_num"], one["task_num"], one["item_num"]), {})
        found, blanks = set[tuple[str, str]](), dict[str, dict[int, str]]()
        unlike = 0
        for person, text in stimuli.items():
            match = pattern.fullmatch(text)
            if match is None or (condition["text"] and match["opening"] is None):
                unlike += 1  # people to whom a part was not shown
                continue
            groups = match.groupdict()
            opening, then, context = (groups.pop(name) for name in ("opening", "then", _CONTEXT))
            frame = next((frame for frame, words in OPENINGS.items() if words == opening), "read")
            found.add((frame, context or then or ""))
            for name, words in groups.items():
                blanks.setdefault(name, {})[person] = words
        if len(found) != 1 or unlike * 2 > len(stimuli):
            return None
        frame, context = found.pop()
        return _Met(frame, context, one["question"], scale, blanks)

    # --- as an experiment --------------------------------------------------------------------------------------------------------

    def _arms(self, met: Mapping[str, Mapping[int, _Met]]) -> tuple[list[dict[str, Any]], dict[int, str]]:
        """The conditions whose people read something of their own, and how they met it."""
        seen: dict[tuple[object, ...], str] = {}
        arms, frames = [], {}
        for one in self.conditions:
            place = one["condition_num"]
            of = [asked[place] for asked in met.values()]
            frames[place] = next((some.frame for some in of if some.frame != "read"), "read")
            key = (one["text"], frames[place], *((some.context, some.question, tuple(some.scale.labels.items())) for some in of))
            if key in seen:
                self.notes.append(f"condition {one['condition_id']} is left out: its people read what those of {seen[key]} read")
                continue
            seen[key] = one["condition_id"]
            arms.append(one)
        if len(arms) < 2:
            raise ExperimentError(f"{self.study} has one arm whose people read something of their own", expected="two arms to compare")
        return arms, frames

    def _control(self, arms: list[dict[str, Any]]) -> int:
        controls = [number for number, one in enumerate(arms) if one["control"]]
        if len(controls) != 1 and not any(note.startswith("control") for note in self.notes):
            name = arms[controls[0] if controls else 0]["condition_id"]
            self.notes.append(f"control: the study has {len(controls) or 'no'} control conditions, and {name} stands for it here")
        return controls[0] if controls else 0

    def _arm(self, one: Mapping[str, Any], control: bool, frames: Mapping[int, str], fills: Mapping[str, Any]) -> dict[str, Any]:
        factors = {level["factor"]: level["level"] for level in one["factors"] or ()}
        text = _fixed(one["text"] or "", fills)
        return {
            "id": one["condition_id"], "label": one["label"], "text": text, "frame": frames[one["condition_num"]], "control": control,
            "factors": factors,
        }  # fmt: skip

    def _outcome(self, name: str, met: Mapping[int, _Met], arms: list[dict[str, Any]], fills: Mapping[str, Any]) -> dict[str, Any]:
        base = met[arms[self._control(arms)]["condition_num"]]
        others: dict[tuple[str, str, tuple[tuple[int, str], ...]], list[str]] = {}
        for arm in arms:
            one = met[arm["condition_num"]]
            if (one.context, one.question, one.scale.labels) != (base.context, base.question, base.scale.labels):
                others.setdefault((one.context, one.question, tuple(one.scale.labels.items())), []).append(arm["condition_id"])
        wordings = [
            {"arms": names, "context": _fixed(context, fills), "question": _fixed(question, fills), "labels": dict(labels)}
            for (context, question, labels), names in others.items()
        ]
        return {
            "id": name, "label": name.replace("__", ": ").replace("_", " ").capitalize(), "question": _fixed(base.question, fills),
            "context": _fixed(base.context, fills), "wordings": wordings, "scale": self._answers(name, base.scale),
        }  # fmt: skip

    def _answers(self, name: str, scale: Scale) -> dict[str, Any]:
        if scale.direction == "unknown":
            self.notes.append(f"outcome {name}: the study does not say which way its scale runs; it is written as up")
        kind = scale.kind
        if kind != "numeric" and not {scale.min, scale.max} <= set(scale.labels):
            self.notes.append(f"outcome {name}: not both ends of its scale have a label, so it is written as numeric")
            kind = "numeric"
        direction = "up" if scale.direction == "unknown" else scale.direction
        return {
            "min": scale.min, "max": scale.max, "step": scale.step, "labels": dict(scale.labels), "direction": direction, "kind": kind,
            "unit": scale.unit,
        }  # fmt: skip

    def _fills(self, met: Mapping[str, Mapping[int, _Met]]) -> dict[str, Any]:
        """Every blank: its words where they are always the same, else how it is filled."""
        words: dict[str, dict[int, str]] = {}
        for of in met.values():
            for one in of.values():
                for name, by_person in one.blanks.items():
                    words.setdefault(name, {}).update(by_person)
        return {name: self._fill(name, by_person) for name, by_person in words.items()}

    def _fill(self, name: str, words: Mapping[int, str]) -> str | dict[str, Any]:
        distinct = sorted(set(words.values()))
        if len(distinct) == 1:
            return distinct[0]
        for about in FIELDS:
            by_value: dict[str, set[str]] = {}
            for person, word in words.items():
                if about not in INTEGER_FIELDS and (value := self.people[person].get(about)) is not None:
                    by_value.setdefault(value, set()).add(word)
            if by_value and all(len(some) == 1 for some in by_value.values()) and len(words) >= _ENOUGH * len(by_value):
                return {"by": about, "values": {value: some.pop() for value, some in sorted(by_value.items())}}
        self.notes.append(f"the words of {{{name}}} differ by person in a way that no field tells; they are drawn from those seen")
        return {"by": DRAW, "values": {f"words_{number}": word for number, word in enumerate(distinct, 1)}}


def _own(table: pa.Table, study: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.filter(pc.equal(table.column("study_id").cast(pa.string()), study)).to_pylist()
    return found


def _scale(one: Mapping[str, Any]) -> Scale:
    return Scale(
        min=one["scale_min"], max=one["scale_max"], step=one["scale_step"], kind=one["kind"], unit=one["unit"],
        labels={option["value"]: option["label"] for option in one["options"] or ()}, direction=one["direction"],
    )  # fmt: skip


def _fixed(template: str, fills: Mapping[str, Any]) -> str:
    """A text with the blanks filled that have one content only."""
    return bound(template, {name: words for name, words in fills.items() if isinstance(words, str) and name in names_in(template)})


def _pattern(text: str, question: str, scale: Scale) -> re.Pattern[str]:
    """What a stimulus of these parts looks like: groups for the opening, what was read besides, and every blank."""
    seen: set[str] = set()
    before = f"{_words(text, seen)}(?: (?P<{_CONTEXT}>.+))?" if text else f"(?P<{_CONTEXT}>.+)"
    openings = "|".join(re.escape(words) for words in OPENINGS.values())
    head = rf'(?:You were asked: "|(?P<opening>{openings}) "{before}"(?:, then read "(?P<then>.+)")? and then were asked: ")'
    return re.compile(f'{head}{_words(f"{question} {answer_format(scale)}", seen)}"')


def _words(template: str, seen: set[str]) -> str:
    """A pattern for a text with blanks; a blank that stands in it again has the same words."""
    parts = BLANK.split(template)
    out = [re.escape(parts[0])]
    for name, after in zip(parts[1::2], parts[2::2], strict=True):
        out.append(f"(?P={name})" if name in seen else f"(?P<{name}>.+?)")
        seen.add(name)
        out.append(re.escape(after))
    return "".join(out)
