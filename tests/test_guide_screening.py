"""The guide from an idea to a report (tests/guides/screening.md): its commands, its file and its Python are run as they stand there."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tests.screening_answers import results
from tests.screening_tools import save_tiny_model

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "tests" / "guides" / "screening.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_guide_leads_from_an_idea_to_a_report(
    simulated_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: Callable[..., tuple[int, str, str]],
) -> None:
    """A tiny model with a good record stands in for a trained one, and the simulated studies for the field."""
    monkeypatch.chdir(tmp_path)
    save_tiny_model(tmp_path / "model")
    results(tmp_path, model="model", revision=None)
    (tmp_path / "dataset").symlink_to(simulated_dataset)
    names: dict[str, Any] = {}
    said = ""
    for language, text in BLOCK.findall(GUIDE.read_text(encoding="utf-8")):
        if language == "console":
            for line in text.splitlines():
                program, *arguments = shlex.split(line.removeprefix("$ "))
                assert program == "socsci210"
                code, out, err = command(*arguments)
                assert code == 0, err
                said += out + err
        elif language == "yaml":
            assert (tmp_path / "experiment.yaml").is_file()  # the example, which is replaced
            (tmp_path / "experiment.yaml").write_text(text, encoding="utf-8")
        else:
            assert language == "python"
            exec(compile(text, str(GUIDE), "exec"), names)
            said += capsys.readouterr().out

    run, found = tmp_path / "screening", names["found"]
    assert "Simulated answers are not people" in said
    assert (len(found.personas), len(found.answers)) == (200, 200 * 3 * 2 * 5)
    assert found.answers.equals(pq.read_table(run / "answers.parquet"))  # the command's: nothing was asked again

    record = found.screening.reliability
    assert record.refused is None and record.rows[0]["n_studies"] == 12
    assert f"all held-out studies r {record.rows[0]['r']}" in said and "no evidence" not in said
    page = (run / "page.html").read_text(encoding="utf-8")
    parts = [page.index(part) for part in ("Simulated answers are not people", 'id="reliability"', 'id="hypotheses"', 'id="effects"')]
    assert parts == sorted(parts)

    table = names["table"]
    assert sorted(table["hypothesis"]) == ["cost_hurts", "cost_worries", "experts_help"]
    assert table["probability"].between(0, 1).all() and table["probability"].is_monotonic_decreasing
    assert table.equals(pq.read_table(run / "hypotheses.parquet").to_pandas())
    assert pyarrow.csv.read_csv(run / "hypotheses.csv").column("probability").to_pylist() == pytest.approx(list(table["probability"]))
    for row in table.to_dict("records"):
        sure = not math.isnan(row["cautious"])
        assert row["n80_cautious"] >= row["n80_shrunk"] if sure else math.isnan(row["n80_cautious"])  # a smaller effect needs more people
    assert f"worth a sample: {list(names['worth']['hypothesis'])}" in said

    compared = names["compared"]
    tally = json.loads((run / "comparison.json").read_text(encoding="utf-8"))
    assert (
        len(compared) == tally["n"] == 5 and tally["study"] == "sim_rent_fees"
    )  # two arms against the control in two outcomes, and cost_worries
    assert tally["sign_right"] == (compared["reliable"] & compared["same_sign"]).sum()
    assert tally["interval"] == "after shrinkage" and "arm norm_local is only in the study" in said
    assert (run / "comparison.html").is_file()


def test_the_readme_leads_to_the_guide_and_its_links_lead_on() -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Screen a hypothesis")[2].partition("\n## ")[0]
    assert f"]({GUIDE.relative_to(ROOT)})" in section
    links = re.findall(r"\]\(([\w/.]+)#?([\w-]*)\)", GUIDE.read_text(encoding="utf-8"))
    assert len(links) == 2
    for path, heading in links:
        page = (GUIDE.parent / path).read_text(encoding="utf-8")
        headings = {re.sub(r"[^\w -]", "", line).lower().replace(" ", "-") for line in re.findall(r"^#+ (.+)$", page, re.MULTILINE)}
        assert not heading or heading in headings
