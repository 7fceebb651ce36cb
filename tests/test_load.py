"""Loading: by folder without our code, by the bare name from anywhere, and through socsci210.load."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from datasets import DatasetDict, get_dataset_config_names, get_dataset_split_names, load_dataset

import socsci210
from socsci210 import alias
from socsci210.dataset_folder import DatasetFolder, write_parquet
from socsci210.errors import DatasetError
from socsci210.load import VARIABLE, dataset_path, load, remember
from socsci210.local_hub import LocalHub
from socsci210.prompts import get_template
from socsci210.schema import ROWS, SPLIT_CONFIGS, SPLITS

from .small_dataset import CONDITIONS, OUTCOMES, PEOPLE, STUDY_IDS, WITHIN, rows, write_dataset

Rows = set[tuple[str, int]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="module")
def hf_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hf")


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, hf_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine is read or written: neither its last dataset nor its cache."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", hf_cache)
    monkeypatch.chdir(tmp_path)
    datasets.disable_progress_bars()


def keys(part: Any) -> Rows:
    return {(row["study_id"], row["sample_id"]) for row in part}


def expected(folder: Path, config: str, split: str) -> Rows:
    table = DatasetFolder(folder).rows(config, split, columns=["study_id", "sample_id"])
    return set(zip(table["study_id"].to_pylist(), table["sample_id"].to_pylist(), strict=True))


# --- which dataset -------------------------------------------------------------------------------------------------------------------


def test_without_any_dataset_the_error_names_the_three_commands() -> None:
    with pytest.raises(DatasetError) as caught:
        load_dataset("socsci210")
    for command in ("socsci210 demo", "socsci210 build", "socsci210 import-release"):
        assert command in str(caught.value)


def test_explicit_then_variable_then_last_made(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (write_dataset(tmp_path / name, studies=STUDY_IDS[:1], people=8) for name in ("first", "second"))
    remember(first)
    assert dataset_path() == str(first)
    monkeypatch.setenv(VARIABLE, "second")  # relative: from the current directory
    assert dataset_path() == str(second)
    assert dataset_path(folder) == str(folder)
    monkeypatch.setenv(VARIABLE, "some-org/socsci210")
    assert dataset_path() == "some-org/socsci210"


def test_a_named_dataset_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatasetError, match=r"dataset: '/no/such/folder' is no folder\n.*Hub id"):
        dataset_path("/no/such/folder")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv(VARIABLE, "empty")
    with pytest.raises(DatasetError, match=r"empty: no dataset\.json in it"):
        dataset_path()


def test_the_last_dataset_is_gone(tmp_path: Path) -> None:
    gone = write_dataset(tmp_path / "gone", studies=STUDY_IDS[:1], people=8)
    remember(gone)
    gone.rename(tmp_path / "moved")
    with pytest.raises(DatasetError, match=r"last dataset made here, noted in .*last_dataset: '.*gone' is no folder"):
        dataset_path()


def test_only_a_complete_dataset_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    with pytest.raises(DatasetError, match=r"half: no dataset\.json"):
        remember(tmp_path / "half")
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_costs_a_warning(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "cache").write_text("a file where the cache folder should be")
    with pytest.warns(UserWarning, match=f"is not remembered as the last dataset .* name it in {VARIABLE}"):
        remember(folder)


# --- without our code ----------------------------------------------------------------------------------------------------------------


def test_a_folder_loads_without_our_code(folder: Path, hf_cache: Path) -> None:
    code = f"""
import sys
from datasets import load_dataset
found = load_dataset({str(folder)!r}, "unseen_conditions", split="test")
assert not any(name.startswith("socsci210") for name in sys.modules)
print(sorted((row["study_id"], row["sample_id"]) for row in found))
print(load_dataset({str(folder)!r}).num_rows, load_dataset({str(folder)!r}, "studies", split="train")["study_id"][:2])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=hf_cache, env=_environment(hf_cache), check=True
    )
    test, rest = done.stdout.splitlines()
    assert test == str(sorted(expected(folder, "unseen_conditions", "test")))
    assert rest == f"{{'train': {DatasetFolder(folder).manifest['rows']}}} ['toy_a', 'toy_b']"


def _environment(cache: Path) -> dict[str, str]:
    return {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "PATH": "", "HOME": str(cache)}


