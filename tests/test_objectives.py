"""What is minimised: distributions, contrastive pairs, rationales, mixtures; each against its formula, by plain forward passes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from socsci210.dataset_folder import DatasetFolder
from socsci210.prompts import persona
from socsci210.train import reference as reference_module
from socsci210.train.config import TrainError, resolve
from socsci210.train.examples import RowTokens
from socsci210.train.objectives.distribution import Distribution
from socsci210.train.objectives.dpo import Dpo
from socsci210.train.objectives.mixture import make_parts, note_references
from socsci210.train.objectives.reasoning import CUE, Reasoning, rationales
from socsci210.train.reference import note, weights_digest
from socsci210.train.settings import DistributionConfig, DpoConfig
from tests.objective_tools import gradient, loss_of, row_tokens, whole_log_probability, with_rationales
from tests.tiny import tiny_model
from tests.tiny_dataset import PARTIES, tiny_rows, write_tiny_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny rows, on 1-10 instead of 1-7, of which every fifth has an answer of two digits; and a few people of another party."""
    rows = tiny_rows()
    for number, row in enumerate(rows):
        if row["scale_max"] == 7:
            row |= {"scale_max": 10, "response": row["response"] if number % 5 else 10}
        if row["participant"] % 7 == 1:
            row["demographic"] = row["demographic"] | {"party_id": PARTIES[2]}
    return write_tiny_dataset(tmp_path_factory.mktemp("objectives") / "dataset", rows)


@pytest.fixture(scope="module")
def tokens(dataset: Path) -> RowTokens:
    return row_tokens(dataset)


@pytest.fixture(scope="module")
def model(tokens: RowTokens) -> Any:
    return tiny_model(tokens.encoder.tokenizer)


