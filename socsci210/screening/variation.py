"""Named variations of the prompt: an effect that is one of people, not of the wording of an instruction, survives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..prompts import TEMPLATES
from ..stimuli import PARAPHRASES, RELEASED, AnswerWording
from .experiment_file import ExperimentError
from .parts import BASE

OTHER_TEMPLATE: Final = "stimulus_first"
REVERSED: Final = "reversed"
UPSTREAM: Final = "upstream"


@dataclass(frozen=True)
class Variant:
    """One way to ask: the layout of the prompt, the words around the answers, and the order in which these are named."""

    name: str
    template: str
    wording: AnswerWording = RELEASED
    descending: bool = False


def variants_for(record: dict[str, Any], template: str | None = None, wanted: Sequence[str] | None = None) -> list[Variant]:
    """The ways to ask a model, the base first.

    A model that was trained here is asked in the layout that it was trained on; another layout would tell about its training, not about
    people. So `stimulus_first` is a variant of its own only for models without a run record.

    Args:
        record: the model's run record, or nothing.
        template: the layout of the base; default: the one of the run record, else upstream.
        wanted: names of variants, the base always among them; default: all that the model may be asked.

    Raises:
        ExperimentError: a variant that there is none of, or that this model may not be asked.
    """
    trained = record.get("template")
    base = template or trained or UPSTREAM
    if base not in TEMPLATES:
        raise ExperimentError(f"unknown prompt template {base!r}", expected=f"one of {', '.join(TEMPLATES)}", fix="check --template")
    found = [Variant(BASE, base)]
    if trained is None and base != OTHER_TEMPLATE:
        found.append(Variant(OTHER_TEMPLATE, OTHER_TEMPLATE))
    found.append(Variant(REVERSED, base, descending=True))
    found += [Variant(f"paraphrase_{number}", base, wording) for number, wording in enumerate(PARAPHRASES, 1)]
    if wanted is None:
        return found
    known = [variant.name for variant in found]
    if unknown := [name for name in wanted if name not in known]:
        why = f" for a model trained with template {trained}" if unknown[0] == OTHER_TEMPLATE else ""
        raise ExperimentError(
            f"no variant {unknown[0]!r}{why}", where="--variants", expected=f"some of {', '.join(known)}", fix="name others"
        )
    return [variant for variant in found if variant.name in {BASE, *wanted}]
