"""Markdown as cards need it: text from outside made harmless, and a page cut into sections of blocks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import jinja2

_SPECIAL: Final = re.compile(r"([\\`*\[\]<>|~$]|(?<!\w)_|_(?!\w))")
_ENTITY: Final = re.compile(r"&(?=#?\w+;)")
_LEADING: Final = re.compile(r"^([#+=:-]|\d+(?=[.)](?:\s|$)))")
_ADDRESS: Final = re.compile(r"https?://[^\s]+")
_HEADING: Final = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
MARK: Final = re.compile(r"<!-- socsci210( keys)?:((?: [\w:,-]+)*) -->")
"""What a generator leaves behind: hashes of the blocks of a section, or of the keys of the front matter."""


# --- text from outside -------------------------------------------------------------------------------------------------------------------


def escaped(text: object) -> str:
    """A title, a name or a sentence from outside as one line of Markdown that shows these characters and does nothing else."""
    line = _SPECIAL.sub(r"\\\1", _ENTITY.sub("&amp;", " ".join(str(text).split())))
    return _LEADING.sub(lambda found: rf"\{found[1]}" if not found[1].isdigit() else found[1] + "\\", line)


def code(text: object) -> str:
    """An id or a path in backticks, also inside a table."""
    return "`" + " ".join(str(text).split()).replace("`", "'").replace("|", "/") + "`"


def link(address: object) -> str:
    """An address as a link; what is no web address is shown as text."""
    text = str(address).strip()
    return f"<{_quoted(text)}>" if _ADDRESS.fullmatch(text) else escaped(text)


def linked(text: str, address: object) -> str:
    """Finished Markdown that leads to an address; without a link where it is no web address."""
    found = str(address).strip()
    return f"[{text}](<{_quoted(found)}>)" if _ADDRESS.fullmatch(found) else text


def _quoted(address: str) -> str:
    return quote(address, safe="/:?#@!$&'()*+,;=%~-._")


def template(name: str) -> jinja2.Template:
    """A template of this folder, with filters for everything that it may be given."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), undefined=jinja2.StrictUndefined, keep_trailing_newline=True,
        autoescape=False, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"cell": escaped, "code": code, "link": link, "linked": linked, "n": _count, "percent": _percent}
    return environment.get_template(name)


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _percent(share: float) -> str:
    """A share as a percentage; what is little or nearly all is not rounded to none or all."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f} %"


# --- sections ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Section:
    """A heading, as it is written, and the blocks below it up to the next heading. What stands before the first has no heading."""

    heading: str | None
    blocks: tuple[str, ...]

    @property
    def level(self) -> int:
        """1 to 6; 0 without a heading."""
        found = _HEADING.match(self.heading or "")
        return len(found[1]) if found else 0

    @property
    def name(self) -> str:
        """The heading's words, by which sections are told apart."""
        found = _HEADING.match(self.heading or "")
        return " ".join((found[2] or "").split()).casefold() if found else ""


def sections(body: str) -> list[Section]:
    """Cut a page into sections. The first one has no heading and may be empty."""
    found = [Section(None, ())]
    for block in _blocks(body.replace("\r\n", "\n").replace("\r", "\n").split("\n")):
        if _HEADING.match(block):
            found.append(Section(block.strip(), ()))
        else:
            found[-1] = Section(found[-1].heading, (*found[-1].blocks, block))
    return found


def block_hash(block: str) -> str:
    """12 hex digits over the words of a block and its lines, without what editors change unasked: spaces at their ends."""
    return hashlib.sha256("\n".join(line.rstrip() for line in block.strip().splitlines()).encode()).hexdigest()[:12]


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    """Headings and marks alone; other lines up to an empty one; code fences and comments whole, whatever they hold."""
    block: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at].rstrip() if not lines[at].strip() else lines[at]
        alone = _HEADING.match(line) or _is_mark(line)
        if block and (not line or alone):
            yield "\n".join(block)
            block = []
        if alone:
            yield line.strip()
        elif line and (closing := _opens(line)):
            whole, at = _whole(lines, at, closing)
            block += whole
            continue
        elif line:
            block.append(line)
        at += 1
    if block:
        yield "\n".join(block)


def _whole(lines: Sequence[str], at: int, closing: str) -> tuple[list[str], int]:
    """The lines of a fence or comment, and the place behind it. One that nobody closed ends where the section does, and is closed."""
    stop = next((place for place in range(at + 1, len(lines)) if _is_mark(lines[place])), len(lines))
    end = next((place for place in range(at + 1, stop) if _closes(lines[place], closing)), None)
    if end is not None:
        return list(lines[at : end + 1]), end + 1
    return ["\n".join(lines[at:stop]).rstrip("\n"), closing], stop


def _is_mark(line: str) -> bool:
    return MARK.fullmatch(line.strip()) is not None


def _opens(line: str) -> str | None:
    """What closes the fence or the comment that a line opens."""
    if fence := _FENCE.match(line):
        return fence[1]
    return "-->" if line.lstrip().startswith("<!--") and "-->" not in line else None


def _closes(line: str, closing: str) -> bool:
    if closing == "-->":
        return "-->" in line
    return line.strip().startswith(closing) and not line.strip().strip(closing[0])
