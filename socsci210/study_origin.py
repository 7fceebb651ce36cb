"""Who wrote a study file and who looked at it: what a language model drafted, where it read each part, and what reviewers decided.

A file written by hand has neither part. The hashes of decisions are made and compared by `socsci210.reviewing`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from .schema import Identifier, Many, Sha256, Strict, Text, iso_day


class Claim(Strict):
    """Where one part of a drafted study file was read: in a variable of the data file, or in blocks of a document.

    Several entries may name the same part.
    """

    claim: Annotated[Text, StringConstraints(max_length=200)]
    """Keys joined by dots; conditions, outcomes and items by their ids (`outcomes.support.scale.direction`)."""
    variable: Text | None = None
    """The column whose name, label, codes or counts say so."""
    doc: Identifier | None = None
    """The document, by its key in `files`."""
    blocks: Many[str | int] = ()
    """Blocks of that document, as `socsci210 blocks FILE` prints their ids."""

    @model_validator(mode="after")
    def _read_somewhere(self) -> Claim:
        if (self.variable is None) == (self.doc is None):
            raise ValueError("a claim names one place where it was read: `variable`, or `doc` and `blocks`")
        if (self.doc is not None) != bool(self.blocks):
            raise ValueError("doc and blocks go together")
        return self


class Drafted(Strict):
    """Written by `socsci210 draft`: the model, the transcript of its work, where it read what, and what it leaves open."""

    model: Text
    transcript: Sha256
    """sha256 of the transcript that `draft` keeps beside the study file."""
    evidence: Many[Claim] = Field(min_length=1)
    questions: Many[Text] = ()
    """What a reviewer has to decide. A study with open questions is not built until a reviewer accepted it."""


class Reviewed(Strict):
    """One decision of a reviewer about the study file as it stood."""

    reviewer: Text
    date: Annotated[str, BeforeValidator(iso_day), StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    decision: Literal["accepted", "refused"]
    note: Text
    content: Sha256
    """sha256 of the study file's content without `reviewed`: the decision says nothing about any other content."""
