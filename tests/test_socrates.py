"""A trained model, asked: the same answers as by hand, the template of its training, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import socsci210
from socsci210.cards.model import SAMPLE
from socsci210.errors import DatasetError
from socsci210.predict import predict
from socsci210.prompts import PromptEncoder, PromptError, persona, template_hash
from socsci210.row_texts import ScaleKey
from socsci210.score import score
from tests.scored_dataset import row, write_dataset
from tests.tiny import tiny_model, tiny_tokenizer

PERSON = {"age": 34, "gender": "Female"}
QUESTION = "How likely is it? Only return an integer from 1 to 7, nothing else."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose run record says `stimulus_first`."""
    folder = tmp_path_factory.mktemp("socrates") / "model"
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "run_record.json").write_text(json.dumps({"template": "stimulus_first", "template_hash": template_hash("stimulus_first")}))
    return folder


def by_hand(folder: Path, text: str, values: list[int], template: str) -> tuple[np.ndarray, float]:
    """Probabilities by one plain forward pass for each answer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    encoder = PromptEncoder(AutoTokenizer.from_pretrained(folder), template)
    network = AutoModelForCausalLM.from_pretrained(folder).eval()
    found = []
    for value in values:
        prompt, answer = encoder.prompt(text, QUESTION), encoder.answer(value)
        log = torch.log_softmax(network(torch.tensor([[*prompt, *answer]])).logits[0].double(), dim=-1)
        found.append(sum(float(log[len(prompt) + k - 1, token].detach()) for k, token in enumerate(answer)))
    masses = np.exp(found)
    return masses / masses.sum(), float(masses.sum())


@pytest.mark.parametrize("template", [None, "upstream"])
def test_answers_are_those_of_plain_forward_passes(model: Path, template: str | None) -> None:
    answer = socsci210.Socrates(model, template=template).predict(PERSON, QUESTION, (1, 7))
    probabilities, mass = by_hand(model, persona(PERSON), list(range(1, 8)), template or "stimulus_first")
    assert answer.values == (1, 2, 3, 4, 5, 6, 7)
    assert np.allclose(answer.probabilities, probabilities, atol=1e-5)
    assert answer.answer_mass == pytest.approx(mass, rel=1e-4)
    assert answer.mean == pytest.approx(float(probabilities @ np.arange(1, 8)), abs=1e-4)


def test_persona_as_fields_or_as_text_and_scale_in_three_forms(model: Path) -> None:
    socrates = socsci210.Socrates(model)
    text = persona(PERSON)
    same = [
        socrates.predict(PERSON, QUESTION, (1, 7)),
        socrates.predict(text, QUESTION, range(1, 8)),
        socrates.predict(text.split("\n", 1)[1], QUESTION, ScaleKey(1, 7, 1)),
        *socrates.predict_many([(PERSON, QUESTION, [7, 6, 5, 4, 3, 2, 1])]),
    ]
    for other in same[1:]:
        assert other.values == same[0].values and np.allclose(other.probabilities, same[0].probabilities, atol=1e-6)
    assert socrates.predict(PERSON, QUESTION, ScaleKey(0, 100, 50)).values == (0, 50, 100)


def test_draws_follow_the_probabilities() -> None:
    answer = socsci210.Answer((1, 2, 9), (0.2, 0.5, 0.3), 0.9)
    draws = [answer.draw(seed) for seed in range(2000)]
    assert draws == [answer.draw(seed) for seed in range(2000)]
    assert np.allclose([draws.count(value) / 2000 for value in answer.values], answer.probabilities, atol=0.04)
    assert answer.mean == pytest.approx(0.2 + 1.0 + 2.7)


def test_a_dataset_is_predicted_and_can_be_scored(model: Path, tmp_path: Path) -> None:
    rows = [row(study, condition, 1 + person % 3) for study in ("a", "b") for condition in (0, 1, 2) for person in range(4)]
    dataset = write_dataset(tmp_path / "dataset", rows)
    socrates = socsci210.Socrates(model)
    out = socrates.predict_dataset(dataset, "unseen_conditions", out=tmp_path / "p.parquet", per_cell=2)
    run = score([out], dataset, controls=False).runs[0]
    assert run.template == "stimulus_first" and run.model == str(model)
    assert run.coverage.rows_predicted == 2 * 2 * 2


@pytest.mark.parametrize(
    ("person", "scale", "message"),
    [
        ({"agee": 3}, (1, 7), r"(?s)no field of a persona is called 'agee'.*age, "),
        (PERSON, (0, 101), r"scale \(0, 101\): a scale of 102 answers"),
        (PERSON, ScaleKey(None, None, 1), "a scale of 0 answers"),
        (PERSON, [3], "a scale of 1 answers"),
    ],
)
def test_what_cannot_be_asked(model: Path, person: dict[str, int], scale: tuple[int, int], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        socsci210.Socrates(model).predict(person, QUESTION, scale)


def test_a_question_without_text_is_not_asked(model: Path) -> None:
    with pytest.raises(DatasetError, match="a question without text"):
        socsci210.Socrates(model).predict(PERSON, " \n", (1, 7))


def test_no_such_model_and_other_words(model: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"(?s)no such model.*a model folder or a Hub id"):
        socsci210.Socrates(tmp_path / "nothing").predict(PERSON, QUESTION, (1, 7))
    other = tmp_path / "other"
    other.mkdir()
    (other / "run_record.json").write_text(json.dumps({"template": "upstream", "template_hash": "0" * 16}))
    with pytest.raises(PromptError, match="other words in template 'upstream'"):
        socsci210.Socrates(other)


def test_predict_refuses_other_words_too(tmp_path: Path) -> None:
    """What is asked row by row, and what is asked of a whole split, is checked alike."""
    dataset = write_dataset(tmp_path / "dataset", [row("a", c, 1) for c in (0, 1)])
    (tmp_path / "run_record.json").write_text(json.dumps({"template": "upstream", "template_hash": "0" * 16}))
    with pytest.raises(PromptError, match=r"(?s)other words in template 'upstream'.*choose a template yourself"):
        predict(engine="transformers", model=str(tmp_path), dataset=dataset, config="unseen_studies", out=tmp_path / "p.parquet")


def test_the_record_of_a_model_on_the_hub_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it a split would be asked in another template than the model's, and nothing be known of its training."""
    import huggingface_hub

    dataset = write_dataset(tmp_path / "dataset", [row("a", c, 1) for c in (0, 1)])
    record = tmp_path / "run_record.json"
    record.write_text(json.dumps({"template": "stimulus_first", "template_hash": "0" * 16}))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda model, name, **_: str(record))
    with pytest.raises(PromptError, match=r"lab/model: the model was trained with other words in template 'stimulus_first'"):
        predict(engine="transformers", model="lab/model", dataset=dataset, config="unseen_studies", out=tmp_path / "p.parquet")


def test_the_script_of_the_card_runs(model: Path, tmp_path: Path) -> None:
    script = tmp_path / "use.py"
    script.write_text(SAMPLE.format(model=model))
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5", "6", "7", "mean", "one"]
    assert sum(float(line.split()[1]) for line in lines[:7]) == pytest.approx(1.0, abs=0.01)


def test_the_package_stays_light() -> None:
    code = "import socsci210, sys; socsci210.Socrates; print('torch' in sys.modules, 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