def test_every_config_and_split_holds_what_the_files_hold(folder: Path) -> None:
    everything = load_dataset(str(folder))
    assert list(everything) == ["train"]
    assert everything["train"].column_names == ROWS.names
    assert len(everything["train"]) == (len(STUDY_IDS) - 1) * PEOPLE * OUTCOMES + PEOPLE * CONDITIONS * OUTCOMES
    for config in SPLIT_CONFIGS:
        parts = load_dataset(str(folder), config)
        assert list(parts) == list(SPLITS)
        for split, part in parts.items():
            assert keys(part) == expected(folder, config, split), (config, split)
    one = everything["train"].filter(lambda row: row["study_id"] == "toy_b" and row["sample_id"] == 5)[0]
    assert one == rows("toy_b").slice(5, 1).to_pylist()[0]


def test_columns_filters_streaming_and_processes(folder: Path) -> None:
    path = str(folder)
    narrow = load_dataset(path, "unseen_outcomes", split="test", columns=["study_id", "response"])
    assert narrow.column_names == ["response", "study_id"] or narrow.column_names == ["study_id", "response"]
    some = load_dataset(path, split="train", filters=[("study_id", "==", "toy_b"), ("condition_num", "==", 1)])
    assert {(row["study_id"], row["condition_num"]) for row in some} == {("toy_b", 1)}
    assert len(some) == PEOPLE // CONDITIONS * OUTCOMES
    assert keys(load_dataset(path, "unseen_studies", split="test", streaming=True)) == expected(folder, "unseen_studies", "test")
    assert keys(load_dataset(path, "unseen_participants", split="train", num_proc=2)) == expected(folder, "unseen_participants", "train")


def test_a_dataset_made_again_at_the_same_place_is_read_again(tmp_path: Path) -> None:
    place = tmp_path / "again"
    write_dataset(place, studies=STUDY_IDS[:2], people=8)
    assert len(load_dataset(str(place), split="train")) == 2 * 8 * OUTCOMES
    place.rename(tmp_path / "old")
    write_dataset(place, studies=STUDY_IDS[:2], people=12)
    assert len(load_dataset(str(place), split="train")) == 2 * 12 * OUTCOMES


# --- by name -------------------------------------------------------------------------------------------------------------------------


def test_datasets_still_has_the_internal_that_the_alias_wraps(folder: Path) -> None:
    """If this fails, a new `datasets` has moved `dataset_module_factory`: see socsci210/alias.py, and raise the pin only after that."""
    for module in (datasets.load, datasets.inspect):
        assert hasattr(module, alias.HOOK), f"{module.__name__}.{alias.HOOK} is gone"
        assert getattr(getattr(module, alias.HOOK), "resolves_socsci210", False), f"{module.__name__}.{alias.HOOK} is not wrapped"
    remember(folder)
    assert keys(load_dataset("socsci210", "unseen_conditions", split="test")) == expected(folder, "unseen_conditions", "test")


def test_a_version_without_the_internal_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(datasets.inspect, alias.HOOK)
    with pytest.warns(UserWarning, match=r"no datasets\.inspect\.dataset_module_factory.*socsci210\.load\(\) does"):
        alias.install()


def test_installing_twice_wraps_once() -> None:
    before = datasets.load.dataset_module_factory
    alias.install()
    assert datasets.load.dataset_module_factory is before


def test_the_name_from_any_directory_and_past_an_empty_folder_of_that_name(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(folder)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "socsci210").mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    assert len(load_dataset("socsci210")["train"]) == DatasetFolder(folder).manifest["rows"]
    assert get_dataset_config_names("socsci210")[:5] == ["all", *SPLIT_CONFIGS]
    assert get_dataset_split_names("socsci210", "unseen_studies") == list(SPLITS)


def test_the_variable_names_the_dataset(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(folder))
    assert keys(load_dataset("socsci210", "unseen_outcomes", split="validation")) == expected(folder, "unseen_outcomes", "validation")


def test_other_names_pass_through(tmp_path: Path) -> None:
    (tmp_path / "some.csv").write_text("a\n1\n2\n")
    assert load_dataset("csv", data_files="some.csv", split="train")["a"][:] == [1, 2]


def test_by_name_streaming_processes_and_pickling(folder: Path) -> None:
    remember(folder)
    want = expected(folder, "unseen_studies", "train")
    streamed = load_dataset("socsci210", "unseen_studies", split="train", streaming=True)
    assert keys(streamed) == want
    assert keys(pickle.loads(pickle.dumps(streamed))) == want
    assert keys(load_dataset("socsci210", "unseen_studies", split="train", num_proc=2)) == want


