"""Review: one page with everything that a person needs to accept, edit or refuse a study file, and the decision recorded in it."""

from __future__ import annotations

from .collect import Sheet, collect
from .page import page
from .record import record, version
from .server import ReviewServer
from .statements import statements

__all__ = ["ReviewServer", "Sheet", "collect", "page", "record", "statements", "version"]
