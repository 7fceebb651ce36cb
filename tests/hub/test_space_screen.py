"""What stands behind the app's tab for experiments, without a browser."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from socsci210.errors import SocSciError
from socsci210.screening.example import example_text
from socsci210.screening.experiment_file import read_experiment
from socsci210.space.form import experiment_text
from socsci210.space.screen import MAX_PAIRS, screen
from tests.tiny import tiny_model, tiny_tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_the_example_is_screened_and_leaves_nothing(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[tuple[int, int]] = []
    found, page = screen(model, example_text(), 6, tell=lambda done, of: seen.append((done, of)))
    assert found.screening.people == 6 and found.screening.hypotheses.num_rows == 3
    assert seen[-1][0] == seen[-1][1]
    assert page.index("Simulated answers are not people") < page.index("There is no evidence") < page.index('id="hypotheses"')
    assert list(tmp_path.iterdir()) == []


TEXTS = [("Nothing", ""), ("Cost: 40", "It will cost 40 dollars: # each."), ("Time", "It saves 20 minutes.")]


def test_a_form_writes_an_experiment_file(tmp_path: Path) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_text(
        experiment_text("Bus: yes?", TEXTS, "Support", "How much?", "1 = No, 7 = Yes", direction="down", expected="less"), encoding="utf-8"
    )
    read = read_experiment(file)
    assert read.title == "Bus: yes?" and [(arm.label, arm.text, arm.control) for arm in read.arms] == [
        (name, text, not at) for at, (name, text) in enumerate(TEXTS)
    ]
    scale = read.outcomes[0].scale
    assert (scale.min, scale.max, scale.direction, dict(scale.labels)) == (1, 7, "down", {1: "No", 7: "Yes"})
    assert [(one.arm, one.direction) for one in read.hypotheses] == [("text_2", "less"), ("text_3", "less")]
    assert read.marginals == read_experiment(yaml.safe_load(example_text())).marginals


@pytest.mark.parametrize(
    ("changed", "where"),
    [({"title": " "}, "Title"), ({"label": ""}, "What the answers measure"), ({"texts": TEXTS[:1]}, "Texts to compare"),
     ({"texts": [("A", "x"), ("B", "x")]}, "Text 2"), ({"question": ""}, "Question"), ({"scale": "often"}, "Answers")],
)  # fmt: skip
def test_a_form_that_is_not_filled_in(changed: dict[str, Any], where: str) -> None:
    given = {"title": "T", "texts": TEXTS, "label": "L", "question": "Q?", "scale": "1 to 7"} | changed
    with pytest.raises(SocSciError) as refused:
        experiment_text(**given, direction="up", expected="more")
    assert refused.value.where == where and refused.value.fix


def test_it_stops_when_it_takes_too_long(model: str) -> None:
    ticks = iter(range(0, 100_000, 200))
    with pytest.raises(SocSciError, match=r"after 120 seconds .* prompts were answered"):
        screen(model, example_text(), 20, clock=lambda: float(next(ticks)))


@pytest.mark.parametrize(
    ("text", "people", "told"),
    [
        (example_text(), MAX_PAIRS // 3 + 1, "101 personas in 3 arms"),
        (example_text(), 0, "0 personas"),
        ("title: [", 5, "experiment.yaml"),
        ("x" * 200_001, 5, "200,001 characters"),
    ],
)
def test_what_cannot_be_screened(text: str, people: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(SocSciError) as refused:
        screen("nowhere", text, people)
    assert told in f"{refused.value.where} {refused.value.found}" and str(tmp_path) not in refused.value.where
    assert list(tmp_path.iterdir()) == []
