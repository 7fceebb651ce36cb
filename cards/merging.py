"""Cards that people edit: what a generator wrote is told apart from what a person did, and a new card keeps the latter.

Every section of a generated card ends with a comment that holds the hashes of its blocks (a heading, a paragraph, a list, a table, code),
and the page begins with one that holds the hashes of the front matter. What stands in a published card and has no such hash is a person's.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from ..errors import HubError
from .markdown import MARK, Section, block_hash, sections

OWNED: Final = ("configs", "dataset_info", "sdk", "sdk_version", "app_file", "app_port")
"""Keys that tell the Hub's programs how to read the repository: they follow its files, whatever a person made of them."""
_INDEX: Final = "model-index"
_SHOWN: Final = 60
_ALIKE: Final = 0.7
_COMPARED: Final = 1000
_Theirs = tuple[int, str | None, str]


def mark(text: str) -> str:
    """A finished card with the hashes of everything in it."""
    return _Merge(text, None).text


def merge(generated: str, published: str) -> str:
    """A generated card with what people wrote into the published one.

    A paragraph that a person wrote stays in its section, where it was; a section of theirs stays behind the one that it followed. Of the
    front matter, keys that a person added or changed stay, and so do items that they added to lists; but not `OWNED`.

    Args:
        generated: the new card.
        published: the card as it stands on the Hub.

    Raises:
        HubError: the front matter of one of them is no YAML mapping.
    """
    return _Merge(generated, published).text


def merge_notes(generated: str, published: str) -> tuple[str, ...]:
    """What `merge` keeps of people's work and what it could not keep, a line each."""
    return tuple(_Merge(generated, published).notes)


def split_card(text: str, where: str = "README.md") -> tuple[dict[str, Any], str]:
    """(front matter, page) of a card.

    Raises:
        HubError: the front matter is no YAML mapping.
    """
    from huggingface_hub.repocard import REGEX_YAML_BLOCK  # what the Hub itself takes for front matter

    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    found = REGEX_YAML_BLOCK.search(text)
    if found is None:
        return {}, text
    try:
        data = yaml.safe_load(found[2])
    except yaml.YAMLError as error:
        raise HubError(f"its front matter does not read ({error})", where=where, fix="repair the YAML at the top of the card") from error
    if not isinstance(data or {}, dict):
        raise HubError(
            f"its front matter is a {type(data).__name__}", where=where, expected="a mapping of keys to values", fix="repair the YAML"
        )
    return {str(key): value for key, value in (data or {}).items()}, text[found.end() :]


@dataclass
class _Place:
    """A generated section, how people have its heading, what they added to it, and the sections of theirs behind it."""

    section: Section
    heading: str | None
    theirs: list[_Theirs] = field(default_factory=list)
    behind: list[Section] = field(default_factory=list)


