"""The format of `study.yaml`: one strict model per part, and nothing computed here but checks that need no deposit.

A study file is data. It names columns, value maps, quotations and SQL expressions; it never holds code, and, for a real deposit, never
the deposit's own words: text is quoted by pointer (`Quote`). Names in braces, such as `{pair}` in `column: "Pair{pair}_A1"`, are replaced
by the `bind` values of an item; names in braces inside quoted text are filled by `fills`, row by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from .schema import DepositFile, Identifier, Many, Name, Provenance, Strict, StudyId, Text, Whole, as_tuple
from .study_checks import check_fields, check_references
from .study_declared import Exempt, Stated
from .study_origin import Drafted, Reviewed
from .texts import MAX_REPLACEMENT, check_pattern, check_replacement

FORMAT: Final = 1
Code = int | float | str
Bind = dict[Name, Annotated[str, Field(max_length=MAX_REPLACEMENT)] | int]
MissingReason = Literal["refused", "dont_know", "skipped", "not_asked", "missing", "other"]


class Quote(Strict):
    """One piece of text: exactly one source, then edits in the order extract, drop, replace.

    Sources: `doc` + `blocks` (a document of `files`, block ids as `socsci210 blocks FILE` prints them), `label` (a variable's label),
    `value_label` ([variable, code]), `header` (the cell of a second header row above a column), `text` (own words: simulated studies and
    people's own deposits only), `description` (of an image or a video).

    Edits are RE2 patterns. `extract` keeps the first group of the first match; `drop` removes every match (programming notes, tags);
    `replace` maps a pattern to a fill in braces, to words that stand in the same source, or to white space and punctuation.
    Blocks are joined by `join`.
    """

    doc: Identifier | None = None
    blocks: Many[str | int] = ()
    label: str | None = None
    value_label: Annotated[tuple[str, Code], BeforeValidator(as_tuple)] | None = None
    header: str | None = None
    text: Text | None = None
    description: Text | None = None
    extract: str | None = None
    drop: Many[str] = ()
    replace: dict[str, str] = Field(default_factory=dict)
    join: str = "\n"

    @model_validator(mode="after")
    def _one_source(self) -> Quote:
        given = [key for key in ("doc", "label", "value_label", "header", "text", "description") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"a piece of text has exactly one source (doc, label, value_label, header, text or description), not {given}")
        if (self.doc is not None) != bool(self.blocks):
            raise ValueError("doc and blocks go together")
        if any(character.isalnum() for character in self.join):
            raise ValueError(f"join {self.join!r} brings in words: blocks are joined by white space and punctuation only")
        for pattern in (*([self.extract] if self.extract is not None else []), *self.drop, *self.replace):
            check_pattern(pattern)
        for value in self.replace.values():
            check_replacement(value)
        return self

    @property
    def inline(self) -> bool:
        """Whether the words stand in the study file itself."""
        return self.text is not None


class Source(Strict):
    """Where a value comes from: a column of the deposit, or an SQL expression over the columns of one row."""

    column: str | None = None
    sql: str | None = None
    reads_outcome: Text | None = None
    """Why this expression may read a response. Without it, conditions, filters and fills may not."""

    @model_validator(mode="after")
    def _one(self) -> Source:
        if (self.column is None) == (self.sql is None):
            raise ValueError("give either column or sql")
        return self


class ScaleSpec(Strict):
    """The scale of an outcome. `labels` quotes the label of values; `value_labels: COLUMN` takes those of a column of the data file
    (after `recode`: the label of a stored code goes to the value it is mapped to)."""

    min: Whole | None = None
    max: Whole | None = None
    step: Whole = 1
    kind: Literal["binary", "ordinal", "numeric"]
    direction: Literal["up", "down", "unknown"]
    """up: a higher value means more of what the outcome's id names."""
    unit: Text | None = None
    labels: dict[Whole, Quote] = Field(default_factory=dict)
    value_labels: str | None = None


class Fill(Source):
    """A blank in quoted text, filled from the row: the value of the source looked up in a closed set of quotations.

    `by: condition` looks up the id of the condition instead; `values: value_labels` takes the value labels of the column.
    """

    by: Literal["row", "condition"] = "row"
    values: dict[Code, Quote] | Literal["value_labels"]
    absent: Text | None = None
    """Why some people have no value: what holds this blank (a condition's text, or an outcome's context) was not shown to them, and is
    left out of their stimuli. Without it, a row without a value is an error."""

    @model_validator(mode="after")
    def _one(self) -> Fill:
        if self.by == "condition" and (self.column is not None or self.sql is not None):
            raise ValueError("a fill by condition has no column or sql")
        if self.by == "row" and (self.column is None) == (self.sql is None):
            raise ValueError("give either column or sql")
        if self.values == "value_labels" and self.column is None:
            raise ValueError("values: value_labels needs a column")
        return self


class Condition(Strict):
    """One experimental arm: the rows where `where` is true. With items, `where` may use their binds, and is read per item."""

    id: Identifier
    label: Text
    where: str
    reads_outcome: Text | None = None
    control: bool = False
    factors: dict[Identifier, str] = Field(default_factory=dict)
    frame: Literal["read", "viewed", "watched", "heard", "told", "did"] = "read"
    text: Many[Quote] = ()
    """What people of this arm met before the question. Empty where the wording of the question is the treatment."""
    same_text_as: Identifier | None = None
    """Declares that this arm's stimuli equal those of another; `why_same_text` says what differs instead."""
    why_same_text: Text | None = None

    @model_validator(mode="after")
    def _why(self) -> Condition:
        if (self.same_text_as is None) != (self.why_same_text is None):
            raise ValueError("same_text_as and why_same_text go together")
        return self


class Attribute(Strict):
    """One attribute of one profile of a conjoint: kept as data, and rendered into the stimulus where `{profile}` text asks for it."""

    name: Identifier
    profile: Name
    column: str
    title: Quote
    """The attribute's name as people saw it."""
    values: dict[Code, Quote] | Literal["value_labels"] = "value_labels"
    position: str | None = None
    """Column that holds the place of this attribute in the list shown (any ascending code)."""


class Item(Strict):
    """One of several stimuli under one outcome; `bind` fills braces in column names, quotations and conditions."""

    id: Identifier
    bind: Bind = Field(default_factory=dict)
    column: str | None = None


class Variant(Strict):
    """How an outcome was asked in some conditions. What is left out is taken from the outcome."""

    conditions: Many[Identifier] = ()
    """Ids of the conditions that were asked this way; empty: all."""
    column: str | None = None
    sql: str | None = None
    context: Many[Quote] | None = None
    question: Many[Quote] | None = None
    scale: ScaleSpec | None = None
    recode: dict[Code, Whole] | None = None


class Outcome(Strict):
    """A question asked of everyone in the study (or of the conditions its variants name)."""

    id: Identifier
    label: Text
    column: str | None = None
    sql: str | None = None
    context: Many[Quote] = ()
    """Text met just before the question by everybody who was asked it."""
    question: Many[Quote] = ()
    scale: ScaleSpec | None = None
    recode: dict[Code, Whole] | None = None
    """Stored code -> meaning. Every code that is not missing must be named."""
    why_recode: Text | None = None
    missing: dict[Code, MissingReason] = Field(default_factory=dict)
    asked: str | None = None
    """SQL: who was asked, where a skip rule left people out. Others are not counted as missing."""
    asked_reads_outcome: Text | None = None
    variants: Many[Variant] = ()
    items: Many[Item] = ()
    attributes: Many[Attribute] = ()

    @model_validator(mode="after")
    def _check(self) -> Outcome:
        if (self.recode is not None or any(v.recode is not None for v in self.variants)) and self.why_recode is None:
            raise ValueError(f"outcome {self.id}: recode needs why_recode")
        ids = [item.id for item in self.items]
        if len(set(ids)) != len(ids):
            raise ValueError(f"outcome {self.id}: item ids repeat")
        return self

    def asked_as(self, condition: str) -> Variant | None:
        """The variant that `condition` met, completed with the outcome's own keys; None if it was not asked."""
        own = Variant(column=self.column, sql=self.sql, context=self.context, question=self.question, scale=self.scale, recode=self.recode)
        if not self.variants:
            return own
        for variant in self.variants:
            if not variant.conditions or condition in variant.conditions:
                given = {key: value for key, value in variant if key != "conditions" and value is not None}
                if variant.column is not None or variant.sql is not None:
                    given = {"column": None, "sql": None, **given}
                return own.model_copy(update=given)
        return None


class Keep(Source):
    """Who stays in the study. People left out are counted under `reason`."""

    reason: Identifier
    why: Text


class Data(Strict):
    """The data file and its structure."""

    file: Identifier
    """A key of `files`."""
    member: str | None = None
    """The file inside an archive (a glob that fits exactly one)."""
    sheet: str | None = None
    encoding: str | None = None
    second_header: bool = False
    """Whether the second row of a csv, tsv or xlsx holds question text, not data."""
    participant: str
    """Column that identifies a person, unique per row; used to check for duplicates and never written anywhere."""
    weight: str | None = None
    missing: dict[str, dict[Code, MissingReason]] = Field(default_factory=dict)
    """Codes that stand for no answer though the file does not declare them: column (or `*`) -> code -> reason. Declared missing values
    and blanks are missing without being named; naming them gives them a reason."""
    keep: Many[Keep] = ()
    duplicates: Literal["refuse", "drop_all", "keep_first"] = "refuse"


class FieldMap(Strict):
    """How one demographic field is read: the first of `columns` that exists, then a map to the field's vocabulary.

    `labels` maps value labels (compared without case and outer space; a key that ends in `...` stands for every label that begins so) and
    is looked at first, `values` maps codes; null means missing. A code that is neither mapped nor missing is an error. Integer fields need
    no map, but may have one, for a top code or a missing code.
    """

    columns: Many[str] = Field(min_length=1)
    values: dict[Code, str | None] = Field(default_factory=dict)
    labels: dict[str, str | None] = Field(default_factory=dict)
    birth_year: bool = False
    """For age: the columns hold a year of birth, which is taken from the year of `provenance.field_start`."""


FieldMaps = Annotated[dict[str, FieldMap], AfterValidator(check_fields)]


class Demographics(Strict):
    """A reusable crosswalk and what this study adds to it. `fields: {gender: null}` takes a field out."""

    crosswalk: Identifier | None = None
    fields: Annotated[dict[str, FieldMap | None], AfterValidator(check_fields)] = Field(default_factory=dict)


class StudyFile(Strict):
    """A whole `study.yaml`."""

    format: Literal[1]
    id: StudyId
    simulated: bool = False
    own_deposit: bool = False
    """A person's own data: inline text is allowed, as in simulated studies."""
    design: Literal["between", "within", "conjoint"]
    text_status: Literal["full", "truncated"] = "full"
    """truncated: the source itself cuts its wording; such a study is kept out of every split that depends on text."""
    provenance: Provenance
    files: dict[Identifier, DepositFile]
    data: Data
    demographics: Demographics
    fills: dict[Name, Fill] = Field(default_factory=dict)
    conditions: Many[Condition] = Field(min_length=1)
    outcomes: Many[Outcome] = Field(min_length=1)
    stated: Many[Stated] = ()
    nothing_stated: Text | None = None
    """Why there is no number under `stated`: where a source was looked at that prints none. A reviewer is asked about it."""
    exceptions: Many[Exempt] = ()
    """Where a gate does not apply to this study, and why."""
    drafted: Drafted | None = None
    """What a language model says about its draft; a file written by hand has no such part."""
    reviewed: Many[Reviewed] = ()
    """Decisions of reviewers, the newest last."""

    @model_validator(mode="after")
    def _references(self) -> StudyFile:
        check_references(self)
        return self

    def quotes(self) -> Iterator[Quote]:
        """Every quotation of the file."""
        yield from _quotes(self)


def _quotes(value: object) -> Iterator[Quote]:
    if isinstance(value, Quote):
        yield value
    elif isinstance(value, Strict):
        for _, child in value:
            yield from _quotes(child)
    elif isinstance(value, dict):
        for child in value.values():
            yield from _quotes(child)
    elif isinstance(value, tuple | list):
        for child in value:
            yield from _quotes(child)
