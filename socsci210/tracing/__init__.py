"""Reasoning traces: for rows that are trained on, a language model that is shown the answer writes how a person may have come to it.

They are what the `reasoning` objective learns from (`train: rationales`). Nothing that is scored has one: they are written for training
rows alone, marked as written with the answer known, and read for training rows alone (socsci210.reasoning).
"""

from .options import TraceError, TraceOptions
from .run import Traced, trace

__all__ = ["TraceError", "TraceOptions", "Traced", "trace"]