@pytest.mark.parametrize("streaming", [False, True])
def test_data_loader_workers_see_every_row_once(folder: Path, streaming: bool) -> None:
    torch_data = pytest.importorskip("torch.utils.data")
    remember(folder)
    part = load("unseen_conditions", "test", columns=["study_id", "sample_id"], studies=STUDY_IDS[:6], streaming=streaming)
    loader = torch_data.DataLoader(part, batch_size=16, num_workers=2, collate_fn=list)
    seen = [(row["study_id"], row["sample_id"]) for batch in loader for row in batch]
    want = {key for key in expected(folder, "unseen_conditions", "test") if key[0] in STUDY_IDS[:6]}
    assert sorted(seen) == sorted(want)


# --- socsci210.load ------------------------------------------------------------------------------------------------------------------


def test_load_returns_what_datasets_returns(folder: Path) -> None:
    assert socsci210.load is load
    remember(folder)
    parts = load("unseen_participants")
    assert isinstance(parts, DatasetDict)
    assert {split: keys(part) for split, part in parts.items()} == {s: expected(folder, "unseen_participants", s) for s in SPLITS}
    assert len(load()["train"]) == DatasetFolder(folder).manifest["rows"]
    assert load("studies", "train", columns=["family"])["family"][:] == list(STUDY_IDS)
    assert load("studies", "train", columns="family").column_names == ["family"]
    assert set(load("participants", "train", studies=["toy_b"], streaming=True).to_list()[0]) >= {"study_id", "participant"}


@pytest.mark.parametrize("streaming", [False, True])
def test_studies_columns_clean(folder: Path, streaming: bool) -> None:
    part = load(
        dataset=folder, split="train", studies=["toy_b", "toy_a"], columns=["response", "sample_id"], clean=True, streaming=streaming
    )
    found = part.to_list()
    assert list(found[0]) == ["response", "sample_id"]
    clean = [row for study in ("toy_a", "toy_b") for row in rows(study).to_pylist() if row["response_clean"] is not None]
    assert len(clean) == 2 * PEOPLE * OUTCOMES * 19 // 20
    assert any(row["response"] != row["response_clean"] for row in clean)
    want = sorted((row["sample_id"], row["response_clean"]) for row in clean)
    assert sorted((row["sample_id"], row["response"]) for row in found) == want
    whole = load(dataset=folder, split="train", studies=["toy_b"], streaming=streaming).to_list()
    assert sorted(whole, key=lambda row: row["sample_id"]) == rows("toy_b").to_pylist()


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("template", ["upstream", "stimulus_first"])
def test_prompts_are_rendered_by_the_one_renderer(folder: Path, template: Any, streaming: bool) -> None:
    part = load("all", "train", dataset=folder, studies=["toy_d"], prompts=template, streaming=streaming)
    assert list(part.features) == [*ROWS.names, "prompt"]
    found = part.to_list()
    assert len(found) == PEOPLE * OUTCOMES
    for row in found[::7]:
        assert row["prompt"] == get_template(template).render(row["demographic"], row["stimuli"])
    narrow = load("all", "train", dataset=folder, studies=["toy_d"], prompts=template, columns=["prompt", "response"], streaming=streaming)
    assert list(narrow.to_list()[0]) == ["prompt", "response"]


def test_training_fractions_nest_and_leave_the_test_whole(folder: Path) -> None:
    people: set[tuple[str, int]] = set()
    sizes = []
    for fraction in (1, 5, 10, 25, 50, 100):
        parts = load("unseen_participants", dataset=folder, fraction=fraction)
        now = {(row["study_id"], row["participant"]) for row in parts["train"]}
        assert now >= people
        people = now
        sizes.append(len(now))
        assert keys(parts["test"]) == expected(folder, "unseen_participants", "test")
    seen = len({study for study, _ in people})
    assert sizes == [seen, seen, 2 * seen, 5 * seen, 9 * seen, 18 * seen]  # 40 people: 20 for testing, 2 for validation, 18 to train on
    streamed = load("unseen_participants", "train", dataset=folder, fraction=10, streaming=True)
    assert len({(row["study_id"], row["participant"]) for row in streamed}) == 2 * seen


@pytest.mark.parametrize("streaming", [False, True])
def test_disjoint_people_keeps_everyone_on_the_most_held_out_side(folder: Path, streaming: bool) -> None:
    plain = load("unseen_conditions", dataset=folder)
    parts = load("unseen_conditions", dataset=folder, disjoint_people=True, streaming=streaming)
    people = {split: {(row["study_id"], row["participant"]) for row in part} for split, part in parts.items()}
    assert not people["train"] & people["test"]
    assert not people["train"] & people["validation"]
    assert not people["validation"] & people["test"]
    assert keys(parts["test"]) == keys(plain["test"])
    assert keys(parts["train"]) == {key for key in keys(plain["train"]) if key[0] != WITHIN}
    assert any(study == WITHIN for study, _ in keys(plain["train"]))


