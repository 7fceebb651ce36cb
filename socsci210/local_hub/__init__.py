"""A small Hub on this machine, for tests and for `socsci210 demo --hub`: both sides of the protocol that the public clients speak."""

from .faults import Fault
from .repositories import Blob, Commit, Kind, Repository
from .server import LocalHub
from .state import ME
from .users import User

__all__ = ["ME", "Blob", "Commit", "Fault", "Kind", "LocalHub", "Repository", "User"]
