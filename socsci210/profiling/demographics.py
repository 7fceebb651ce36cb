"""What one would know about people before the study, and the panel's crosswalk that fits the columns and their codes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ..crosswalks import crosswalk, crosswalk_names, field_plan, find_column
from ..study_file import FieldMap
from .columns import Seen
from .names import words
from .records import CrosswalkFit, DemographicColumn, FieldMatch

# Names in lower case without a panel's prefix, whole; then short labels.
_NAMES: Final[dict[str, str]] = {
    "age": r"age(_?\d|_?yrs?|_?years?)?|birth_?(yr|year)|yob|age_?in_?years|q_?age",
    "gender": r"gender\d?|sex|female|male|genderid",
    "education": r"educ?(ation)?\d?|degree|school(ing)?",
    "employment": r"employ(ment)?\d?|work|job|empstat|workstatus",
    "ethnicity": r"race(_?eth\w*)?\d?|ethm?|ethnic(ity)?|racethn(icity)?|hispanic|hisp",
    "marital_status": r"marit(al)?(_?status)?|marstat|married",
    "housing_ownership": r"rent|housing|ownhome|home_?owner(ship)?|tenure",
    "housing_type": r"house|home_?type|hometype|dwelling",
    "location": r"state(n|_?name)?|inputstate|residence|stfips",
    "metro_status": r"metro|msa(cat)?|urban(icity)?|urbanrural",
    "income": r"inc(ome|imp)?\d?|faminc(_new)?|hhinc(ome)?|household_?income",
    "internet_access": r"internet|net|hhinternet|access",
    "household_size": r"hh_?size|household_?size|hhpeople",
    "party_id": r"party(_?id)?_?[57]?|pid_?[357]?|polparty|partyid_?[357]?|pol_?party|partisan(ship)?",
    "ideology": r"ideo(logy)?_?[57]?|poli?deo|libcon|conserv(atism)?|posoc|poecon|pol_?ideology",
    "phone_service": r"phone_?service",
    "": (
        r"age_?(cat|ct|group|grp)\d*|agecat|agect4|age[47]|age_?\d_?cat|educat|educ[45]|region?_?\d?|reg_?\d|reg[49]|religion?|relig\w*"
        r"|rel[12]|attend(ance)?|church|zip\w*|county|dualin|hhhead|household_?head|child(ren)?\w*|kids|t\d{2,4}(ov)?|t25|hh(01|25|612|1317|18ov)"
        r"|adults|pid[a-z1]|d[345]|voted?\d{4}|turnout\d{4}|citizen(ship)?|language|veteran|registered|votereg"
    ),
}
_LABELS: Final[dict[str, str]] = {
    "age": r"(your |respondent.?s? )?age( \(.*\))?|how old are you.*|(in )?(what|which) year were you born.*|what is your age.*|age:.*",
    "gender": r"(your |respondent.?s? )?(gender|sex)( identity)?\W*|(please indicate|what is) your (gender|sex).*|are you (male|female).*",
    "education": r"education.*|.*highest (level|degree).*|.*years of schooling.*",
    "employment": r"(current )?employment( status)?|.*current employment status.*",
    "ethnicity": r"(your )?race.{0,3}( ?/ ?| and )?(ethnicity)?|ethnicity|.*(racial|ethnic) (group|background).*",
    "marital_status": r"marital status|.*(are you|current) (now )?married.*",
    "housing_ownership": r"ownership status.*",
    "housing_type": r"housing type|type of (home|housing)",
    "location": r"state|state \(.*\)|state of residence|(in )?(what|which) state do you.*",
    "metro_status": r"msa status|metro(politan)?( area| status)?",
    "income": r"(household|hh|family|total)? ?income.*|.*(household|family) income.*",
    "internet_access": r"(hh|household) internet.*|internet access",
    "household_size": r"household size|.*people live in your household.*",
    "party_id": (
        r"(political )?party( id)?( \d)?|party identification.*|.*(republican|democrat).*(democrat|republican)"
        r".*(independent|neither|what).*|xparty\d?"
    ),
    "ideology": (
        r"(political )?ideology.*|.*(liberal).*(conservative).*think of yourself.*|when it comes to (social|economic) issues, i am.*|xideo"
    ),
    "phone_service": r"(type of )?(tele)?phone service",
    "": (
        r"age - \d categories|(education|income|age) \(?(categorical|\d categories)\)?.*|region.*|.*religio(n|us) .*|religion.*"
        r"|household head|dual income.*"
        r"|(total )?number of hh members.*|presence of household.*|respondent religion|census (region|division).*"
    ),
}
_PREFIX: Final = re.compile(r"(?i)^(pp|x|xx|p[._]|d[._]|dem[._]?|demo[._]?|s[._]|resp[._]?|r[._])(?=[a-z]{2})")
_WAVE: Final = re.compile(r"(?i)_(w?\d{1,2}|20\d\d)$")
_ASSIGNED: Final = re.compile(r"(?i)x+_?[a-z]")
_LEVELS: Final = 4
_EVEN: Final = 0.99
_PANEL: Final = re.compile(r"(?i)pp[a-z]+\d*")
_NAME: Final = {field: re.compile(rf"(?i){pattern}") for field, pattern in _NAMES.items()}
_LABEL: Final = {field: re.compile(rf"(?i){pattern}") for field, pattern in _LABELS.items()}
_CLEAR: Final = 0.5  # share of people mapped, below which a column is not what the crosswalk takes it for
_OWN: Final = 0.5  # share of a panel's fields that its files hold at least; short names such as educ and race are common to many
_TELLING: Final = 2  # so much more counts a name that no other source would give: PPETHM
_ENOUGH: Final = 3  # fields that tell one panel from another


def crosswalk_fits(columns: Sequence[Seen]) -> tuple[CrosswalkFit, ...]:
    """The panels' crosswalks that find any field, the best first. The score counts fields that are found and mapped, against the most
    that any of them finds and against half of the panel's own; below three fields nothing can be told."""
    by_name = {column.name: column for column in columns}
    missing = frozenset(code for column in columns for code in column.gaps)
    matches = {name: _matches(crosswalk(name), by_name, missing) for name in crosswalk_names()}
    most = max((sum(match.mapped >= _CLEAR for match in found) for found in matches.values()), default=0)
    fits = [_fit(name, found, most) for name, found in matches.items() if found]
    return tuple(sorted(fits, key=lambda fit: (-fit.score, fit.crosswalk)))