@pytest.mark.parametrize("streaming", [False, True])
def test_disjoint_people_where_nobody_would_be_left(folder: Path, streaming: bool) -> None:
    with pytest.raises(DatasetError, match=r"nobody is left in train of unseen_outcomes.*\n.*\n.*unseen_participants"):
        load("unseen_outcomes", "train", dataset=folder, disjoint_people=True, streaming=streaming)


@pytest.mark.parametrize("streaming", [False, True])
def test_the_clean_view_changes_answers_and_nothing_else(folder: Path, streaming: bool) -> None:
    raw = {row["sample_id"]: row for row in load("all", "train", dataset=folder, studies=["toy_d"])}
    part = load("all", "train", dataset=folder, studies=["toy_d"], clean=True, prompts="upstream", streaming=streaming)
    assert list(part.features) == [*ROWS.names, "prompt"]
    found = part.to_list()
    assert [row["sample_id"] for row in found] == [number for number, row in raw.items() if row["response_clean"] is not None]
    for row in found:
        before = raw[row["sample_id"]]
        assert {**row, "prompt": None} == {**before, "response": before["response_clean"], "prompt": None}


def test_one_split_prepares_its_own_files_only(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "fresh")
    part = load("unseen_studies", "validation", dataset=folder)
    prepared = list((tmp_path / "fresh").rglob("*.arrow"))
    assert [Path(file["filename"]) for file in part.cache_files] == prepared
    assert len(part) == len(expected(folder, "unseen_studies", "validation"))


@pytest.mark.parametrize("streaming", [False, True])
def test_a_dataset_made_again_is_loaded_again(tmp_path: Path, streaming: bool) -> None:
    place = tmp_path / "again"
    for people in (8, 12):
        write_dataset(place, studies=STUDY_IDS[:2], people=people)
        found = load("all", "train", dataset=place, streaming=streaming)
        assert sum(1 for _ in found) == 2 * people * OUTCOMES
        place.rename(tmp_path / f"old{people}")


def test_a_hub_repository_loads_like_its_folder(folder: Path, tmp_path: Path) -> None:
    """Its files are asked for one by one, so those of other splits and configs are left alone."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code = """
