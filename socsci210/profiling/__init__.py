"""Profiles of deposits: what a person or a model needs to know to write a study file, with candidates for each of its parts.

Every candidate has a score between 0 and 1 and its reasons in words. A profile proposes; it decides nothing.
"""

from .deposit import profile_deposit
from .markdown import to_markdown
from .records import Profile

__all__ = ["Profile", "profile_deposit", "to_markdown"]
