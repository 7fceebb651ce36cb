"""Whether a higher answer means more of it, told from the labels of both ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

_WORDS: Final = re.compile(r"[a-z]+")
_NEGATIONS: Final = ("un", "dis", "in", "im", "ir", "il", "non")
_LESS: Final = re.compile(
    r"(?:not?|none|never|nothing|neither|nobody|hardly|least|less|lower|lowest|little|low|few|fewer|few|rarely|seldom|false|"
    r"dis(?!tinct|cuss|play|trict|tance)[a-z]{4,}|un(?!der|til|ion|it|iv|less|iq)[a-z]{3,}|"
    r"in(?:accurate|effective|sincere|competent|appropriate|correct|adequate|efficient|frequently)|im(?:possible|probable|moral|proper)|ir(?:relevant|responsible)|dishonest|illegal|"
    r"oppos\w*|against|reject\w*|negative\w*|decreas\w*|worse|worst|bad|badly|poor|poorly|cold|weak\w*|small\w*|harmful|reduce\w*|wors\w*)",
    re.IGNORECASE,
)
_MORE: Final = re.compile(
    r"(?:yes|true|always|every|all|agree\w*|likely|support\w*|favou?r\w*|approv\w*|satisf\w*|very|extremely|completely|totally|entirely|"
    r"definitely|certainly|strongly|highly|most|more|higher|highest|high|much|lots?|many|great\w*|often|frequently|positive\w*|increas\w*|"
    r"better|best|good|excellent|warm|strong\w*|large\w*|benefi\w*|fair|confident|willing|accept\w*|important|trust\w*|improve\w*|for)",
    re.IGNORECASE,
)


def direction(labels: Mapping[int, str], low: int, high: int) -> Literal["up", "down", "unknown"]:
    """`up` where the upper end is worded as more of it (agree, likely, very, yes) and the lower end as less (dis-, un-, not, oppose).

    A word of less outweighs words of more beside it (`strongly disagree`, `not very likely`). Other pairs of labels are unknown.
    """
    if low not in labels or high not in labels:
        return "unknown"
    lower, upper = (set(_WORDS.findall(labels[end].lower())) for end in (low, high))
    low_side, high_side = _side(lower - upper, upper), _side(upper - lower, lower)  # what both ends say tells nothing
    sides = (low_side if lower - upper else -high_side, high_side if upper - lower else -low_side)
    return "up" if sides == (-1, 1) else "down" if sides == (1, -1) else "unknown"


def _side(words: set[str], other: set[str]) -> int:
    """-1 for less, 1 for more, 0 for neither. Of two words like `kind` and `unkind` the bare one is more."""
    if any(prefix + word in other for word in words for prefix in _NEGATIONS):
        return 1
    if any(word.startswith(prefix) and word.removeprefix(prefix) in other for word in words for prefix in _NEGATIONS):
        return -1
    if any(_LESS.fullmatch(word) for word in words) and "difference" not in words:
        return -1
    return 1 if any(_MORE.fullmatch(word) for word in words) else 0
