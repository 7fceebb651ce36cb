"""What a profile holds, as strict records: they travel from the isolated child as JSON, and are the JSON that the command writes.

No record holds a row, a person's own words or an identifier. Counts of fewer than ten people are None (`small_counts`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from ..schema import Many, Strict
from ..study_file import Code, MissingReason

FORMAT: Final = 1

Kind = Literal["whole numbers", "numbers", "text", "date", "empty"]
Role = Literal[
    "participant", "weight", "identifier", "open text", "about the interview", "order", "demographic", "attribute", "position",
    "arm", "outcome", "shown or ticked", "constant", "other",
]  # fmt: skip
ArmKind = Literal["column", "columns", "questions", "factors", "dummies"]
Score = Annotated[float, Field(ge=0, le=1)]


class Value(Strict):
    """One code of a variable. `n` is None for fewer than 10 people; 0 for a code that only has a label."""

    code: Code
    label: str | None
    n: int | None
    missing: MissingReason | Literal["unknown"] | None
    """Why the code is probably no answer (`unknown`: it looks like such a code, and nothing says why); None for an answer."""
    basis: str | None
    """How that was found: declared by the file, told by its label, or guessed from the number."""


class Variable(Strict):
    """One column of a data file. `values` is empty where there are too many to list, and for open text and identifiers."""

    name: str
    label: str | None
    kind: Kind
    codes_are_text: bool
    """Whether numbers stand as text, since words (such as NA) stand between them: a study file then names codes in quotes."""
    role: Role
    why: str
    blank: int | None
    distinct: int
    values: Many[Value]
    hidden: int
    """Texts held by fewer than 10 people each, which are not shown."""
    quantiles: Many[float]
    """1, 25, 50, 75 and 99 % of the numbers that are answers, where values are not listed."""
    blocks: Many[str]
    """`document:block` of the documents that name it."""


class Level(Strict):
    """One arm of a candidate: a code with its label, or the questions that only its people were asked."""

    code: Code | None
    label: str | None
    columns: Many[str]
    n: int | None


class Arm(Strict):
    """A candidate for what tells the experimental condition.

    column: a column holds the arm; columns: one column per item or round, with the same levels; questions: only the questions that were
    asked tell it; factors: several columns whose combination is the arm; dummies: a column of 0 and 1 per arm, of which at most one is 1.
    """

    kind: ArmKind
    columns: Many[str]
    same_as: Many[str]
    """Columns that hold the same grouping under other codes or names."""
    levels: Many[Level]
    score: Score
    reasons: Many[str]


class Guess(Strict):
    """The scale of a candidate outcome as far as codes and labels tell it."""

    min: int | None
    max: int | None
    kind: Literal["binary", "ordinal", "numeric", "unordered text"]
    direction: Literal["up", "down", "unknown"]
    basis: str


class Outcome(Strict):
    """A candidate for a question that people answered."""

    column: str
    label: str | None
    scale: Guess
    asked_only: Many[str]
    """Columns of the exclusive group it belongs to, where not everybody was asked."""
    score: Score
    reasons: Many[str]


class Missing(Strict):
    """A code that probably stands for no answer. `columns` are those that hold it or give it a label."""

    code: Code
    reason: MissingReason | Literal["unknown"]
    columns: Many[str]
    elsewhere: Many[str]
    """Columns where the same code is an ordinary answer: the study file must then name columns, not `*`."""
    score: Score
    why: str


class FieldMatch(Strict):
    """One demographic field read through a crosswalk."""

    field: str
    column: str
    mapped: Score
    """Share of the people with a code whom the crosswalk maps."""
    unmapped: Many[Code]


class CrosswalkFit(Strict):
    """How well a panel's crosswalk fits a data file."""

    crosswalk: str
    score: Score
    fields: Many[FieldMatch]
    reasons: Many[str]


class DemographicColumn(Strict):
    """A column that holds something about people which one would know before the study. `field` is None where no field of the dataset
    takes it."""

    column: str
    field: str | None
    score: Score
    reasons: Many[str]


class Repeated(Strict):
    """Columns of one pattern with the same codes, such as Q1_1 to Q1_9."""

    pattern: str
    columns: Many[str]
    exclusive: bool
    """Whether each person answered only one of them."""
    label: str | None


class ConjointAttribute(Strict):
    """One attribute of the profiles: its key in the columns' names, and its levels."""

    key: str
    label: str | None
    levels: Many[Level]


class Conjoint(Strict):
    """A wide conjoint: a column per task, profile and attribute."""

    pattern: str
    columns: Many[str]
    tasks: Many[str]
    profiles: Many[str]
    attributes: Many[ConjointAttribute]
    positions: Many[str]
    score: Score
    reasons: Many[str]


class Named(Strict):
    """A column with the reason why it was named."""

    column: str
    score: Score
    why: str


class Table(Strict):
    """The profile of one data file (or of one member or sheet of it)."""

    file: str
    member: str | None
    sheet: str | None
    format: str
    encoding: str | None
    second_header: bool
    rows: int
    columns: int
    twin_of: str | None
    """Another file that holds the same columns and rows and says as much or more about them; this one is then not told in full."""
    notes: Many[str]
    participants: Many[Named]
    weights: Many[Named]
    arms: Many[Arm]
    outcomes: Many[Outcome]
    missing: Many[Missing]
    crosswalks: Many[CrosswalkFit]
    demographics: Many[DemographicColumn]
    repeated: Many[Repeated]
    conjoints: Many[Conjoint]
    left_out: Many[Named]
    """Identifiers, open text and records of the interview: not to be read by a study file."""
    variables: Many[Variable]


class DocumentBlock(Strict):
    """A block of a document, its id as study files quote it, and the variables that it names."""

    id: str
    kind: str
    text: str
    variables: Many[str]


class DocumentProfile(Strict):
    """A questionnaire or codebook."""

    file: str
    twin_of: str | None
    blocks: Many[DocumentBlock]


class File(Strict):
    """A file of the deposit."""

    file: str
    bytes: int
    sha256: str
    role: Literal["data", "document", "other"]
    note: str | None
    """Why it was not read, in words."""


class Profile(Strict):
    """Everything one needs to write the study file of a deposit."""

    format: Literal[1]
    deposit: str
    files: Many[File]
    tables: Many[Table]
    documents: Many[DocumentProfile]
