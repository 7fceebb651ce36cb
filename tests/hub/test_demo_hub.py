"""The option --hub of the demo: what it prints and how it ends. What it does is tested in tests/test_demo.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import socsci210.demo
from socsci210.demo import DemoResult
from socsci210.hub.round_trip import Leg

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("equal", [True, False])
def test_table_and_exit_code(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, equal: bool) -> None:
    made = DemoResult(tmp_path / "report.html", {}, tmp_path, tmp_path, {}, [])
    legs = [Leg("dataset me/studies", "v2", 35, 478, 0.4462, "streamed", True), Leg("model me/nano", "v1", 9, 0, 2.2, "Socrates", equal)]
    monkeypatch.setattr(socsci210.demo, "run_demo", lambda *given, **options: made)
    monkeypatch.setattr(socsci210.demo, "publish_demo", lambda *given, **options: legs)
    code, out, _ = command("demo", "--out", tmp_path / "demo", "--hub")
    assert code == (0 if equal else 1)
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert lines[0] == ["dataset me/studies", "v2", "35", "478", "0.450", "streamed", "yes"]
    assert lines[1] == ["model me/nano", "v1", "9", "0", "2.200", "Socrates", "yes" if equal else "NO"]


def test_real_deposits_do_not_go_to_the_hub_of_the_demo(command: Command, tmp_path: Path) -> None:
    code, _, told = command("demo", "--hub", "--deposits", tmp_path, "--out", tmp_path / "demo")
    assert code == 2 and "publish others with" in " ".join(told.split())
    assert not (tmp_path / "demo").exists()
