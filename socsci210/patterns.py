"""What the gates of the build and the rules of the audit look for. Patterns that run over many texts are RE2 (through pyarrow), the others
Python's."""

from __future__ import annotations

import re
from typing import Final

TELEPHONE: Final = "a telephone number"
EMPTY_VALUE: Final = "an empty value written out"
EMPTY_WORD: Final = r"(?:None(?:Type)?|nan|NaN|<NA>)"  # what Python writes for a value that is not there
BLANK_WORD: Final = "BLANK"
# `{code[expr]}`, `{name.part:format}`, `${...}`, `{{...}}`, `%(name)s`, an unfilled `{name}`; not `{a, b}`, `{x}` or an emoticon
PLACEHOLDER: Final = (
    r"\$\{[^{}]{1,80}\}|\{\{[^{}]{1,80}\}\}|%\([A-Za-z_]\w{0,60}\)[sdf]"
    r"|\{[A-Za-z_]\w{0,60}(?:\[[^\[\]{}]{0,60}\]|\.\w{1,60}|\([^(){}]{0,60}\)){1,4}(?:![rsa])?(?::[^{}\s]{0,20})?\}"
    r"|\{[A-Za-z_]\w{1,60}(?:![rsa])?(?::[^{}\s]{0,20})?\}"
)
RESIDUE: Final = {
    r"[{}]": "a brace",
    # `None` alone or as a value, not in "None of these", "None at all", "None or little"
    r"(^|[:=(\[,] ?)(None|none|nan|NaN|NULL|N/A)[.!?]?\s*$|\b(nan|NaN|NULL|<NA>)\b": EMPTY_VALUE,
    rf"\b{BLANK_WORD}\b|_{{4,}}": "an unfilled blank",
    r"</?[A-Za-z][^<>]*>|&(nbsp|amp|quot|lt|gt|#\d+);": "markup",
    # UTF-8 read as cp1252 or latin-1, and the replacement character
    r"â€|Ã[\x{0080}-\x{00BF}ƒ©¨¡±³¶¼]|Â[\x{00A0}-\x{00BF}]|\x{FFFD}|ï»¿|‚Ä": "mojibake",
    r"(?i)\[(programming|insert|piped?|if |display|show|randomi[sz]e|program )[^\]]*\]": "a programming note",
}
IDENTIFIERS: Final = {
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}": "an e-mail address",
    r"\b(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}\b": "an IP address",
    r"(^|[^\d.,$-])(\+?1[ .-]?)?(\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}($|[^\d,-])": TELEPHONE,
    r"\b\d{3}-\d{2}-\d{4}\b": "a social security number",
}
PERSONAL: Final = re.compile(  # names of columns that tell who somebody is, as `snake` writes them
    r"""(?ix) (.*_)? ( e_?mails?(_addr(ess)?)? | (tele|mobile_|cell_?)?phones?(_?(no|num(ber)?))? | fax | ip(_?addr(ess)?)? | ip_?v[46]
    | mac_addr(ess)? | (home_|street_|mail(ing)?_|postal_)addr(ess)? | address | street | zip(_?code)? | post(al)?_?code
    | (ssn|social_security|passport)(_?(no|num(ber)?))? | (first|last|middle|full|maiden|given|family|sur|user|screen)_?names?
    | (participant|person|respondent|patient)_?names? | dob | birth_?(date|day) | date_of_birth
    | (panel(ist)?|respondent|resp|response|case|worker|assignment|subject|person|member|user|device|recipient|session)_?id
    | prolific(_?(p?id))? | mturk(_?(worker)?_?(id|code)?) | external_?(data_?)?ref(erence)? | (location_?)?(lat(itude)?|lon(g|gitude)?)
    | gps(_?(lat|lon|coord)\w*)? | user_?agent | cookies? | signature | photo | twitter | facebook | instagram ) (_\d+)?"""
)
OPEN: Final = re.compile(  # names of columns that hold people's own words
    r"""(?ix) (.*_)? ( open(_?end(ed)?)?_?(text|response|answer|comment)?s? | oe | verbatims? | free_?(text|response)s? | comments?
    | feedback | remarks? | other_?(specify|text|please_specify) | essay | (q\d+\w*|other|answer|response)_text | self_description
    ) (_\d+)?"""
)
ELLIPSIS: Final = re.compile(r"(\.{3}|…)[\s\"'”’)]*$")
NO_ANSWER: Final = re.compile(
    r"""(?ix) \[? ( refused? | refusal | (do\s?n['’o]?t|does\snot|do\snot)\s+know | d\.?k\.? | (r\s)?(skipped|skip)(\son\sweb)?
    | not\s+asked | no\s+(answer|response) | (system\s)?missing | web\s+blank | blank | n/?a | not\s+applicable | inapplicable
    | unknown | not\s+ascertained | valid\s+skip | legitimate\s+skip ) (\s*\([^)]*\))? \]? \.?"""
)
SENTINEL: Final = re.compile(r"-[1-9]|-9+[789]?|9+[789]|7{2,}|8{2,}")

# Labels of agreement, likelihood, support, approval, belief, frequency and yes/no. No is looked for first: "disagree" holds "agree".
_NO: Final = re.compile(
    r"""(?ix) \b( disagree | unlikely | oppose | opposed | disapprove | unfavou?rabl[ey] | dissatisfied | distrust | reject
    | not\s+(at\s+all|very|too|so) | never | no | none(\s+at\s+all)? | false | incorrect
    | (definitely|certainly|probably|very|extremely|strongly)\s+(\w+\s+)?(not|un\w+|dis\w+)
    | (should|would|did|has|will)\s+not )\b"""
)
_YES: Final = re.compile(
    r"""(?ix) \b( agree | likely | support | favou?r | approve | favou?rabl[ey] | satisfied | trust | accept | a\s+great\s+deal | always
    | yes | true | correct | definitely | certainly | extremely | completely | very\s+much | should | would )\b"""
)
NEGATED: Final = re.compile(
    r"""(?ix) \b( oppos\w* | disagree\w* | disapprov\w* | unlikel\w* | unfavou?r\w* | dissatisf\w* | distrust\w* | mistrust\w*
    | reject\w* | against | refus\w* | resist\w* | den(y|ial|ies) | disbelie\w* | avers\w* | dislik\w* | un\w+ness | not | no )\b"""
)


def polarity(label: str) -> int:
    """1 for a label that says yes, -1 for one that says no, 0 where it says neither, or both."""
    if _NO.search(label):
        return -1
    return 1 if _YES.search(label) else 0


def snake(name: str) -> str:
    """A column's name as words joined by underscores: `StartDate` and `start.date` become `Start_Date` and `start_date`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).strip("_")


def excerpt(text: str, pattern: str, around: int = 30) -> str:
    """The part of a text around what a pattern finds."""
    match = re.search(pattern.replace(r"\x{", r"\u{").replace("(?i)", ""), text) if r"\x{" not in pattern else None
    if match is None:
        return text[: 2 * around]
    return text[max(0, match.start() - around) : match.end() + around]
