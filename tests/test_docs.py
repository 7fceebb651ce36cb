"""The documents name commands, options and paths that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from socsci210.audit import RULES
from socsci210.audit.page import ACTIONS
from socsci210.cli import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "loaders/README.md")
GROUP = typer.main.get_command(app)


def options_of(command: Any) -> set[str]:
    """All options of a command, or of the commands of a group."""
    own = {option for p in command.params for option in p.opts}
    return own.union(*(options_of(one) for one in getattr(command, "commands", {}).values()))


COMMANDS = {name: options_of(command) for name, command in GROUP.commands.items()}  # type: ignore[attr-defined]


def invocations(text: str) -> list[tuple[str, list[str]]]:
    """(command, options) of every `socsci210 COMMAND ...` in a page."""
    found = re.findall(r"(?:^\$ |`|bin/)socsci210 ([a-z][\w-]*)([^`\n#]*)", text, re.MULTILINE)
    return [(name, re.findall(r"--[\w-]+", rest)) for name, rest in found]


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_exist(page: str) -> None:
    found = invocations((ROOT / page).read_text(encoding="utf-8"))
    assert found
    for name, options in found:
        assert name in COMMANDS, f"{page}: socsci210 {name}"
        if name != "train":  # its options are the keys of the run config
            assert set(options) <= COMMANDS[name], f"{page}: socsci210 {name} {options}"


def test_help_explains_every_command_argument_and_option() -> None:
    def silent(command: Any, name: str) -> list[str]:
        inner = getattr(command, "commands", {})
        found = [f"{name} {p.name}" for p in command.params if not p.help and not getattr(p, "hidden", False)] if not inner else []
        return found + ([] if command.help else [name]) + [one for sub in inner for one in silent(inner[sub], f"{name} {sub}")]

    assert silent(GROUP, "socsci210") == []


@pytest.mark.parametrize("page", PAGES)
def test_paths_exist(page: str) -> None:
    named = re.findall(r"`((?:socsci210|loaders|train|metrics|cards|tests)/[\w./-]+)`", (ROOT / page).read_text(encoding="utf-8"))
    missing = [path for path in named if not (ROOT / path).exists()]
    assert missing == []


def test_files_the_readme_shows_are_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in re.findall(r"\]\(([\w/.-]+)\)", readme):
        assert (ROOT / path).exists(), path


def test_the_readme_lists_every_rule_of_the_audit() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", text.partition("## The released SocSci210")[2].partition("\n## ")[0], re.M)
    assert told == [(rule.name, rule.title, ACTIONS[rule.action]) for rule in RULES.values()]