class _Merge:
    """The work of one merge; `published` is None for a card that is only marked."""

    def __init__(self, generated: str, published: str | None) -> None:
        self.notes: list[str] = []
        data, body = split_card(generated, "the generated card")
        self._places = [_Place(Section(one.heading, tuple(_words(one))), one.heading) for one in sections(body)]
        self._new = {block_hash(block) for place in self._places for block in (place.section.heading or "", *place.section.blocks)}
        merged = data
        if published is not None:
            old, page = split_card(published, "the published card")
            found = sections(page)
            self._blocks, keys = _marks(found)
            merged = self._front(data, old, keys)
            self._body(found)
        header = yaml.safe_dump(merged, sort_keys=False, allow_unicode=True, width=1000) if merged else ""
        self.text = f"---\n{header}---\n\n{_key_mark(data)}\n\n{self._page()}"

    # --- front matter

    def _front(self, new: dict[str, Any], old: dict[str, Any], known: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        out = dict(new)
        for key, value in old.items():
            ours, recorded = _items(key, new.get(key)), known.get(key, ())
            theirs = [item for item in _items(key, value) if _hash(item) not in recorded and item not in ours]
            if not theirs:
                continue
            if key in OWNED:
                self.notes.append(f"front matter: {key} follows the files; what a person made of it is not kept")
                continue
            out[key] = _joined(key, new.get(key), value, theirs)
            self.notes.append(f"front matter: {key} as people have it")
        return out

    # --- page

    def _body(self, published: Sequence[Section]) -> None:
        last = 0
        title = next((section for section in published if section.level == 1), None)  # further ones are sections
        for section, theirs in self._of_people(published):
            place = self._match(section, is_title=section is title)
            if place is None:
                last = self._keep_section(section, theirs, last)
                continue
            last = self._places.index(place)
            if section is title and section.heading and block_hash(section.heading) not in self._blocks | self._new:
                self.notes.append(f"title: {_start(section.heading)!r} as people have it")
                place.heading = section.heading
            place.theirs += theirs  # a heading may stand twice
            for _, _, block in theirs:
                self._tell(section, block, place.section)

    def _of_people(self, published: Sequence[Section]) -> Iterator[tuple[Section, list[_Theirs]]]:
        """Each section with its blocks that people wrote: how many generated ones stand before, the hash of the last of them, the block."""
        for section in published:
            theirs: list[_Theirs] = []
            before, anchor = 0, None
            for block in _words(section):
                found = block_hash(block)
                if found in self._blocks or found in self._new:
                    before, anchor = before + 1, found
                else:
                    theirs.append((before, anchor, block))
            yield section, theirs

    def _match(self, section: Section, *, is_title: bool) -> _Place | None:
        """The generated section that a published one was, or is."""
        if is_title:
            return next((place for place in self._places if place.section.level == 1), None)
        headed = section.heading is not None
        same = (place for place in self._places if (place.section.heading is not None) == headed and place.section.name == section.name)
        return next(same, None)

    def _keep_section(self, section: Section, theirs: list[_Theirs], last: int) -> int:
        """Keep a section that is not generated, or not any more, behind the one that it followed; return where that is."""
        ours = block_hash(section.heading or "") in self._blocks
        emptied = len(theirs) < len(list(_words(section)))
        if not theirs and (ours or emptied):
            if not ours:
                self.notes.append(f"heading {_start(section.heading or '')!r} is not kept: all below it was generated")
            return last
        while last + 1 < len(self._places) and self._places[last + 1].section.level > section.level:
            last += 1
        self._places[last].behind.append(Section(section.heading, tuple(block for _, _, block in theirs)))
        self.notes.append(f"section {_start(section.heading or '')!r} of people is kept")
        return last

    def _tell(self, section: Section, block: str, new: Section) -> None:
        where = section.heading.lstrip("# ") if section.heading else "the top"
        edited = any(_shared(block[:_COMPARED], one[:_COMPARED]) > _ALIKE for one in new.blocks)
        what = "an edited paragraph is kept beside the new one" if edited else "a paragraph of people is kept"
        self.notes.append(f"{where}: {what}: {_start(block)!r}")

    def _page(self) -> str:
        out: list[str] = []
        for place in self._places:
            own = [block for block in (place.heading, *_interleaved(place.section.blocks, place.theirs)) if block]
            hashes = [block_hash(block) for block in (place.section.heading, *place.section.blocks) if block]
            if own:
                out += [*own, f"<!-- socsci210: {' '.join(hashes)} -->"] if hashes else own
            for section in place.behind:
                out += [section.heading or "", *section.blocks]
        return "\n\n".join(out) + "\n"


def _words(section: Section) -> Iterator[str]:
    return (block for block in section.blocks if not MARK.fullmatch(block))


def _marks(found: Sequence[Section]) -> tuple[set[str], dict[str, list[str]]]:
    """What a published card says was generated: hashes of blocks, and of the values of keys."""
    blocks: set[str] = set()
    keys: dict[str, list[str]] = {}
    for mark_ in (MARK.fullmatch(block) for section in found for block in section.blocks):
        if mark_ is not None and mark_[1]:
            keys |= {key: hashes.split(",") for key, _, hashes in (part.rpartition(":") for part in mark_[2].split())}
        elif mark_ is not None:
            blocks.update(mark_[2].split())
    return blocks, keys


def _interleaved(blocks: Sequence[str], theirs: Sequence[_Theirs]) -> list[str]:
    """Generated blocks and people's: each of these behind the one that it followed, or, where that is gone, behind as many."""
    hashes = [block_hash(block) for block in blocks]
    behind: list[list[str]] = [[] for _ in range(len(blocks) + 1)]
    for before, anchor, block in theirs:
        behind[hashes.index(anchor) + 1 if anchor in hashes else min(before, len(blocks))].append(block)
    return [*behind[0], *(block for own, added in zip(blocks, behind[1:], strict=True) for block in (own, *added))]


def _key_mark(data: Mapping[str, Any]) -> str:
    parts = [f"{key}:{','.join(_hash(item) for item in items)}" for key, value in data.items() if (items := _items(key, value))]
    return f"<!-- socsci210 keys: {' '.join(parts)} -->"


def _items(key: str, value: object) -> list[Any]:
    """What of a value a person may add: items of a list, single evaluation results, or the value as a whole."""
    if value is None:
        return []
    if key == _INDEX:
        return [one for model in value if isinstance(model, dict) for one in model.get("results") or []] if isinstance(value, list) else []
    return list(value) if isinstance(value, list) else [value]


def _joined(key: str, new: Any, old: Any, theirs: list[Any]) -> Any:
    """A value with what people made of it."""
    if key == _INDEX:
        first = (new or old)[0]
        return [{"name": first.get("name", ""), "results": [*_items(key, new), *theirs]}]
    if isinstance(new, list):
        return [*new, *theirs]
    return theirs if isinstance(old, list) else old


def _hash(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]


def _shared(a: str, b: str) -> float:
    """How much of the shorter text stands in the other, in the same order."""
    matched = sum(part.size for part in difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks())
    return matched / max(min(len(a), len(b)), 1)


def _start(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "..."
