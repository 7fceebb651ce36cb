"""OLE compound files, the container of old Office documents: named streams in chains of sectors."""

from __future__ import annotations

import struct
from functools import cached_property
from typing import Final

from ..errors import ReadError

_FREE: Final = 0xFFFFFFFA  # this and above mark ends and unused sectors
_ENTRY: Final = 128
_STORAGE_OF_ALL, _STREAM = 5, 2


class CompoundFile:
    """The streams of a compound file. Every chain is followed at most once through each of its sectors, so a crafted one ends."""

    def __init__(self, data: bytes, where: str) -> None:
        """
        Raises:
            ReadError: the file is damaged.
        """
        self._data = data
        self._where = where
        if len(data) < 512:
            raise self._damaged("it is shorter than its own header")
        shift, mini_shift = struct.unpack_from("<2H", data, 30)
        if shift not in (9, 12) or mini_shift != 6:
            raise self._damaged("no sector size")
        self._size, self._mini_size = 1 << shift, 1 << mini_shift
        self._first_entry, _, self._cutoff, self._first_mini, _, difat, _ = struct.unpack_from("<I2I4I", data, 48)[:7]
        self._sectors = self._table_of(list(struct.unpack_from("<109I", data, 76)), difat)

    @cached_property
    def streams(self) -> dict[str, tuple[int, int]]:
        """Name -> first sector and size, of the streams in the outermost folder (embedded objects hold streams of the same names)."""
        raw = self._chain(self._first_entry)
        entries = [raw[at : at + _ENTRY] for at in range(0, len(raw) - _ENTRY + 1, _ENTRY)]
        if not entries or entries[0][66] != _STORAGE_OF_ALL:
            raise self._damaged("no folder")
        found: dict[str, tuple[int, int]] = {}
        seen, todo = set[int](), [struct.unpack_from("<I", entries[0], 76)[0]]
        while todo:
            number = todo.pop()
            if number >= len(entries) or number in seen:
                continue
            seen.add(number)
            entry = entries[number]
            length, left, right = struct.unpack_from("<H", entry, 64)[0], *struct.unpack_from("<2I", entry, 68)
            todo += [left, right]
            if entry[66] == _STREAM:
                name = entry[: max(0, min(length, 64) - 2)].decode("utf-16-le", "replace")
                found[name] = struct.unpack_from("<2I", entry, 116)
        self._mini_start, self._mini_length = struct.unpack_from("<2I", entries[0], 116)
        return found

    def read(self, name: str) -> bytes:
        """The bytes of one stream.

        Raises:
            KeyError: there is none of this name.
            ReadError: its chain is damaged.
        """
        first, size = self.streams[name]
        data = self._mini_chain(first) if size < self._cutoff else self._chain(first)
        if len(data) < size:
            raise self._damaged(f"stream {name} is cut short")
        return data[:size]

    def _table_of(self, numbers: list[int], difat: int) -> list[int]:
        """The sector that follows each sector. Its own sectors are listed in the header and, for large files, in a chain of lists."""
        seen = set[int]()
        while difat < _FREE and difat not in seen:
            seen.add(difat)
            *more, difat = struct.unpack(f"<{self._size // 4}I", self._sector(difat))
            numbers += more
        listed = [number for number in numbers if number < _FREE]
        if len(listed) > len(self._data) // self._size:
            raise self._damaged("its table of sectors is larger than the file")
        return [number for sector in listed for number in struct.unpack(f"<{self._size // 4}I", self._sector(sector))]

    def _sector(self, number: int) -> bytes:
        start = (number + 1) * self._size
        if start >= len(self._data):
            raise self._damaged(f"sector {number} lies behind its end")
        return self._data[start : start + self._size].ljust(self._size, b"\x00")  # the last one may be cut

    def _followed(self, first: int, table: list[int]) -> list[int]:
        numbers, seen = [], set[int]()
        while first < _FREE:
            if first in seen or first >= len(table):
                raise self._damaged("a chain of sectors never ends or leads out of the file")
            seen.add(first)
            numbers.append(first)
            first = table[first]
        return numbers

    def _chain(self, first: int) -> bytes:
        return b"".join(self._sector(number) for number in self._followed(first, self._sectors))

    @cached_property
    def _mini(self) -> tuple[list[int], bytes]:
        """The table of small sectors, and the stream that holds them."""
        table = self._chain(self._first_mini)
        return list(struct.unpack(f"<{len(table) // 4}I", table)), self._chain(self._mini_start)[: self._mini_length]

    def _mini_chain(self, first: int) -> bytes:
        table, held = self._mini
        return b"".join(held[number * self._mini_size : (number + 1) * self._mini_size] for number in self._followed(first, table))

    def _damaged(self, what: str) -> ReadError:
        return ReadError(f"the file is damaged: {what}", where=self._where, expected="an old Office file", fix="fetch it again")