import json
from socsci210 import load
whole = load("unseen_conditions", "test", dataset="org/small")
streamed = load("unseen_conditions", "test", dataset="org/small", clean=True, strict=True, streaming=True)
print(json.dumps([sorted((row["study_id"], row["sample_id"]) for row in part) for part in (whole, streamed)]))
"""
    with LocalHub() as hub:
        hub.commit("dataset", "org/small", files)
        homes = {"HF_HOME": str(tmp_path / "hf"), "XDG_CACHE_HOME": str(tmp_path / "xdg")}
        environment = {**os.environ, **hub.environment(), **homes}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        served = {path for path in hub.served if path.startswith("data/")}
    whole, streamed = ({(study, number) for study, number in rows_} for rows_ in json.loads(done.stdout.splitlines()[-1]))
    assert whole == expected(folder, "unseen_conditions", "test")
    assert streamed == {key for key in whole if key[1] % 20}
    assert served == {path.relative_to(folder).as_posix() for path in DatasetFolder(folder).files("unseen_conditions", "test")}


# --- the strict view -----------------------------------------------------------------------------------------------------------------


def test_strict_keeps_unseen_studies_and_their_kin_out_of_every_training_side(tmp_path: Path) -> None:
    """bwgjp and a7uk3 are sisters that the official list tears, 8ctbk is unseen, the two others are seen."""
    place = write_dataset(tmp_path / "sisters", studies=("bwgjp", "a7uk3", "8ctbk", "9263n", "3xy9j"), people=16)
    split = {row["study_id"]: row["split"] for row in load("assignments", "train", dataset=place) if row["config"] == "unseen_studies"}
    assert {study for study, side in split.items() if side == "test"} == {"a7uk3", "8ctbk"}
    assert split["bwgjp"] != "test"
    for config in SPLIT_CONFIGS:
        for name, part in load(config, dataset=place, strict=True).items():
            want = expected(place, config, name)
            assert keys(part) == (want if name == "test" else {key for key in want if key[0] not in ("bwgjp", "a7uk3", "8ctbk")})
    plain, strict = expected(place, "unseen_conditions", "train"), load("unseen_conditions", "train", dataset=place, strict=True)
    assert {"8ctbk", "a7uk3"} <= {study for study, _ in plain}
    assert keys(load("unseen_conditions", "train", dataset=place, strict=True, streaming=True)) == keys(strict) < plain


# --- rationales ----------------------------------------------------------------------------------------------------------------------


def keep_reasoning(place: Path, without: str) -> None:
    """Rationales of all training rows, in another order than the rows, less one study."""
    for config in SPLIT_CONFIGS:
        for path in DatasetFolder(place).files(config, "train"):
            table = pq.read_table(path, columns=["sample_id", "study_id"]).sort_by([("sample_id", "descending")])
            table = table.filter(pc.not_equal(table["study_id"], without))
            texts = [f"because {study} {number}" for study, number in zip(*(c.to_pylist() for c in table.columns[::-1]), strict=True)]
            if texts:
                write_parquet(
                    table.append_column("reasoning", pa.array(texts, pa.string())), place / "reasoning" / path.relative_to(place / "data")
                )


def test_reasoning_stands_beside_its_training_row(tmp_path: Path) -> None:
    place = write_dataset(tmp_path / "kept", people=8)
    keep_reasoning(place, without="toy_d")
    for config in SPLIT_CONFIGS:
        part = load(config, "train", dataset=place, reasoning=True, clean=True, strict=True, columns=["response", "study_id", "sample_id"])
        assert part.column_names == ["response", "study_id", "sample_id", "reasoning"]
        found = part.to_list()
        assert keys(found) == keys(load(config, "train", dataset=place, clean=True, strict=True))
        for row in found:
            assert row["reasoning"] == (None if row["study_id"] == "toy_d" else f"because {row['study_id']} {row['sample_id']}")
    whole = load("unseen_participants", "train", dataset=place, reasoning=True, prompts="upstream")
    assert whole.column_names == [*ROWS.names, "reasoning", "prompt"]


def test_a_dataset_without_rationales_says_how_to_get_them(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"no reasoning is kept for the training rows of unseen_studies\n.*\n.*--with-reasoning"):
        load("unseen_studies", "train", dataset=folder, reasoning=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"config": "unseen_condition"}, "no config is called 'unseen_condition'.*\n.*\n.*did you mean 'unseen_conditions'"),
        ({"config": "unseen_studies", "split": "dev"}, "config 'unseen_studies' has no split 'dev'\n.*train, validation, test"),
        ({"split": "test"}, "config 'all' has no split 'test'\n.*train"),
        ({"columns": ["respons"]}, "config 'all' has no column respons\n.*response"),
        ({"columns": []}, "columns=\\[\\] names no column\n.*name at least one column"),
        ({"columns": [], "prompts": "upstream"}, "name at least one column"),
        ({"columns": ["prompt"]}, "no column prompt\n.*\n.*needs prompts='upstream'"),
        ({"studies": ["toy_b", "tox_c"]}, "no study tox_c\n.*toy_c"),
        ({"config": "studies", "clean": True}, "clean with config 'studies'"),
        ({"config": "cells", "prompts": "upstream"}, "prompts with config 'cells'"),
        ({"strict": True}, "strict with config 'all', split None\n.*unseen_studies"),
        ({"reasoning": True}, "reasoning with config 'all', split None\n.*split train of unseen_studies"),
        ({"config": "unseen_studies", "split": "test", "reasoning": True}, "reasoning with config 'unseen_studies', split 'test'"),
        ({"config": "unseen_studies", "split": "train", "reasoning": True, "streaming": True}, "reasoning and streaming with config"),
        ({"columns": ["reasoning"]}, "no column reasoning"),
        ({"disjoint_people": True}, "disjoint_people with config 'all'"),
        ({"config": "unseen_participants", "split": "test", "fraction": 10}, "fraction with config 'unseen_participants', split 'test'"),
        ({"config": "unseen_conditions", "fraction": 10}, "fraction with config 'unseen_conditions'"),
        ({"config": "unseen_participants", "fraction": 20}, "fraction 20\n.*1, 5, 10, 25, 50, 100"),
    ],
)
def test_what_cannot_be_loaded_is_said(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load(dataset=folder, **options)


def test_a_split_without_rows_is_said(tmp_path: Path) -> None:
    place = write_dataset(tmp_path / "one", studies=STUDY_IDS[:1], people=8)
    with pytest.raises(DatasetError, match="config 'unseen_studies', split 'test'"):
        load("unseen_studies", "test", dataset=place)
    assert list(load("unseen_studies", dataset=place)) == ["train"]


def test_small_rows_have_the_schema_of_the_dataset(folder: Path) -> None:
    table = load("all", "train", dataset=folder).data.table
    assert table.select(ROWS.names).schema.equals(pa.schema(ROWS), check_metadata=False)
