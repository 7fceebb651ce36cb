"""Training: answer tokens only, the same whatever the batching, exact resume, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from socsci210.dataset_folder import DatasetFolder
from socsci210.prompts import PromptEncoder, persona, template_hash
from socsci210.row_texts import distinct_texts
from socsci210.train import loop as loop_module
from socsci210.train import run as run_module
from socsci210.train.batches import Reader
from socsci210.train.config import TrainError, read_config, resolve
from socsci210.train.examples import RowTokens, fitting
from socsci210.train.loop import train
from socsci210.train.nano import train_tokenizer
from socsci210.train.objectives import Part
from socsci210.train.objectives.sft import Sft
from socsci210.train.order import Order, Orders
from socsci210.train.per_split import train_per_split
from socsci210.train.rows import assert_no_held_out, training_rows
from socsci210.train.run import learning_rate
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
def tokens(dataset: Path) -> RowTokens:
    folder = DatasetFolder(dataset)
    return RowTokens(folder.rows("all"), folder, PromptEncoder(tiny_tokenizer()))


@pytest.mark.parametrize("template", ["upstream", "stimulus_first"])
def test_examples_are_prompts_and_answers_as_prediction_sees_them(dataset: Path, template: str) -> None:
    folder = DatasetFolder(dataset)
    encoder = PromptEncoder(tiny_tokenizer(), template)
    rows = folder.rows("all").to_pylist()
    sft = Sft(RowTokens(folder.rows("all"), folder, encoder))
    assert len(sft) == len(rows)
    for number, row in enumerate(rows):
        prompt = encoder.prompt(persona(row["demographic"]), row["stimuli"])
        assert prompt == encoder._encode(encoder.frame.wrap(encoder.template.render(row["demographic"], row["stimuli"])))
        answer = encoder.answer(row["response"])
        example = sft.example(number)
        assert list(example.prompt) == prompt
        assert example.trie.edge_token.tolist() == list(answer) and example.trie.tokens.tolist() == list(answer[:-1])
        assert (sft.trained[number], sft.lengths[number]) == (len(answer), len(prompt) + len(answer))
        assert sft.where(number) == f"study {row['study_id']}, sample_id {row['sample_id']}"


def test_prompts_that_cannot_be_cut_in_two_are_tokenised_whole(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PromptEncoder, "_splits_after_blank_line", lambda self: False)
    folder = DatasetFolder(dataset)
    whole = RowTokens(folder.rows("all"), folder, PromptEncoder(tiny_tokenizer()))
    monkeypatch.undo()
    apart = RowTokens(folder.rows("all"), folder, PromptEncoder(tiny_tokenizer()))
    assert (whole.prompt_lengths == apart.prompt_lengths).all()
    assert all((whole.prompt(row) == apart.prompt(row)).all() for row in (0, 7, 100))


def test_every_distinct_text_is_tokenised_once(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = DatasetFolder(dataset)
    encoder = PromptEncoder(tiny_tokenizer())
    seen: list[str] = []
    original = PromptEncoder._encode_all
    monkeypatch.setattr(PromptEncoder, "_encode_all", lambda self, texts: seen.extend(texts) or original(self, texts))
    tokens = RowTokens(folder.rows("all"), folder, encoder)
    monkeypatch.setattr(PromptEncoder, "_encode", None)
    assert len(tokens.prompt(5)) == tokens.prompt_lengths[5]
    assert len(seen) == len(set(seen)) == len(tokens.texts.personas) + len(tokens.texts.stimuli)


def test_loss_is_the_cross_entropy_of_the_answer_tokens(tokens: RowTokens) -> None:
    model = tiny_model(tokens.encoder.tokenizer)
    sft, picked = Sft(tokens), np.array([0, 7, 50, 99])
    expected = 0.0
    for row in picked.tolist():
        prompt, answer = tokens.prompt(row).tolist(), tokens.answer(row)
        log = torch.log_softmax(model(torch.tensor([[*prompt, *answer]])).logits[0], dim=-1).detach()
        expected -= sum(float(log[len(prompt) + k - 1, token]) for k, token in enumerate(answer))
    reader = Reader(model, "packs", 0)
    batch = reader.batch([sft.example(row) for row in picked.tolist()])
    with reader.open(), reader.edges(batch) as edges:
        assert float(sft.loss(picked, edges, batch.starts, 0.0).detach()) == pytest.approx(expected, rel=1e-5)


def test_smoothed_targets_are_what_everybody_with_the_same_stimulus_answered(tokens: RowTokens) -> None:
    row = 0
    same = np.flatnonzero(tokens.texts.stimulus == tokens.texts.stimulus[row])
    answers = [tokens.answer(int(other)) for other in same]
    sft, own = Sft(tokens, 0.75), tokens.answer(row)
    assert len(own) == 2 and len({answer[0] for answer in answers}) > 1

    def targets(index: int, done: float) -> dict[tuple[int, int], float]:
        """The weight of every (step, token) in the loss."""
        trie = sft.example(index).trie
        edges = torch.zeros(len(trie.edge_node), requires_grad=True)
        sft.loss(np.array([index]), edges, torch.tensor([0, len(edges)]), done).backward()
        assert edges.grad is not None
        found = zip(trie.edge_node.tolist(), trie.edge_token.tolist(), (-edges.grad).tolist(), strict=True)
        return {(node, token): weight for node, token, weight in found}

    shares = targets(row, 0.0)
    for token in {answer[0] for answer in answers}:
        expected = 0.75 * sum(answer[0] == token for answer in answers) / len(answers) + 0.25 * (token == own[0])
        assert shares[0, token] == pytest.approx(expected)
    assert shares[1, own[1]] == pytest.approx(1.0)
    assert {edge for edge, weight in targets(row, 1.0).items() if weight} == {(0, own[0]), (1, own[1])}  # at the end only its own
    plain = Sft(tokens).example(row).trie
    assert plain.edge_token.tolist() == list(own)
    # averaged over the people of a stimulus, smoothing changes nothing
    first = [{token: weight for (node, token), weight in targets(int(other), 0.0).items() if node == 0} for other in same]
    for token in first[0]:
        assert sum(t[token] for t in first) == pytest.approx(sum(answer[0] == token for answer in answers), rel=1e-5)


def test_order_is_seeded_and_holds_every_row_once() -> None:
    lengths = np.random.default_rng(0).integers(5, 50, 1001)
    head = np.random.default_rng(1).integers(0, 40, 1001)
    first, again, other = (Order(head, lengths, 8, seed) for seed in (1, 1, 2))
    grouped = Order(head, lengths, 8, 1, share=4)

    def rows(order: Order, epoch: int) -> list[int]:
        return np.concatenate([order.step(epoch * order.steps + at) for at in range(order.steps)]).tolist()

    for order in (first, grouped):
        assert sorted(rows(order, 0)) == sorted(rows(order, 1)) == list(range(1001))
        assert rows(order, 0) != rows(order, 1)
        assert order.steps == 126 and [len(order.step(at)) for at in (0, 124, 125)] == [8, 8, 1]
        assert (order.epoch(125), order.epoch(126)) == (0, 1)
        assert order.step(3).tolist() == rows(order, 0)[24:32]  # whatever was asked for before
    assert rows(first, 1) == rows(again, 1) != rows(other, 1)
    runs = np.split(np.array(rows(grouped, 0)), np.flatnonzero(np.diff(head[rows(grouped, 0)])) + 1)
    assert all(len(set(head[run])) == 1 for run in runs) and np.mean([len(run) for run in runs]) > 3.5
    assert 3.2 < 1001 / len({tuple(run) for run in runs}) < 4.2
    some = Order(head, lengths, 8, 1, share=4, among=np.arange(0, 1001, 2))
    assert sorted(rows(some, 0)) == list(range(0, 1001, 2))


def test_groups_are_of_nearly_equal_size_and_never_above_the_cap() -> None:
    head = np.repeat(np.arange(50), 9)
    order = Order(head, np.ones(450, np.int64), 450, 5, share=4)
    rows = order.step(0)
    distances = np.flatnonzero(np.diff(head[rows])) + 1
    sizes = [len(run) for run in np.split(rows, distances)]
    assert set(sizes) <= {3, 6, 9}  # nine rows are three groups of three, which may meet by chance
    assert np.mean(np.array(sizes) == 3) > 0.9


def test_a_step_has_the_same_rows_however_it_is_cut() -> None:
    random = np.random.default_rng(2)
    lengths, head = random.integers(5, 50, 64), np.repeat(np.arange(16), 4)
    order = Order(head, lengths, 32, 1, share=4)
    step = order.step(0)
    for size in (4, 8, 32):
        batches = order.cut(step, size)
        assert sorted(np.concatenate(batches)) == sorted(step) and {len(batch) for batch in batches} == {size}
        assert all(np.ptp(np.flatnonzero(head[batch] == one)) < 4 for batch in batches for one in set(head[batch]))
    longest = [lengths[batch].max() for batch in order.cut(step, 4)]
    assert longest == sorted(longest)


def test_parts_have_their_shares_of_every_step(tokens: RowTokens) -> None:
    parts = [Part(0.7, Sft(tokens)), Part(0.2, Sft(tokens)), Part(0.1, Sft(tokens))]
    orders = Orders(parts, [np.arange(len(tokens.response))] * 2 + [np.arange(5)], 16, 0, share=1)
    assert orders.steps == math.ceil(144 / 3)  # the second part has three rows of a step
    for step in (0, 30):
        assert [len(rows) for rows in orders.step(step)] == [11, 3, 2]
    assert sorted(np.concatenate([orders.step(step)[2] for step in range(3)])) == [0, 1, 2, 3, 4]  # and then again from the start
    found = list(orders.micro_batches(orders.step(0), 8))
    assert [(part, len(rows)) for part, rows in found] == [(0, 8), (0, 3), (1, 3), (2, 2)]


def test_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [learning_rate(2.0, done, 0.1) for done in (0.05, 0.1, 0.55, 1.0)]
    assert rates == pytest.approx([1.0, 2.0, 1.0, 0.0])


# --- runs --------------------------------------------------------------------------------------------------------------------------------


def test_resumed_run_equals_a_straight_one(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = run(dataset, tmp_path / "straight", max_steps=7)  # 16 rows, 4 per step: into the second epoch

    class Killed(Exception):
        pass

    original = run_module.Run._step
    calls = {"n": 0}

    def killed_at_sixth(self: Any, *arguments: Any) -> Any:
        calls["n"] += 1
        if calls["n"] == 6:
            raise Killed
        return original(self, *arguments)

    monkeypatch.setattr(run_module.Run, "_step", killed_at_sixth)
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


def test_a_model_that_does_not_read_packs_is_trained_padded_and_the_user_is_told(dataset: Path, tmp_path: Path) -> None:
    import transformers

    tokenizer, said = tiny_tokenizer(), []
    config = transformers.BloomConfig(vocab_size=len(tokenizer), hidden_size=32, n_layer=1, n_head=2, initializer_range=0.3)
    transformers.BloomForCausalLM(config).save_pretrained(tmp_path / "bloom")  # its attention is of its own kind
    tokenizer.save_pretrained(tmp_path / "bloom")
    given = settings(dataset, tmp_path / "out", nano=None, model=str(tmp_path / "bloom"), max_steps=2)
    train(resolve(given), say=said.append)
    assert any("every prompt is read in full and padded" in line for line in said)
    assert json.loads((tmp_path / "out" / "run_record.json").read_text())["read_as"] == "padded"
    with pytest.raises(TrainError, match=r"(?s)does not read packs.*set read_as to auto or padded"):
        train(resolve(given | {"output": str(tmp_path / "other"), "read_as": "packs"}), say=said.append)


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
    sft = Sft(RowTokens(folder.rows("all"), folder, PromptEncoder(tiny_tokenizer())))
    with pytest.raises(TrainError, match=r"(?s)study \w+, sample_id \d+: \d+ rows: no token to train on.*Fix"):
        fitting(sft, 2048, "leave_out")


def test_prompt_longer_than_the_context(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"(?s)study \w+, sample_id \d+: .*context of 64 tokens.*longer context"):
        run(dataset, tmp_path / "m", nano=NANO | {"context": 64})


def test_too_long_rows_are_left_out_or_shortened_at_the_front_of_the_stimulus(dataset: Path, tmp_path: Path) -> None:
    rows = DatasetFolder(dataset).rows("all").to_pylist()
    long = " ".join(f"word{number}" for number in range(40))
    changed = [{**row, "stimuli": f"{long} {row['stimuli']}"} if row["condition_num"] == 1 else row for row in rows]
    folder = DatasetFolder(write_tiny_dataset(tmp_path / "d", changed))
    for template in ("upstream", "stimulus_first"):
        encoder = PromptEncoder(tiny_tokenizer(), template)
        plain = Sft(RowTokens(folder.rows("all"), folder, encoder))
        is_long = np.array([row["condition_num"] == 1 for row in changed])
        context = int(plain.lengths[~is_long].max()) + 8
        with pytest.raises(TrainError, match=r"(?s)48 rows: longer than the model's context.*truncate_stimulus or leave_out"):
            fitting(plain, context, "refuse")
        with pytest.raises(TrainError, match=r"(?s)48 rows.*or set too_long to leave_out$"):
            fitting(plain, context, "truncate_stimulus")  # a long rationale, for instance
        kept = fitting(plain, context, "leave_out")
        assert kept.left_out == 48 and not is_long[kept.examples].any() and len(kept.examples) == 96
        room = context - 2
        tokens = RowTokens(folder.rows("all"), folder, encoder, room=room)
        sft = Sft(tokens)
        assert tokens.shortened == 48 and fitting(sft, context, "truncate_stimulus").left_out == 0
        for number, row in enumerate(changed):
            text = encoder.tokenizer.decode(tokens.prompt(number).tolist())
            assert persona(row["demographic"]) in text and text.endswith(encoder.frame.after)
            assert rows[number]["stimuli"][-30:] in text and sft.example(number).trie.edge_token[-1] == encoder.end_of_turn
            assert len(tokens.prompt(number)) == tokens.prompt_lengths[number] <= room
            if is_long[number]:
                assert room - 12 < len(tokens.prompt(number)) and "word0 " not in text  # as little as possible is cut
        with pytest.raises(TrainError, match="without its stimulus"):
            RowTokens(folder.rows("all"), folder, encoder, room=60)


def test_loss_that_is_not_finite(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Sft.loss
    monkeypatch.setattr(Sft, "loss", lambda *arguments: original(*arguments) * float("nan"))
    with pytest.raises(TrainError, match=r"loss nan .* at step 0"):
        run(dataset, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_checkpoint_of_another_run(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "save", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
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
