"""Fetching deposits: from OSF, a Dataverse, TESS or the web, through a cache, to a folder that records where everything is from."""

from __future__ import annotations

from .listing import FetchError
from .run import Fetched, Fetcher, Plan
from .settings import Settings

__all__ = ["FetchError", "Fetched", "Fetcher", "Plan", "Settings"]
