"""A writer of old Word documents (.doc), as small as their format allows: for tests of the reader alone."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

IN_TABLE = struct.pack("<HB", 0x2416, 1)
ROW_END = IN_TABLE + struct.pack("<HB", 0x2417, 1)
DELETED = struct.pack("<HB", 0x0800, 1)
TABLE_SHAPE = struct.pack("<HHB", 0xD608, 4, 0) + b"\x17\x24"
"""A definition of columns whose bytes look like the mark of a row's end."""
_SECTOR, _MINI = 512, 64
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
_TEXT_AT = 1024

Run = tuple[str, bytes, bytes]
"""Text (with the mark that ends its paragraph, if it ends one), properties of the paragraph, properties of the characters."""


def word(
    body: Sequence[Run], footnotes: Sequence[Run] = (), *, wide: bool = True, flags: int = 0x0200, version: int = 193, drop: str = ""
) -> bytes:
    """A document. `wide`: the text as UTF-16, else as Windows-1252; `drop`: a stream that is left out."""
    runs = [*body, *footnotes]
    codec, width = ("utf-16-le", 2) if wide else ("cp1252", 1)
    words = "".join(text for text, _, _ in runs)
    stream = bytearray(_TEXT_AT) + words.encode(codec)
    stream += bytes(-len(stream) % 512)
    pages = []
    sizes = [len(text.encode(codec)) for text, _, _ in runs]
    for paragraphs in (True, False):
        pages.append(len(stream) // 512)
        properties = [of_paragraph if paragraphs else of_words for _, of_paragraph, of_words in runs]
        stream += _formatting(list(zip(sizes, properties, strict=True)), paragraphs=paragraphs)
    place = _TEXT_AT if wide else (_TEXT_AT * 2) | 0x40000000
    length = len(words.encode(codec)) // width
    plc = struct.pack("<2I", 0, length) + struct.pack("<HIH", 0, place, 0)
    shared = b"\x01" + struct.pack("<H", 2) + b"\x00\x00"
    end = _TEXT_AT + length * width
    parts = [shared + b"\x02" + struct.pack("<I", len(plc)) + plc, *(struct.pack("<3I", _TEXT_AT, end, page) for page in pages)]
    table = b""
    for header, part in zip((0x01A2, 0x0102, 0x00FA), parts, strict=True):
        struct.pack_into("<2I", stream, header, len(table), len(part))
        table += part
    struct.pack_into("<HH6xH", stream, 0, 0xA5EC, version, flags)
    lengths = [len("".join(text for text, _, _ in story).encode(codec)) // width for story in (body, footnotes)]
    struct.pack_into("<2I", stream, 0x4C, *lengths)
    streams = {"WordDocument": bytes(stream), "1Table" if flags & 0x0200 else "0Table": table}
    return compound({name: data for name, data in streams.items() if name != drop})


def _formatting(runs: Sequence[tuple[int, bytes]], *, paragraphs: bool) -> bytes:
    """One page: where runs begin and end, then where each one's properties stand on the page."""
    page = bytearray(512)
    borders, at = [_TEXT_AT], 510
    entry = 13 if paragraphs else 1
    for number, (length, properties) in enumerate(runs):
        borders.append(borders[-1] + length)
        if properties:
            stored = (
                bytes((0, (len(properties) + 3) // 2)) + b"\x00\x00" + properties if paragraphs else bytes((len(properties),)) + properties
            )
            at = (at - len(stored)) & ~1
            page[at : at + len(stored)] = stored
            page[4 * (len(runs) + 1) + number * entry] = at // 2
    struct.pack_into(f"<{len(borders)}I", page, 0, *borders)
    page[511] = len(runs)
    return bytes(page)


def compound(streams: Mapping[str, bytes]) -> bytes:
    """A compound file: short streams share sectors of 64 bytes, as Office writes them."""
    sectors: list[bytes] = []
    table: list[int] = []

    def chain(data: bytes) -> int:
        first, count = len(sectors), -(-len(data) // _SECTOR)
        for i in range(count):
            sectors.append(data[i * _SECTOR : (i + 1) * _SECTOR].ljust(_SECTOR, b"\x00"))
            table.append(first + i + 1 if i + 1 < count else _END)
        return first if count else _END

    mini, mini_table, places = b"", list[int](), {}
    for name, data in streams.items():
        if len(data) >= 4096:
            places[name] = chain(data)
            continue
        first, count = len(mini_table), -(-len(data) // _MINI)
        mini += data.ljust(count * _MINI, b"\x00")
        mini_table += [first + i + 1 if i + 1 < count else _END for i in range(count)]
        places[name] = first
    mini_start = chain(mini)
    mini_table += [_FREE] * (-len(mini_table) % (_SECTOR // 4))
    mini_fat = chain(struct.pack(f"<{len(mini_table)}I", *mini_table))
    names = list(streams)
    folder = _entry("Root Entry", 5, mini_start, len(mini), child=1, right=_FREE)
    for i, name in enumerate(names):
        folder += _entry(name, 2, places[name], len(streams[name]), child=_FREE, right=i + 2 if i + 1 < len(names) else _FREE)
    first_entry = chain(folder + bytes(-len(folder) % _SECTOR))
    table.append(_FAT)
    sectors.append(struct.pack("<128I", *table, *[_FREE] * (128 - len(table))))
    header = bytes.fromhex("d0cf11e0a1b11ae1").ljust(24, b"\x00") + struct.pack("<5H10x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<I2I4I", 1, first_entry, 0, 4096, mini_fat, 1, _END) + struct.pack("<I", 0)
    header += struct.pack("<109I", len(sectors) - 1, *[_FREE] * 108)
    return header + b"".join(sectors)


def _entry(name: str, kind: int, first: int, size: int, *, child: int, right: int) -> bytes:
    raw = name.encode("utf-16-le")
    return (
        raw.ljust(64, b"\x00")
        + struct.pack("<HBB3I", len(raw) + 2, kind, 1, _FREE, right, child)
        + bytes(36)
        + struct.pack("<2I", first, size)
        + bytes(4)
    )
