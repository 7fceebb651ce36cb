"""The card of a dataset: every figure moves with the table that it is counted from, and the card loads through `datasets`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from datasets import load_dataset

from socsci210.build import build
from socsci210.cards.dataset import dataset_card
from socsci210.cards.merging import split_card
from socsci210.cards.sections import check_card, merge
from socsci210.dataset_folder import DatasetFolder
from socsci210.registry import Registry
from socsci210.schema import TABLES

from .toys import many, toy


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """A dataset of two toy studies."""
    place = tmp_path_factory.mktemp("cards")
    for number, name in enumerate(("toy_a", "toy_b")):
        changes = {"provenance.family": name, "outcomes.0.question": [{"text": f"What of {name}?"}]}
        toy(place, changes, many(40 + number), study_id=name)
    build(["toy_a", "toy_b"], out=place / "out", deposits=place / "deposits", registry=Registry([place / "studies"]))
    return DatasetFolder(place / "out")


@pytest.fixture(scope="module")
def tables(folder: DatasetFolder) -> dict[str, pa.Table]:
    return {name: folder.table(name) for name in TABLES}


def changed(table: pa.Table, **columns: Any) -> pa.Table:
    """A table with other values in the first rows of some columns; the empty name changes nothing."""
    rows = table.to_pylist()
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=False):
            row[name] = value
    return pa.Table.from_pylist(rows, schema=table.schema)


def test_the_card_of_a_built_dataset_is_complete_and_is_what_the_folder_holds(folder: DatasetFolder, tables: dict[str, pa.Table]) -> None:
    card = dataset_card(tables, folder.manifest)
    check_card(card, "dataset")
    assert card == (folder.path / "README.md").read_text(encoding="utf-8")
    data, page = split_card(card)
    assert list(data)[:2] == ["language", "license"] and data["license"] == "cc0-1.0" and data["size_categories"] == ["n<1K"]
    assert data["configs"][0]["config_name"] == "all" and "dataset_info" not in data
    assert str(folder.path.parent) not in card and "None" not in page and "{{" not in page


def test_every_figure_moves_with_what_it_is_counted_from(folder: DatasetFolder, tables: dict[str, pa.Table]) -> None:
    def card(manifest: dict[str, Any] | None = None, /, **others: pa.Table) -> str:
        return dataset_card(tables | others, {**folder.manifest, **(manifest or {})})

    rows, people = folder.manifest["rows"], tables["participants"].num_rows
    studies, n = tables["studies"], [study["n_participants"] for study in tables["studies"].to_pylist()]
    assert f"{rows:,} answers of {people} people in 2 survey experiments" in card()
    assert f"{rows + 1000:,} answers" in card({"rows": rows + 1000}) and "1K<n<10K" in card({"rows": rows + 1000})
    fewer = tables["participants"].slice(1)
    assert f"answers of {people - 1} people" in card(participants=fewer) and f"\n{people - 1} people in 2 studies" in card(
        participants=fewer
    )
    splits = {**folder.manifest["splits"], "unseen_studies": {"train": 4321, "validation": 7, "test": 8}}
    assert "| `unseen_studies` | whole studies | 4,321 | 7 | 8 |" in card({"splits": splits})
    panels = changed(studies, panel=["A | panel", "B"], field_start=["2011-05", "unknown"], field_end=["2013", "unknown"])
    assert rf"| A \| panel | 1 | {n[0]} | {100 * n[0] / sum(n):.1f} % |" in card(studies=panels)
    assert "Fielded 2011 to 2013; no date is recorded for 1 of the studies." in card(studies=panels)
    counted = changed(tables["conditions"], n_missing=[12_345])
    assert "12,345 questions that were asked and not answered" in card(conditions=counted)
    small = changed(tables["cells"], n=[1], scale_min=[None])
    assert (
        "1 of " in re.findall(r"- (.*) cells \(study", card(cells=small))[0] and "0 of " in re.findall(r"- (.*) cells \(study", card())[0]
    )
    assert "name no control condition" in card() and "\n- 2 of the 2 studies name no control" in card(
        conditions=changed(tables["conditions"], control=[False] * 9)
    )
    assert "Each study keeps the rights of its own deposit" in card(studies=changed(studies, licence=["MIT", "CC BY 4.0"]))
    assert "license: cc-by-4.0" in card(studies=changed(studies, licence=["CC-BY-4.0", "CC BY 4.0"]))


def test_who_is_covered_and_who_is_missing(folder: DatasetFolder, tables: dict[str, pa.Table]) -> None:
    people = tables["participants"].num_rows
    empty: dict[str, Any] = dict.fromkeys(tables["participants"].column("demographic").type.names)
    ages = [empty | {"age": 20 + at} | ({"gender": "Female"} if at < 10 else {}) for at in range(people)]
    card = dataset_card(tables | {"participants": changed(tables["participants"], demographic=ages)}, folder.manifest)
    assert f"| `age` | 100.0 % | 2 | {people} | 20 to {19 + people}, median {20 + (people - 1) // 2} |" in card
    assert f"| `gender` | {1000 / people:.1f} % | 1 | 1 of 2 | Female 100.0 % |" in card
    assert "Known for nobody here: `education`, `employment`," in card
    assert f"Known for under half of the people: `gender` ({1000 / people:.1f} %)." in card and "- `gender`: Male" in card
    coarse = [empty | {"location": "South"} for _ in range(people)]
    card = dataset_card(tables | {"participants": changed(tables["participants"], demographic=coarse)}, folder.manifest)
    assert "| `location` | 100.0 % | 2 | 1 | South 100.0 % |" in card and "Alabama" not in card


def test_what_is_known_only_when_it_is_published(folder: DatasetFolder, tables: dict[str, pa.Table]) -> None:
    found = {
        "rule": "off_scale",
        "title": "Answers | off",
        "studies": 1,
        "places": None,
        "rows": 1234,
        "share": "0.5 %",
        "clean": "row left out",
    }
    card = dataset_card(
        tables, {**folder.manifest, "published": {"coarse": True}}, repository="lab/answers", withheld={"st_x": "nobody | knows"},
        privacy=[("unique on all fields", "12 of 80")], privacy_notes=["3 people under 18 were left out."], findings=[found],
    )  # fmt: skip
    check_card(card, "dataset")
    assert 'load_dataset("lab/answers", split="train")' in card and "PATH_OR_REPO" not in card
    assert (
        r"- `st_x`: nobody \| knows" in card
        and "| unique on all fields | 12 of 80 |" in card
        and "3 people under 18 were left out." in card
    )
    assert r"| `off_scale` | Answers \| off | 1 |  | 1,234 | 0.5 % | row left out |" in card
    assert "socsci210 push dataset DATASET lab/answers --coarsen" in card


def test_titles_from_deposits_break_nothing(folder: DatasetFolder, tables: dict[str, pa.Table]) -> None:
    bad = "x | y\n\n## Heading\n<!-- socsci210: 000000000000 --> `<script>` ---"
    hostile = changed(tables["studies"], title=[bad], citation=[bad], licence=[bad], panel=[bad], population=[bad], redistribute_why=[bad])
    hostile = changed(hostile, source_url=["javascript:alert(1)"], simulated=[False, False])
    card = dataset_card(tables | {"studies": hostile}, {**folder.manifest, "left_out": {"a`b": bad}}, withheld={"w|x": bad})
    check_card(card, "dataset")
    plain = dataset_card(tables, folder.manifest, withheld={"w": "why"})
    headings = [line for line in split_card(card)[1].splitlines() if line.startswith("#")]
    assert headings == [line for line in split_card(plain)[1].splitlines() if line.startswith("#")]
    assert "<script>`" not in card.replace(r"\<script\>\`", "") and "](<javascript" not in card and "<javascript" not in card
    for line in card.splitlines():
        if line.startswith("| `toy_"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 9
    assert merge(plain, card).count("Heading") == 0  # all of it was generated, whatever it says


def test_the_card_of_the_hub_loads_with_filters(
    folder: DatasetFolder, tables: dict[str, pa.Table], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Merged with a card that people edited, and in the class of huggingface_hub."""
    from huggingface_hub import DatasetCard

    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.path.iterdir():
        if path.name != "README.md":
            (copy / path.name).symlink_to(path)
    edited = dataset_card(tables, folder.manifest).replace(
        "license: cc0-1.0", "license: cc0-1.0\ndataset_info:\n  splits: [{name: train, num_examples: 1}]"
    )
    card = merge(dataset_card(tables, folder.manifest, repository="lab/answers"), edited + "\n## Ours\n\nWords.\n")
    (copy / "README.md").write_text(card, encoding="utf-8")
    read = DatasetCard.load(copy / "README.md")
    assert read.data.license == "cc0-1.0" and "Words." in read.text and "dataset_info" not in read.data.to_dict()
    assert yaml.safe_load(read.data.to_yaml())["configs"] == split_card(card)[0]["configs"]
    cache = str(tmp_path / "cache")
    everything = load_dataset(str(copy), split="train", cache_dir=cache)
    assert len(everything) == folder.manifest["rows"]
    some = load_dataset(str(copy), split="train", filters=[("study_id", "==", "toy_a")], cache_dir=cache)
    assert set(some["study_id"]) == {"toy_a"} and 0 < len(some) < len(everything)
    assert len(load_dataset(str(copy), "participants", split="train", cache_dir=cache)) == tables["participants"].num_rows
    said = re.findall(r"```python\n(.*?)```", read.text, re.DOTALL)
    for script in said:
        exec(compile(script.replace("lab/answers", str(copy)), "card", "exec"), {})
    assert len(said) == 2 and capsys.readouterr().out == f"{tables['participants'].num_rows} 0.0\n"
    assert json.loads((copy / "dataset.json").read_text())["fingerprint"] in read.text
