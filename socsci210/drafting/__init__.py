"""Draft: an agent on any OpenAI-compatible model writes the study file of a deposit, gates answer, it repairs.

What the model sends is data. It is checked, never executed; it reads no file, network or code. What leaves the machine are labels, counts
that give nobody away, and blocks of documents: never a row, an id or somebody's own words.
"""

from .agent import Draft, draft
from .budget import Budget

__all__ = ["Budget", "Draft", "draft"]
