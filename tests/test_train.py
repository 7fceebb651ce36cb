"""Training: answer tokens only, the same whatever the batching, exact resume, and what is refused."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
import yaml

from socsci210.dataset_folder import DatasetFolder
from socsci210.prompts import PromptEncoder, persona, template_hash
from socsci210.row_texts import distinct_texts
from socsci210.train import loop as loop_module
from socsci210.train.config import TrainError, read_config, resolve
from socsci210.train.data import Examples, Order, assert_no_held_out, collate, training_rows
from socsci210.train.loop import learning_rate, train
from socsci210.train.nano import train_tokenizer
from socsci210.train.objective import answer_loss
from socsci210.train.per_split import train_per_split
from tests.tiny import tiny_model, tiny_tokenizer
from tests.tiny_dataset import write_tiny_dataset

ALL = ["unseen_studies", "unseen_conditions", "unseen_outcomes", "unseen_participants"]
NANO = {"hidden_size": 16, "intermediate_size": 24, "layers": 1, "heads": 2, "vocab_size": 320, "context": 512}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("train") / "dataset")


def settings(dataset: Path, output: Path, **changes: Any) -> dict[str, Any]:
    base = {
        "dataset": str(dataset), "output": str(output), "train_on": ALL, "nano": NANO, "max_steps": 4, "batch_size": 4,
        "learning_rate": 1e-2, "seed": 3,
    }  # fmt: skip
    return base | changes


def run(dataset: Path, output: Path, **changes: Any) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    train(resolve(settings(dataset, output, **changes)), say=lambda text: None)
    return load_file(output / "model.safetensors")


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


# --- rows ------------------------------------------------------------------------------------------------------------------------------


def test_only_rows_on_the_train_side_of_every_config(dataset: Path) -> None:
    folder = DatasetFolder(dataset)
    rows = training_rows(folder, ALL).to_pylist()
    expected = {
        (r["study_id"], r["sample_id"])
        for r in folder.rows("all").to_pylist()
        if r["study_id"] != "unseen" and r["condition_num"] != 2 and r["task_num"] != 1 and r["participant"] % 2 == 0
    }
    assert {(r["study_id"], r["sample_id"]) for r in rows} == expected
    assert len(rows) == len(expected) == 16


def test_held_out_rows_are_refused_by_the_published_assignments(dataset: Path) -> None:
    folder = DatasetFolder(dataset)
    everything, assignments = folder.rows("all"), folder.table("assignments")
    seen = everything.filter(pc.not_equal(everything.column("study_id").cast("string"), "unseen"))
    with pytest.raises(TrainError, match=r"study (first|second), condition_num 2: 2 units of unseen_conditions"):
        assert_no_held_out(seen, assignments, ["unseen_conditions"])
    with pytest.raises(TrainError, match="study unseen: 1 units of unseen_studies"):
        assert_no_held_out(everything, assignments, ["unseen_studies"])
    mixed = assignments.set_column(3, "split", pa.array(["mixed"] * len(assignments)))  # published on both sides: its training rows may be
    assert assert_no_held_out(seen, mixed, ["unseen_conditions"]) == {"unseen_conditions": 6}
    checked = assert_no_held_out(training_rows(folder, ALL), assignments, ALL)
    assert checked == {"unseen_studies": 2, "unseen_conditions": 4, "unseen_outcomes": 2, "unseen_participants": 16}


def test_no_common_train_side(dataset: Path, tmp_path: Path) -> None:
    only_held_out = [row for row in DatasetFolder(dataset).rows("all").to_pylist() if row["task_num"] == 1]
    folder = DatasetFolder(write_tiny_dataset(tmp_path / "d", only_held_out))
    with pytest.raises(TrainError, match="train on fewer configs"):
        training_rows(folder, ["unseen_participants", "unseen_outcomes"])


# --- examples, batches, order ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def examples(dataset: Path) -> Examples:
    folder = DatasetFolder(dataset)
    return Examples(folder.rows("all"), folder, PromptEncoder(tiny_tokenizer()), context=2048)


def test_batch_holds_prompts_and_answers_as_prediction_sees_them(examples: Examples, dataset: Path) -> None:
    rows = DatasetFolder(dataset).rows("all").to_pylist()
    picked = [0, 1, 50, 143]
    batch = collate(examples, [[row] for row in picked], pad=0)
    for line, number in enumerate(picked):
        row = rows[number]
        prompt = examples.encoder.prompt(persona(row["demographic"]), row["stimuli"])
        answer = examples.encoder.answer(row["response"])
        read = batch.ids[line][batch.mask[line].bool()].tolist()
        assert read == [*prompt, *answer[:-1]]
        assert batch.targets[line][batch.weights[line] > 0].tolist() == list(answer)
        assert batch.positions[line][batch.mask[line].bool()].tolist() == list(range(len(read)))
        assert examples.lengths[number] == len(prompt) + len(answer)


def test_loss_is_the_cross_entropy_of_the_answer_tokens(examples: Examples) -> None:
    model = tiny_model(examples.encoder.tokenizer)
    picked = [0, 7, 50, 99]
    expected = 0.0
    for row in picked:
        prompt, answer = examples.prompt(row), examples.answer(row)
        log = torch.log_softmax(model(torch.tensor([[*prompt, *answer]])).logits[0], dim=-1).detach()
        expected -= sum(float(log[len(prompt) + k - 1, token]) for k, token in enumerate(answer))
    assert float(answer_loss(model, collate(examples, [[row] for row in picked], pad=0)).detach()) == pytest.approx(expected, rel=1e-5)


def test_shared_beginnings_change_neither_loss_nor_gradients(examples: Examples) -> None:
    model = tiny_model(examples.encoder.tokenizer)
    stimuli: dict[int, list[int]] = {}
    for row, stimulus in enumerate(examples.texts.stimulus.tolist()):
        stimuli.setdefault(stimulus, []).append(row)
    first_template = Examples.__new__(Examples)
    first_template.__dict__.update(examples.__dict__, encoder=PromptEncoder(examples.encoder.tokenizer, "stimulus_first"))
    some = list(stimuli.values())
    groups = [some[0][:3], some[1][:2], some[2][:1]]
    gradients = []
    for cut in (groups, [[row] for group in groups for row in group]):
        model.zero_grad()
        loss = answer_loss(model, collate(first_template, cut, pad=0))
        loss.backward()
        gradients.append((float(loss.detach()), torch.cat([p.grad.flatten() for p in model.parameters()])))
    assert gradients[0][0] == pytest.approx(gradients[1][0], rel=1e-6)
    assert float((gradients[0][1] - gradients[1][1]).abs().max()) < 1e-4
    assert collate(first_template, groups, pad=0).ids.numel() < collate(first_template, [[r] for g in groups for r in g], pad=0).ids.numel()


def test_smoothed_targets_are_what_everybody_with_the_same_stimulus_answered(examples: Examples) -> None:
    row = 0
    same = np.flatnonzero(examples.texts.stimulus == examples.texts.stimulus[row])
    answers = [examples.answer(int(other)) for other in same]
    shares = examples.targets(row, 0.75)
    own = examples.answer(row)
    assert len(shares) == len(own) == 2 and len({answer[0] for answer in answers}) > 1
    for token in {answer[0] for answer in answers}:
        expected = 0.75 * sum(answer[0] == token for answer in answers) / len(answers) + 0.25 * (token == own[0])
        assert shares[0][token] == pytest.approx(expected)
    assert shares[1] == {own[1]: pytest.approx(1.0)}
    assert examples.targets(row, 0.0) == [{token: 1.0} for token in own]
    # averaged over the people of a stimulus, smoothing changes nothing
    plain, smooth = ([examples.targets(int(other), share)[0] for other in same] for share in (0.0, 1.0))
    for token in smooth[0]:
        assert sum(t.get(token, 0) for t in plain) == pytest.approx(sum(t.get(token, 0) for t in smooth))


def test_order_is_seeded_and_holds_every_row_once() -> None:
    lengths = np.random.default_rng(0).integers(5, 50, 1001)
    head = np.random.default_rng(1).integers(0, 40, 1001)
    first, again, other = (Order(lengths, 8, seed) for seed in (1, 1, 2))
    grouped = Order(lengths, 8, 1, head=head, share=4)

    def rows(order: Order, epoch: int) -> list[int]:
        return [int(row) for batch in order.epoch(epoch) for group in batch for row in group]

    for order in (first, grouped):
        assert sorted(rows(order, 0)) == sorted(rows(order, 1)) == list(range(1001))
        assert rows(order, 0) != rows(order, 1)
        assert order.steps(1) == len(order.epoch(0)) and order.steps(3) == math.ceil(len(order.epoch(0)) / 3)
    assert rows(first, 1) == rows(again, 1) != rows(other, 1)
    spread = np.mean([np.ptp(lengths[np.concatenate(batch)]) for batch in first.epoch(0)])
    assert spread < 10 < np.ptp(lengths)
    groups = [group for batch in grouped.epoch(0) for group in batch]
    assert all(len(set(head[group])) == 1 and len(group) <= 4 for group in groups)
    assert np.mean([len(group) for group in groups]) > 3.5
    assert max(sum(map(len, batch)) for batch in grouped.epoch(0)) <= 8


def test_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [learning_rate(2.0, done, 0.1) for done in (0.05, 0.1, 0.55, 1.0)]
    assert rates == pytest.approx([1.0, 2.0, 1.0, 0.0])


# --- runs --------------------------------------------------------------------------------------------------------------------------------


def test_accumulation_equals_one_large_batch(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The same eight rows per step, in the same order: only the cut into micro-batches differs. Answers differ in length.
    monkeypatch.setattr(
        Order,
        "epoch",
        lambda self, epoch: [[[r] for r in range(i, i + self.groups_per_batch)] for i in range(0, 16, self.groups_per_batch)],
    )
    rows = [{**row, "response": 10 + row["response"] if row["participant"] % 4 else row["response"], "scale_max": 20}
            for row in DatasetFolder(dataset).rows("all").to_pylist()]  # fmt: skip
    other = write_tiny_dataset(tmp_path / "d", rows)
    small = run(other, tmp_path / "small", batch_size=1, accumulation=8)
    large = run(other, tmp_path / "large", batch_size=8, accumulation=1)
    assert largest_difference(small, large) < 2e-5


def test_two_processes_equal_accumulation(dataset: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    # 96 rows in batches of 9: the last step has one batch for two processes.
    given = settings(dataset, tmp_path / "one", train_on=["unseen_studies"], batch_size=9, max_steps=7)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(given))
    train(read_config(tmp_path / "run.yaml", ["--accumulation", "2"]), say=lambda text: None)
    command = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    launched = subprocess.run(
        [sys.executable, *command, "-m", "socsci210.train", str(tmp_path / "run.yaml"), "--output", str(tmp_path / "two")],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert launched.returncode == 0, launched.stderr
    assert launched.stdout.split() == [str(tmp_path / "two")]
    single, double = (json.loads((tmp_path / name / "run_record.json").read_text()) for name in ("one", "two"))
    assert (single["processes"], double["processes"]) == (1, 2)
    assert single["rows_seen"] == double["rows_seen"] and single["epochs"] == double["epochs"] == 1
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert largest_difference(one, two) < 1e-5


def test_resumed_run_equals_a_straight_one(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = run(dataset, tmp_path / "straight", max_steps=7)  # 16 rows, 4 per step: into the second epoch

    class Killed(Exception):
        pass

    original = loop_module._Run._step
    calls = {"n": 0}

    def killed_at_sixth(self: Any, *arguments: Any) -> Any:
        calls["n"] += 1
        if calls["n"] == 6:
            raise Killed
        return original(self, *arguments)

    monkeypatch.setattr(loop_module._Run, "_step", killed_at_sixth)
    with pytest.raises(Killed):
        run(dataset, tmp_path / "cut", max_steps=7, checkpoint_every=2)
    assert not (tmp_path / "cut").exists()
    assert [path.name for path in (tmp_path / "cut.checkpoints").iterdir()] == ["step-00000004"]
    (tmp_path / "cut.checkpoints" / "step-00000006.tmp").mkdir()  # as a kill inside a checkpoint leaves it
    resumed = run(dataset, tmp_path / "cut", max_steps=7, checkpoint_every=2)
    assert calls["n"] == 6 + 3  # steps 5, 6 and 7
    assert largest_difference(straight, resumed) == 0.0
    assert not (tmp_path / "cut.checkpoints").exists()
    with pytest.raises(TrainError, match="the output exists already"):
        run(dataset, tmp_path / "cut", max_steps=7)


def test_training_lowers_the_loss_and_writes_its_record(dataset: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    run(dataset, tmp_path / "model", max_steps=30, train_on=["unseen_studies"], log_every=5)
    record = json.loads((tmp_path / "model" / "run_record.json").read_text())
    losses = [loss for _, loss in record["losses"]]
    assert losses[-1] < 0.5 * losses[0]
    assert record["steps"] == 30 and record["rows_seen"] == 30 * 4
    assert record["rows_trained"] == 96 and record["studies_trained"] == ["first", "second"]
    assert record["template_hash"] == template_hash("upstream")
    assert record["dataset_fingerprint"] == DatasetFolder(dataset).fingerprint
    assert record["held_out_checked"] == {"unseen_studies": 2}
    assert record["settings"]["learning_rate"] == 1e-2 and record["settings"]["warmup"] == 0.05
    assert record["sources"]["learning_rate"] == "code" and record["sources"]["warmup"] == "default"
    assert record["versions"]["torch"] == torch.__version__.split("+")[0] or record["versions"]["torch"] == torch.__version__
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    encoder = PromptEncoder(tokenizer)
    rows = training_rows(DatasetFolder(dataset), ["unseen_studies"]).to_pylist()
    config = resolve(settings(dataset, tmp_path / "x")).config.nano
    assert config is not None
    fresh = train_tokenizer(*distinct_texts(training_rows(DatasetFolder(dataset), ["unseen_studies"])), config)
    for row in rows[:5]:
        text = encoder.frame.wrap(persona(row["demographic"]) + row["stimuli"])
        assert tokenizer.encode(text) == fresh.encode(text)


def test_trains_any_causal_model_from_a_folder(dataset: Path, tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer)
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    trained = run(dataset, tmp_path / "out", nano=None, model=str(tmp_path / "base"), max_steps=2, template="stimulus_first")
    moved = (trained["model.embed_tokens.weight"] - model.state_dict()["model.embed_tokens.weight"]).abs().max()
    assert float(moved.detach()) > 1e-3


def test_nano_tokenizer_reads_recurring_persona_lines_as_one_token(dataset: Path) -> None:
    personas, stimuli = distinct_texts(DatasetFolder(dataset).rows("all"))
    config = resolve(settings(dataset, Path("x"))).config.nano
    assert config is not None
    tokenizer = train_tokenizer(personas, stimuli, config)
    ids = PromptEncoder(tokenizer).prompt(personas[0], stimuli[0])
    text = tokenizer.convert_ids_to_tokens(ids)
    assert "\n- Party Id: Strong Democrat" in text and "\n- Age: " in text
    assert tokenizer.decode(ids) == PromptEncoder(tokenizer).frame.wrap(PromptEncoder(tokenizer).template.join(personas[0], stimuli[0]))


# --- what is refused ----------------------------------------------------------------------------------------------------------------------


def test_row_without_a_trained_token(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = DatasetFolder(dataset)
    monkeypatch.setattr(PromptEncoder, "answer", lambda self, response: () if response == 0 else (1, 2))
    with pytest.raises(TrainError, match=r"(?s)study \w+, sample_id \d+: \d+ rows: no token to train on.*Fix"):
        Examples(folder.rows("all"), folder, PromptEncoder(tiny_tokenizer()), context=2048)


def test_prompt_longer_than_the_context(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"(?s)study \w+, sample_id \d+: .*context of 64 tokens.*longer context"):
        run(dataset, tmp_path / "m", nano=NANO | {"context": 64})


def test_loss_that_is_not_finite(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "answer_loss", lambda model, batch: answer_loss(model, batch) * float("nan"))
    with pytest.raises(TrainError, match=r"loss nan .* at step 0"):
        run(dataset, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_checkpoint_of_another_run(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "_save", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(dataset, tmp_path / "m", checkpoint_every=2)
    with pytest.raises(TrainError, match=r"checkpoint of another run: other learning_rate, seed"):
        run(dataset, tmp_path / "m", checkpoint_every=2, seed=4, learning_rate=1e-3)
    rows = DatasetFolder(dataset).rows("all").to_pylist()
    other = write_tiny_dataset(tmp_path / "other", [{**row, "response": 1} for row in rows])
    with pytest.raises(TrainError, match=r"other dataset_fingerprint"):
        run(other, tmp_path / "m", checkpoint_every=2)


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("learnin_rate: 1", [], r"(?s)run.yaml: unknown key 'learnin_rate'.*did you mean 'learning_rate'"),
        ("nano: {layer: 2}", [], r"(?s)unknown key 'nano.layer'.*did you mean 'layers'"),
        ("seed: 0", ["--batch_sise", "4"], r"(?s)unknown key 'batch_sise'.*did you mean 'batch_size'"),
        ("seed: zero", [], r"run.yaml: seed: .*'zero'"),
        ("seed: 0", [], r"give either model or nano"),
        ("model: m\nmax_steps: -1", [], r"max_steps: .*greater than or equal to 0"),
        ("model: m\nmax_steps: 1", ["--train_on", "[unseen_people]"], r"train_on.*'unseen_people'"),
        ("- 1", [], r"not a mapping"),
        ("a: [", [], r"not a readable YAML file"),
        ("model: m\nmax_steps: 1\nshare_prefix: 5", [], r"batch_size 32 is not a multiple of share_prefix 5"),
        ("seed: 0", ["stray"], r"cannot read 'stray'"),
    ],
)
def test_bad_settings(tmp_path: Path, text: str, arguments: list[str], message: str) -> None:
    path = tmp_path / "run.yaml"
    base = "dataset: d\noutput: o\ntrain_on: [all]\n"
    path.write_text(text if text in ("- 1", "a: [") else base + text)
    with pytest.raises(TrainError, match=message):
        read_config(path, arguments)


def test_command_line_beats_file_beats_default(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("dataset: d\noutput: o\ntrain_on: [all]\nnano: {layers: 3}\nmax_steps: 5\nlearning_rate: 1e-3\n")
    resolved = read_config(path, ["--max_steps", "9", "--nano.heads=2", "--max_minutes", "0.5"])
    config = resolved.config
    assert config.nano is not None
    assert (config.max_steps, config.nano.heads, config.nano.layers, config.learning_rate, config.batch_size) == (9, 2, 3, 1e-3, 32)
    assert resolved.source["max_steps"] == resolved.source["nano.heads"] == "command line"
    assert resolved.source["nano.layers"] == "file" and resolved.source["batch_size"] == "default"


def test_the_shipped_configuration_is_valid() -> None:
    path = Path(__file__).parent.parent / "train" / "configs" / "nano.yaml"
    assert read_config(path).config.nano is not None


def test_one_model_per_split_shares_the_time_and_sees_no_held_out_row(dataset: Path, tmp_path: Path) -> None:
    configs = ["unseen_conditions", "unseen_participants"]
    given = settings(dataset, tmp_path / "x", max_steps=2, max_minutes=3.0)
    models = train_per_split(given, [*configs, "unseen_outcomes"], output=tmp_path / "models", say=lambda text: None)
    assert models == {config: tmp_path / "models" / config for config in [*configs, "unseen_outcomes"]}
    for config, path in models.items():
        record = json.loads((path / "run_record.json").read_text())
        assert record["train_on"] == [config] and record["steps"] == 2
        assert record["settings"]["max_minutes"] == 1.5  # two at a time, so three models take two rounds
        assert record["rows_trained"] == DatasetFolder(dataset).rows(config, "train").num_rows
    with pytest.raises(TrainError, match=r"model of unseen_conditions: .*the output exists already"):
        train_per_split(given, configs, output=tmp_path / "models", say=lambda text: None)
