"""The commands for the released SocSci210, on a made release: what they print, and what they exit with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_import_and_audit_with_the_release_s_own_expectations(
    command, monkeypatch: pytest.MonkeyPatch, made_release: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    dataset, page = tmp_path / "dataset", tmp_path / "audit.html"
    code, out, err = command("import-release", made_release, "--out", dataset)
    assert (code, out.strip()) == (0, str(dataset))
    assert "17 of 17 row files" in err and "condition_offset" in err

    code, out, _ = command("import-release", made_release, "--out", dataset, "--json")
    again = json.loads(out)
    assert code == 0 and again["unchanged"]
    verdicts = {check["what"]: check["verdict"] for check in again["checks"]}
    assert (verdicts["rows"], verdicts["studies"]) == ("different", "equal")  # 60,000 rows of 210 studies

    code, out, err = command("audit", dataset, "--parity", "--expected", made_release / "expected.json", "--out", page, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert all(line["match"] for line in found["parity"] if line["expected"] is not None)
    assert found["rules"]["condition_offset"]["studies"] == 1
    assert "8ctbk" in page.read_text(encoding="utf-8")

    code, out, _ = command("audit", dataset, "--parity")  # against the figures of the real release it does not match, and says so
    assert code == 1 and "NO" in out and "482,642" in out


def test_a_wrong_option_is_a_message(command, tmp_path: Path) -> None:
    code, _, err = command("audit", tmp_path, "--expected", tmp_path / "expected.json")
    assert code == 1 and "add --parity" in err
    code, _, err = command("import-release", tmp_path / "nowhere" / "at" / "all", "--out", tmp_path / "dataset")
    assert code == 1 and "nowhere" in err and "Traceback" not in err
    assert not (tmp_path / "dataset").exists()