def cell_of(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["study_id"], row["condition_num"], row["task_num"], row["stimuli"], row["scale_min"], row["scale_max"]


# --- distribution --------------------------------------------------------------------------------------------------------------------


def test_targets_are_the_shares_of_the_training_rows_of_a_cell(tokens: RowTokens) -> None:
    rows = tokens.rows.to_pylist()
    objective = Distribution(tokens, DistributionConfig(persona="row"), seed=0)
    assert len(objective) == len(rows) and objective.trained.tolist() == [1] * len(rows)
    for index in (0, 1, 50, 100, 143):
        same = [row["response"] for row in rows if cell_of(row) == cell_of(rows[index])]
        counts = Counter(same)
        assert objective.shares(index) == {answer: pytest.approx(counts[answer] / len(same)) for answer in sorted(counts)}
        assert list(objective.example(index).prompt) == list(tokens.prompt(index))
    one_each = Distribution(tokens, DistributionConfig(persona="none"), seed=0)
    assert len(one_each) == len({cell_of(row) for row in rows}) == one_each.counts["cells"]


def test_small_groups_take_the_distribution_of_their_cell(tokens: RowTokens) -> None:
    rows = tokens.rows.to_pylist()
    found = Distribution(tokens, DistributionConfig(groups=("party_id",), minimum=3, persona="row"), seed=0)
    sizes = Counter((cell_of(row), row["demographic"]["party_id"]) for row in rows)
    assert found.counts == {"groups": len(sizes), "groups_below_minimum": sum(n < 3 for n in sizes.values())}
    assert 0 < found.counts["groups_below_minimum"] < len(sizes)
    for index, row in enumerate(rows):
        group = cell_of(row), row["demographic"]["party_id"]
        own = sizes[group] >= 3
        same = [r["response"] for r in rows if cell_of(r) == group[0] and (not own or r["demographic"]["party_id"] == group[1])]
        counts = Counter(same)
        assert found.shares(index) == {answer: pytest.approx(counts[answer] / len(same)) for answer in sorted(counts)}


@pytest.mark.parametrize("template", ["upstream", "stimulus_first"])
def test_prompts_without_persona_name_the_fields_of_the_group_alone(dataset: Path, template: str) -> None:
    tokens = row_tokens(dataset, template)
    encoder = tokens.encoder
    nobody = Distribution(tokens, DistributionConfig(persona="none"), seed=0)
    stimuli = {encoder.tokenizer.decode(nobody.example(index).prompt) for index in range(len(nobody))}
    assert stimuli == {encoder.frame.wrap(encoder.template.join(persona({}), text)) for text in tokens.texts.stimuli}
    parties = Distribution(tokens, DistributionConfig(groups=("party_id",), persona="none"), seed=0)
    prompts = {encoder.tokenizer.decode(parties.example(index).prompt) for index in range(len(parties))}
    asked = {(row["demographic"]["party_id"], row["stimuli"]) for row in tokens.rows.to_pylist()}
    expected = {encoder.template.join(persona({"party_id": party}), text) for party, text in asked}
    assert prompts == {encoder.frame.wrap(text) for text in expected}
    for objective in (nobody, parties):
        heads: dict[int, set[tuple[int, ...]]] = {}
        for index in range(len(objective)):
            example = objective.example(index)
            longest = max(len(path[path >= 0]) for path in example.trie.paths)
            assert objective.lengths[index] == len(example.prompt) + longest
            heads.setdefault(int(objective.head[index]), set()).add(tuple(map(int, example.prompt[:30])))
        assert all(len(beginnings) == 1 for beginnings in heads.values())


def test_sampled_people_are_of_the_cell_and_change_with_epoch_and_seed(tokens: RowTokens) -> None:
    rows = tokens.rows.to_pylist()
    one, other = (Distribution(tokens, DistributionConfig(groups=("party_id",), persona="sampled"), seed=seed) for seed in (0, 1))

    def prompts(objective: Distribution, epoch: int) -> list[list[int]]:
        objective.begin(epoch)
        return [list(map(int, objective.example(index).prompt)) for index in range(len(objective))]

    first = prompts(one, 0)
    assert first != prompts(one, 1) and first == prompts(one, 0) and first != prompts(other, 0)
    groups = {(cell_of(row), row["demographic"]["party_id"]) for row in rows}
    seen: dict[int, set[tuple[Any, ...]]] = {}
    for epoch in range(120):  # so often that nobody is missed
        for index, prompt in enumerate(prompts(one, epoch)):
            seen.setdefault(index, set()).add(tuple(prompt))
            assert len(prompt) <= one.lengths[index]
    assert len(seen) == len(groups)
    everybody = {tuple(map(int, tokens.prompt(row))) for row in range(len(rows))}
    assert set().union(*seen.values()) == everybody


def test_gradient_is_that_of_all_rows_of_the_cell_asked_with_the_same_prompt(tokens: RowTokens, model: Any) -> None:
    objective = Distribution(tokens, DistributionConfig(persona="none"), seed=0)
    index = next(i for i in range(len(objective)) if 10 in objective.shares(i) and 1 in objective.shares(i))
    everybody = tokens.rows.to_pylist()
    rows = [row for row, one in enumerate(everybody) if cell_of(one) == cell_of(everybody[int(objective._row[index])])]
    prompt = objective.example(index).prompt
    plain = -torch.stack([whole_log_probability(model, prompt, tokens.answer(row)) for row in rows]).mean()
    ours = loss_of(model, objective, [index])
    assert float(ours.detach()) == pytest.approx(float(plain.detach()), rel=1e-5)
    torch.testing.assert_close(gradient(model, ours), gradient(model, plain), atol=2e-5, rtol=1e-4)


def test_mass_outside_the_answers_is_trained_away(tokens: RowTokens) -> None:
    objective = Distribution(tokens, DistributionConfig(persona="none"), seed=0)
    model = tiny_model(tokens.encoder.tokenizer)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    index = next(index for index in range(len(objective)) if list(objective.shares(index)) == [0, 1])

    def mass() -> float:
        prompt = objective.example(index).prompt
        logs = [whole_log_probability(model, prompt, tokens.encoder.answer(answer)) for answer in objective.shares(index)]
        return float(torch.stack(logs).exp().sum().detach())

    assert mass() < 0.01
    for _ in range(25):
        optimizer.zero_grad()
        loss_of(model, objective, [index]).backward()
        optimizer.step()
    assert mass() > 0.95
    entropy = -sum(share * np.log(share) for share in objective.shares(index).values())
    assert entropy <= float(loss_of(model, objective, [index]).detach()) < entropy + 0.1


def test_a_loss_over_the_answers_alone_leaves_junk_tokens_free() -> None:
    """The trap: with junk at log-odds of 10 the normalised loss is already at its best and has no gradient on the junk; ours has."""
    logits = torch.tensor([1.0, 1.0, 11.0], requires_grad=True)  # two answers, one junk token
    target = torch.tensor([0.5, 0.5])
    (-(target * torch.log_softmax(logits[:2], dim=-1)).sum()).backward()
    assert logits.grad is not None and float(logits.grad.abs().max()) < 1e-6
    logits.grad = None
    (-(target * torch.log_softmax(logits, dim=-1)[:2]).sum()).backward()
    assert logits.grad is not None and float(logits.grad[2]) > 0.99


def test_smoothing_spreads_a_share_over_the_scale(tokens: RowTokens) -> None:
    plain, smooth = (Distribution(tokens, DistributionConfig(persona="none", smoothing=s), seed=0) for s in (0.0, 0.2))
    for index in range(len(plain)):
        before, after = plain.shares(index), smooth.shares(index)
        scale = tokens.texts.scales[tokens.texts.scale[int(plain._row[index])]].values
        assert list(after) == list(scale)
        for value in scale:
            assert after[value] == pytest.approx(0.8 * before.get(value, 0.0) + 0.2 / len(scale))


# --- dpo ---------------------------------------------------------------------------------------------------------------------------------


def candidates(rows: list[dict[str, Any]], index: int) -> list[int]:
    """Responses of everybody who may be the rejected side of a row."""
    own = rows[index]
    return [
        row["response"] for row in rows
        if cell_of(row) == cell_of(own) and row["participant"] != own["participant"] and row["response"] != own["response"]
    ]  # fmt: skip


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> RowTokens:
    """Some people answered twice in their cell, and one cell has one answer only."""
    rows = tiny_rows()
    for row in rows:
        if (row["study_id"], row["task_num"], row["condition_num"]) == ("first", 1, 0):
            row["response"] = 1
    again = [row | {"sample_id": 1000 + row["sample_id"], "response": row["response"] % 7 + 1} for row in rows if row["task_num"] == 0][:9]
    return row_tokens(write_tiny_dataset(tmp_path_factory.mktemp("twice") / "dataset", rows + again))


def test_rejected_answers_are_those_of_others_in_the_same_cell(twice: RowTokens) -> None:
    rows = twice.rows.to_pylist()
    objective = Dpo(twice, DpoConfig(pairs_per_row=2), seed=0)
    allowed = [candidates(rows, index) for index in range(len(rows))]
    assert objective.counts["rows_without_pair"] == sum(not some for some in allowed) >= 8
    seen: dict[int, Counter[int]] = {}
    for epoch in range(300):
        objective.begin(epoch)
        for index in range(len(objective)):
            row, chosen, rejected = objective.pair(index)
            assert chosen == rows[row]["response"]
            seen.setdefault(row, Counter())[rejected] += 1
    assert sorted(seen) == [index for index, some in enumerate(allowed) if some]
    assert len(objective) == 2 * len(seen)
    for row, counts in seen.items():
        expected = Counter(allowed[row])
        assert set(counts) == set(expected)
        for answer, n in expected.items():  # drawn in the proportions of who gave them
            share = n / len(allowed[row])
            assert abs(counts[answer] / 600 - share) < 5 * np.sqrt(share * (1 - share) / 600) + 1e-9


def test_pairs_are_a_function_of_seed_and_epoch(twice: RowTokens) -> None:
    one, again, other = (Dpo(twice, DpoConfig(), seed=seed) for seed in (0, 0, 1))

    def pairs(objective: Dpo, epoch: int) -> list[tuple[int, int, int]]:
        objective.begin(epoch)
        return [objective.pair(index) for index in range(len(objective))]

    assert pairs(one, 3) == pairs(again, 3) != pairs(one, 4)
    assert pairs(one, 3) != pairs(other, 3)


def reference_of(model: Any, objective: Dpo, rows: list[int]) -> np.ndarray:
    """Of some rows, by plain forward passes; the others are not a number."""
    tokens = objective.tokens
    found = np.full(objective.offsets[-1], np.nan)
    with torch.no_grad():
        for row in rows:
            answers = tokens.encoder.answers(objective.answers_of(row))
            logs = [float(whole_log_probability(model, tokens.prompt(row), answer)) for answer in answers]
            found[objective.offsets[row] : objective.offsets[row + 1]] = logs
    return found


def test_loss_is_that_of_the_paper_of_dpo(tokens: RowTokens, model: Any) -> None:
    objective = Dpo(tokens, DpoConfig(beta=0.3), seed=0)
    start = tiny_model(tokens.encoder.tokenizer, seed=1)
    examples = [next(index for index in range(len(objective)) if 10 in objective.pair(index)[1:]), 5]
    objective.reference = reference_of(start, objective, [objective.pair(index)[0] for index in examples])
    expected = torch.zeros(())
    for index in examples:
        row, *answers = objective.pair(index)
        chosen, rejected = (whole_log_probability(model, tokens.prompt(row), tokens.encoder.answer(a)) for a in answers)
        ref_chosen, ref_rejected = (whole_log_probability(start, tokens.prompt(row), tokens.encoder.answer(a)).detach() for a in answers)
        expected = expected - torch.nn.functional.logsigmoid(0.3 * ((chosen - ref_chosen) - (rejected - ref_rejected)))
    ours = loss_of(model, objective, examples)
    assert float(ours.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    torch.testing.assert_close(gradient(model, ours), gradient(model, expected), atol=2e-5, rtol=1e-4)


def test_the_best_policy_is_the_reference_tilted_by_what_sets_a_person_apart() -> None:
    """The optimum that the docstring of dpo states, found numerically over all pairs of four answers."""
    generator = torch.Generator().manual_seed(0)
    p, q, ref = (torch.softmax(torch.randn(4, generator=generator, dtype=torch.float64), dim=0) for _ in range(3))
    beta = 0.7
    logits = ref.log().clone().requires_grad_()
    optimizer = torch.optim.LBFGS([logits], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-14)
    different = 1 - torch.eye(4, dtype=torch.float64)
    weight = different * p[:, None] * q[None, :] / (1 - q)[:, None]  # chosen a from the person, rejected b from others who differ

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        lift = beta * (torch.log_softmax(logits, dim=0) - ref.log())
        loss = -(weight * torch.nn.functional.logsigmoid(lift[:, None] - lift[None, :])).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    expected = ref * (p / (q * (1 - q))) ** (1 / beta)
    torch.testing.assert_close(torch.softmax(logits, dim=0).detach(), expected / expected.sum(), atol=1e-5, rtol=1e-4)


def test_no_pair_at_all(tmp_path: Path) -> None:
    tokens = row_tokens(write_tiny_dataset(tmp_path / "d", [row | {"response": 1} for row in tiny_rows()]))
    with pytest.raises(TrainError, match="none of 144 rows has another person with a different answer"):
        Dpo(tokens, DpoConfig(), seed=0)
    with pytest.raises(TrainError, match="without log-probabilities of its reference"):
        Dpo(row_tokens(write_tiny_dataset(tmp_path / "e")), DpoConfig(), seed=0).reference_margin(np.array([0]))


# --- the reference of dpo ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def accelerator() -> Any:
    from accelerate import Accelerator

    return Accelerator(cpu=True)


def noted(model: Any, objective: Dpo, folder: Path, accelerator: Any) -> tuple[Path, list[str]]:
    said: list[str] = []
    path = note(model, objective, folder, context=2048, dataset_fingerprint="f", accelerator=accelerator, say=said.append)
    return path, said


def test_reference_is_noted_once_for_all_seeds_and_pairs(tokens: RowTokens, model: Any, accelerator: Any, tmp_path: Path) -> None:
    objective = Dpo(tokens, DpoConfig(), seed=0)
    model.train()
    path, said = noted(model, objective, tmp_path, accelerator)
    assert model.training
    model.eval()
    assert "computed" in said[0] and objective.reference is not None
    some = [0, 1, 30, 77]
    expected = reference_of(model, objective, some)
    for row in some:
        part = slice(objective.offsets[row], objective.offsets[row + 1])
        np.testing.assert_allclose(objective.reference[part], expected[part], atol=1e-5)
    again = Dpo(tokens, DpoConfig(pairs_per_row=3, beta=0.5), seed=9)
    second, said = noted(model, again, tmp_path, accelerator)
    assert second == path and "read" in said[0] and again.reference is not None
    np.testing.assert_array_equal(again.reference, objective.reference)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_another_model_template_or_answer_makes_another_file(dataset: Path, model: Any, accelerator: Any, tmp_path: Path) -> None:
    files = set()
    other_weights = tiny_model(row_tokens(dataset).encoder.tokenizer)
    with torch.no_grad():
        next(iter(other_weights.parameters()))[3, 3] += 1e-3
    assert weights_digest(model) != weights_digest(other_weights)
    rows = [row | {"response": 1 - row["response"]} if row["task_num"] else row for row in tiny_rows()]
    changed = write_tiny_dataset(tmp_path / "changed", rows)
    runs = [(dataset, "upstream", model), (dataset, "stimulus_first", model)]
    for some, template, start in [*runs, (dataset, "upstream", other_weights), (changed, "upstream", model)]:
        objective = Dpo(row_tokens(some, template), DpoConfig(), seed=0)
        files.add(noted(start, objective, tmp_path / "reference", accelerator)[0])
    assert len(files) == 4


def test_a_killed_reference_goes_on_and_a_wrong_one_is_refused(
    tokens: RowTokens, model: Any, accelerator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_module, "SHARD_ROWS", 50)
    whole = Dpo(tokens, DpoConfig(), seed=0)
    path, _ = noted(model, whole, tmp_path / "whole", accelerator)
    original, calls = reference_module._shard, []

    def killed_at_third(*arguments: Any) -> pa.Table:
        calls.append(0)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(reference_module, "_shard", killed_at_third)
    objective = Dpo(tokens, DpoConfig(), seed=0)
    with pytest.raises(KeyboardInterrupt):
        noted(model, objective, tmp_path / "cut", accelerator)
    assert objective.reference is None and not list((tmp_path / "cut").glob("*.parquet"))
    noted(model, objective, tmp_path / "cut", accelerator)
    assert len(calls) == 4  # 144 rows in shards of 50: two before the kill, one after it
    np.testing.assert_array_equal(objective.reference, whole.reference)
    strange = tiny_model(tokens.encoder.tokenizer, seed=5)
    with monkeypatch.context() as patch:  # a file of another model under this one's name
        patch.setattr(reference_module, "_digest", lambda identity: path.stem)
        with pytest.raises(TrainError, match=r"(?s)other weights.*delete"):
            noted(strange, objective, tmp_path / "whole", accelerator)
    table = pq.read_table(path)
    broken = table.set_column(2, "answers", pa.array([[1]] * table.num_rows)).replace_schema_metadata(table.schema.metadata)
    pq.write_table(broken, path)
    with pytest.raises(TrainError, match="answers that are not those of the rows"):
        noted(model, objective, tmp_path / "whole", accelerator)


# --- reasoning ---------------------------------------------------------------------------------------------------------------------------


def test_rationales_belong_to_training_rows_alone(tmp_path: Path) -> None:
    folder = DatasetFolder(with_rationales(write_tiny_dataset(tmp_path / "d")))
    rows = folder.rows("unseen_studies", "train")
    found = rationales(folder, rows, ["unseen_studies"])
    for row, text in zip(rows.to_pylist(), found, strict=True):
        expected = None if row["sample_id"] % 24 == 3 else f" Person {row['sample_id']} of {row['study_id']} thinks.\n"
        assert text == expected
    held_out = folder.rows("unseen_studies", "test")
    with pytest.raises(TrainError, match="no rationales of the training rows of unseen_conditions"):
        rationales(DatasetFolder(write_tiny_dataset(tmp_path / "e")), rows, ["unseen_conditions"])
    assert rationales(folder, held_out, ["unseen_studies"]) == [None] * held_out.num_rows


def test_a_rationale_stands_between_prompt_and_answer(tokens: RowTokens, model: Any) -> None:
    texts: list[str | None] = [f"  I am number {row}, so I would say so. \n" for row in range(len(tokens.response))]
    texts[3], texts[7], texts[9] = None, " ", f"First.{CUE}7"
    objective = Reasoning(tokens, texts)
    assert objective.counts == {"rows_without_rationale": 2, "rationales_with_cue": 1}
    assert len(objective) == len(texts) - 3
    decode = tokens.encoder.tokenizer.decode
    for index, row in ((0, 0), (3, 4), (len(objective) - 1, len(texts) - 1)):
        example = objective.example(index)
        assert list(example.prompt) == list(tokens.prompt(row))
        target = example.trie.edge_token.tolist()
        assert decode(target) == f"I am number {row}, so I would say so.\n\nAnswer:\n{tokens.response[row]}<|im_end|>"
        assert objective.trained[index] == len(target) and objective.lengths[index] == len(target) + len(example.prompt)
        expected = -whole_log_probability(model, example.prompt, target)
        assert float(loss_of(model, objective, [index]).detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    with pytest.raises(TrainError, match="none of 144 training rows has a rationale"):
        Reasoning(tokens, [None] * len(texts))


# --- parts of a run ------------------------------------------------------------------------------------------------------------------


def test_parts_of_a_mixture(dataset: Path, tokens: RowTokens, model: Any, accelerator: Any, tmp_path: Path) -> None:
    base = {"dataset": str(dataset), "output": str(tmp_path / "model"), "train_on": ["all"], "model": "m"}
    said: list[str] = []

    def made(**changes: Any) -> list[tuple[str, float]]:
        config = resolve(base | changes).config
        folder = DatasetFolder(dataset)
        found = make_parts(config, tokens, folder, say=said.append)
        note_references(found, config, model, 2048, folder, accelerator, said.append)
        return [(part.objective.name, part.weight) for part in found]

    assert made() == [("sft", 1.0)]
    assert made(objective={"sft": 3, "dpo": 1, "distribution": 4}) == [("sft", 0.375), ("dpo", 0.125), ("distribution", 0.5)]
    assert {line.split(":")[0] for line in said} == {"reference of dpo", "dpo", "distribution"}
    assert [path.parent.name for path in tmp_path.rglob("*.parquet")] == ["reference"]
    with pytest.raises(TrainError, match="no rationales"):
        made(objective="reasoning")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "dp0"}, r"objective: .*no objective is called 'dp0'; there are sft, reasoning, distribution, dpo"),
        ({"objective": {"sft": 1.0, "dpo": 0.0}}, r"every part of a mixture needs a weight above 0"),
        ({"dpo": {"beta": 0.2}}, r"settings of dpo are given, and the objective is sft"),
        ({"objective": "dpo", "dpo": {"beta": 0}}, r"dpo.beta: .*greater than 0"),
        ({"objective": "dpo", "cell_smoothing": 0.5}, r"cell_smoothing is of the objective sft"),
        ({"objective": "dpo", "model": None, "nano": {}}, r"dpo needs a model that can answer to start from"),
        ({"objective": "distribution", "distribution": {"groups": ["party"]}}, r"no field of the persona is called party; there are age"),
        ({"objective": "distribution", "distribution": {"mininum": 3}}, r"(?s)unknown key 'distribution.mininum'.*did you mean 'minimum'"),
    ],
)
def test_bad_settings_of_objectives(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainError, match=message):
        resolve({"dataset": "d", "output": "o", "train_on": ["all"], "model": "m", **changes})