def demographic(column: Seen) -> DemographicColumn | None:
    """Whether a column holds something about people that one would know before the study, by its name and its label."""
    if _ASSIGNED.match(column.name) and 2 <= len(column.answers) <= _LEVELS and column.evenness >= _EVEN:
        return None  # XRACE, in two groups of one size, is whose picture was shown
    bare = _WAVE.sub("", _PREFIX.sub("", column.name))
    label = column.label or ""
    by_name = next((field for field, pattern in _NAME.items() if pattern.fullmatch(bare) or pattern.fullmatch(column.name)), None)
    short = len(label) <= 160
    by_label = next((field for field, pattern in _LABEL.items() if short and pattern.fullmatch(label.strip())), None)
    panel = _PANEL.fullmatch(column.name) is not None
    if by_name is None and by_label is None and not panel:
        return None
    reasons: list[str] = []
    score = 0.0
    if by_name is not None:
        reasons, score = [*reasons, f"named like {by_name.replace('_', ' ') or 'something known about people'}"], score + 0.5
    if by_label is not None:
        reasons, score = [*reasons, f"labelled like {by_label.replace('_', ' ') or 'something known about people'}"], score + 0.4
    if panel:
        reasons, score = [*reasons, "named like a column of a panel's profile (PP...)"], score + 0.3
    if by_name is not None and by_label is None and len(label) > 60 and not panel:
        reasons, score = [*reasons, "but its label is long, as that of a question"], score - 0.2
    field = by_label if by_label is not None and by_name in (None, "") else by_name
    return DemographicColumn(column=column.name, field=field or None, score=round(min(1.0, score), 2), reasons=tuple(reasons))


def _matches(fields: Mapping[str, FieldMap], columns: Mapping[str, Seen], missing: frozenset[int | float | str]) -> list[FieldMatch]:
    found = []
    for field, field_map in fields.items():
        name = find_column(field_map.columns, columns)
        if name is None or not columns[name].n_answered:
            continue
        column = columns[name]
        gone = frozenset(column.gaps)
        plan = field_plan(
            field, field_map, column.column, missing=gone, missing_anywhere=missing, year=2015 if field_map.birth_year else None
        )
        unmapped = []
        for code in column.answers:
            try:
                plan.value(code)
            except (KeyError, ValueError):
                unmapped.append(code)
        mapped = 1 - sum(column.count(code) for code in unmapped) / column.n_answered
        shown = tuple(code for code in unmapped if not isinstance(code, str) or column.count(code) >= 10)[:12]
        found.append(FieldMatch(field=field, column=name, mapped=round(mapped, 3), unmapped=shown))
    return found


def _fit(name: str, found: Sequence[FieldMatch], most: int) -> CrosswalkFit:
    good = [match for match in found if match.mapped >= _CLEAR]
    exact = sum(match.column in crosswalk(name)[match.field].columns for match in good)
    share = sum(match.mapped for match in good) - 0.5 * (len(found) - len(good))
    telling = sum(not any(pattern.fullmatch(match.column) for pattern in _NAME.values()) for match in good)
    own = min(1.0, (len(good) + _TELLING * telling) / (_OWN * len(crosswalk(name))))
    score = max(0.0, share / max(most, _ENOUGH)) * (0.95 + 0.05 * exact / max(len(good), 1)) * own
    reasons = [f"{len(good)} of its {len(crosswalk(name))} fields find their column, and their codes fit"]
    if len(found) > len(good):
        reasons.append(f"{len(found) - len(good)} more columns have its names with other codes")
    if own < 1:
        reasons.append("many of the panel's fields are not there: others use some of its names too, and its codes may differ")
    if len(good) < _ENOUGH:
        reasons.append("too few to tell a panel: naming the fields one by one is safer")
        score = min(score, 0.4)
    return CrosswalkFit(crosswalk=name, score=round(min(1.0, score), 3), fields=tuple(found), reasons=tuple(reasons))


def about_people(columns: Sequence[Seen]) -> dict[str, DemographicColumn]:
    """The demographic columns by name, those that are at least likely."""
    return {
        column.name: found for column in columns if (found := demographic(column)) is not None and found.score >= 0.3 and words(column.name)
    }
