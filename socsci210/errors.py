"""The one exception family of the package.

Every message says what was found, where (file, row, column), what was expected and what to do. The base class builds such a message
of its parts, so that no module invents its own layout.
"""

from __future__ import annotations


class SocSciError(Exception):
    """Anything wrong with a user's input. The CLI prints its message and exits with code 1, without a traceback.

    Args:
        found: what was found.
        where: file, row and column (or key), as narrow as is known.
        expected: what would have been right.
        fix: what the user can do.
    """

    def __init__(self, found: str, *, where: str = "", expected: str = "", fix: str = "") -> None:
        self.found, self.where, self.expected, self.fix = found, where, expected, fix
        parts = [f"{where}: {found}" if where else found]
        if expected:
            parts.append(f"Expected: {expected}")
        if fix:
            parts.append(f"Fix: {fix}")
        super().__init__("\n  ".join(parts))


def refused_by_system(error: OSError) -> SocSciError:
    """What the operating system refused (a folder that may not be written to, a full disk), as a message for the user.

    Raises:
        OSError: `error` itself, where it is not of the operating system: then it is a fault of ours, and its traceback is wanted.
    """
    if error.errno is None:
        raise error
    fix = "check that the folder is there and may be written to, and that the disk has space; then run the same command again"
    return SocSciError(str(error.strerror).lower(), where=str(error.filename or ""), fix=fix)


class ReadError(SocSciError):
    """A deposit file that cannot be read, or is not what it claims to be."""


class StudyFileError(SocSciError):
    """A study file that breaks its own format or does not fit its deposit."""


class ExpressionError(StudyFileError):
    """An SQL expression that is not allowed, fails, or takes too long."""


class GateError(SocSciError):
    """A study that was read but fails a validation gate. `gate` names it."""

    def __init__(self, gate: str, found: str, *, where: str = "", expected: str = "", fix: str = "") -> None:
        self.gate = gate
        super().__init__(f"[{gate}] {found}", where=where, expected=expected, fix=fix)


class DatasetError(SocSciError):
    """A dataset folder, prediction file or result that is missing, incomplete or inconsistent."""


class HubError(SocSciError):
    """Something that may not be published, or a Hub that refused it, failed, or holds something else than was expected."""
