"""The build against rows worked out by hand: codes, arms, blanks, items, conjoints, and the files that come out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from socsci210.build import build, validate
from socsci210.dataset_folder import DatasetFolder, partition_sides
from socsci210.registry import Registry
from socsci210.schema import ROWS as ROW_SCHEMA
from socsci210.schema import SPLIT_CONFIGS

from .toys import ROWS, SCALE, contents, many, read_here, records, rows_of, toy

ENDS = "Only return an integer from 1 to 5, where 1 means Not at all and 5 means Fully, nothing else."
ASKED = f'asked: "Do you support trees? {ENDS}"'


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)


def test_the_simplest_study(tmp_path: Path) -> None:
    report = toy(tmp_path).build(tmp_path / "out")
    assert report.built == ("toy",) and report.failed == {}
    assert rows_of(tmp_path / "out", "sample_id", "participant", "condition_num", "task_num", "item_num", "response", "stimuli") == [
        (0, 0, 0, 0, 0, 3, f"You were {ASKED}"),
        (1, 1, 1, 0, 0, 5, f'You read "Trees cool streets." and then were {ASKED}'),
        (2, 2, 1, 0, 0, 1, f'You read "Trees cool streets." and then were {ASKED}'),
        (3, 3, 0, 0, 0, 4, f"You were {ASKED}"),
    ]
    assert rows_of(tmp_path / "out", "study_id", "scale_min", "scale_max", "weight", "flags") == [("toy", 1, 5, None, [])] * 4
    assert records(tmp_path / "out", "conditions", "condition_id", "n_participants", "n_responses", "n_missing", "text") == [
        ("control", 2, 2, 0, None),
        ("treated", 2, 2, 0, "Trees cool streets."),
    ]
    cells = records(tmp_path / "out", "cells", "condition_num", "n", "support", "counts", "mean")
    assert cells == [(0, 2, [1, 2, 3, 4, 5], [0, 0, 1, 1, 0], 3.5), (1, 2, [1, 2, 3, 4, 5], [1, 0, 0, 0, 1], 3.0)]
    # E|share of 2 people - 1/2| = 1/4 for a coin: between 3 and 4 (a quarter of the scale), and between 1 and 5 (all of it)
    assert records(tmp_path / "out", "cells", "noise_floor") == [(pytest.approx(0.25 / 4),), (pytest.approx(0.25),)]


THREE = {
    "kind": "ordinal",
    "min": 0,
    "max": 2,
    "direction": "up",
    "labels": {0: {"text": "No"}, 1: {"text": "Unsure"}, 2: {"text": "Yes"}},
}
AB = {
    "data.missing": {"*": {-1: "refused"}, "qb": {9: "dont_know"}},
    "data.weight": "w",
    "outcomes.0": {
        "id": "support",
        "label": "Support",
        "question": [{"text": "Do you support trees?"}],
        "scale": {
            "kind": "ordinal",
            "min": 0,
            "max": 2,
            "direction": "up",
            "labels": {0: {"text": "No"}, 1: {"text": "Unsure"}, 2: {"text": "Yes"}},
        },
        "recode": {1: 2, 2: 0, 3: 1},
        "why_recode": "The file lists yes, no, unsure.",
        "variants": [{"conditions": ["control"], "column": "qa"}, {"conditions": ["treated"], "column": "qb"}],
    },
}
AB_ROWS = [
    {"id": 11, "arm": 0, "qa": 1, "qb": "", "w": 0.5},
    {"id": 12, "arm": 0, "qa": -1, "qb": "", "w": 1},
    {"id": 13, "arm": 1, "qa": "", "qb": 3, "w": 1.5},
    {"id": 14, "arm": 1, "qa": "", "qb": 9, "w": 1},
    {"id": 15, "arm": 1, "qa": 2, "qb": "", "w": 1},  # the answer of the other arm's column is not read
    {"id": 16, "arm": 0, "qa": 2, "qb": 9, "w": 1},
]


def test_columns_by_arm_recode_weights_and_missing_by_arm(tmp_path: Path) -> None:
    toy(tmp_path, AB, AB_ROWS).build(tmp_path / "out")
    assert rows_of(tmp_path / "out", "participant", "condition_num", "response", "weight") == [
        (0, 0, 2, 0.5),
        (2, 1, 1, 1.5),
        (5, 0, 0, 1.0),
    ]
    assert records(tmp_path / "out", "conditions", "n_participants", "n_responses", "n_missing", "missing") == [
        (3, 2, 1, [{"task_num": 0, "reason": "refused", "n": 1}]),
        (3, 1, 2, [{"task_num": 0, "reason": "dont_know", "n": 1}, {"task_num": 0, "reason": "skipped", "n": 1}]),
    ]
    assert rows_of(tmp_path / "out", "stimuli")[0][0].endswith('Only return 0 for No, 1 for Unsure or 2 for Yes, nothing else."')
    assert records(tmp_path / "out", "participants", "participant", "condition_nums", "n_responses") == [
        (0, [0], 1), (1, [0], 0), (2, [1], 1), (3, [1], 0), (4, [1], 0), (5, [0], 1),
    ]  # fmt: skip


def test_filters_and_duplicates_are_counted_by_reason(tmp_path: Path) -> None:
    rows = [*ROWS, {"id": "p4", "arm": 0, "q1": 2}, {"id": "p5", "arm": 7, "q1": 2}, {"id": "p6", "arm": "", "q1": 2}]
    keep = [{"sql": "arm < 2", "reason": "no_arm", "why": "Nobody drew an arm for them."}]
    changes = {"data.keep": keep, "data.duplicates": "drop_all", "stated.0.value": 3}
    toy(tmp_path, changes, rows).build(tmp_path / "out")
    assert rows_of(tmp_path / "out", "participant", "response") == [(0, 3), (1, 5), (2, 1)]
    assert records(tmp_path / "out", "studies", "n_participants", "dropped") == [
        (3, [{"reason": "duplicate_participant", "n": 2}, {"reason": "no_arm", "n": 2}])
    ]
    toy(tmp_path, changes | {"data.duplicates": "keep_first", "stated.0.value": 4}, rows).build(tmp_path / "out")
    assert rows_of(tmp_path / "out", "participant", "response") == [(0, 3), (1, 5), (2, 1), (3, 4)]


def test_fills_from_the_row_and_from_the_condition(tmp_path: Path) -> None:
    changes = {
        "fills": {
            "who": {"column": "sex", "values": {1: {"text": "your wife"}, 2: {"text": "you"}}},
            "where": {"by": "condition", "values": {"control": {"text": "towns"}, "treated": {"text": "parks"}}},
            "name": {
                "sql": "CASE WHEN sex < 9 THEN sex + 1 END",
                "values": {2: {"text": "Ann"}, 3: {"text": "Bob"}},
                "absent": "Not shown to people without a sex.",
            },
        },
        "conditions.1.text": [{"text": "Meet {name}."}],
        "outcomes.0.question": [{"text": "Would {who} like trees in {where}?"}],
        "outcomes.0.context": [{"text": "Think of trees."}],
        "data.missing": {"sex": {9: "refused"}},
    }
    rows = [{"id": i, "arm": arm, "q1": 2, "sex": sex} for i, (arm, sex) in enumerate([(0, 1), (0, 2), (1, 2), (1, 1), (1, 1)])]
    toy(tmp_path, changes, rows).build(tmp_path / "out")
    texts = [text.removesuffix(f' {ENDS}"') for (text,) in rows_of(tmp_path / "out", "stimuli")]
    assert texts == [
        'You read "Think of trees." and then were asked: "Would your wife like trees in towns?',
        'You read "Think of trees." and then were asked: "Would you like trees in towns?',
        'You read "Meet Bob. Think of trees." and then were asked: "Would you like trees in parks?',
        'You read "Meet Ann. Think of trees." and then were asked: "Would your wife like trees in parks?',
        'You read "Meet Ann. Think of trees." and then were asked: "Would your wife like trees in parks?',
    ]
    assert records(tmp_path / "out", "outcomes", "question")[0] == ("Would {who} like trees in towns?",)
    # a text that holds an absent blank was not shown, and is left out
    changes |= {"outcomes.0.question": [{"text": "Would you like trees?"}]}
    rows[4]["sex"] = 9
    toy(tmp_path, changes, rows).build(tmp_path / "out")
    assert rows_of(tmp_path / "out", "stimuli")[4] == (f'You read "Think of trees." and then were asked: "Would you like trees? {ENDS}"',)


def test_items_with_binds_and_conditions_read_per_item(tmp_path: Path) -> None:
    """A within-subject design: everybody judged two policies, each under a frame of its own; `asked` leaves out what was not shown."""
    changes = {
        "design": "within",
        "conditions": [
            {"id": "left", "label": "Left", "where": "frame_{p} = 'L'", "text": [{"text": "The left wants {what}."}]},
            {"id": "right", "label": "Right", "where": "frame_{p} = 'R'", "text": [{"text": "The right wants {what}."}]},
        ],
        "outcomes": [
            {
                "id": "support",
                "label": "Support",
                "column": "y_{p}",
                "asked": "frame_{p} IS NOT NULL",
                "question": [{"text": "Do you want {what}?"}],
                "scale": SCALE,
                "items": [{"id": "tax", "bind": {"p": 1, "what": "a tax"}}, {"id": "ban", "bind": {"p": 2, "what": "a ban"}}],
            },
            {
                "id": "mood",
                "label": "Mood",
                "question": [{"text": "How are you?"}],
                "scale": SCALE,
                "items": [{"id": "now", "column": "m", "bind": {"p": 1, "what": "a tax"}}],
            },
        ],
    }
    rows = [
        {"id": 1, "frame_1": "L", "y_1": 1, "frame_2": "R", "y_2": 2, "m": 3},
        {"id": 2, "frame_1": "R", "y_1": 4, "frame_2": "", "y_2": "", "m": ""},
        {"id": 3, "frame_1": "R", "y_1": "", "frame_2": "L", "y_2": 5, "m": 1},
    ]
    toy(tmp_path, changes, rows).build(tmp_path / "out")
    assert rows_of(tmp_path / "out", "sample_id", "participant", "task_num", "item_num", "condition_num", "response") == [
        (0, 0, 0, 0, 0, 1),
        (1, 0, 0, 1, 1, 2),
        (2, 0, 1, 0, 0, 3),
        (3, 1, 0, 0, 1, 4),
        (4, 2, 0, 1, 0, 5),
        (5, 2, 1, 0, 1, 1),
    ]
    assert rows_of(tmp_path / "out", "stimuli")[1] == (
        f'You read "The right wants a ban." and then were asked: "Do you want a ban? {ENDS}"',
    )
    assert records(tmp_path / "out", "participants", "condition_nums") == [([0, 1],), ([1],), ([0, 1],)]
    assert records(tmp_path / "out", "conditions", "n_participants", "n_missing", "text") == [
        (2, 0, "The left wants a tax.\n\nThe left wants a ban."),
        (3, 2, "The right wants a tax.\n\nThe right wants a ban."),  # person 1 skipped the mood, person 2 the tax
    ]
    assert records(tmp_path / "out", "cells", "condition_num", "task_num", "counts") == [
        (0, 0, [1, 0, 0, 0, 1]),
        (0, 1, [0, 0, 1, 0, 0]),
        (1, 0, [0, 1, 0, 1, 0]),
        (1, 1, [1, 0, 0, 0, 0]),
    ]


def conjoint() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Two pairs of candidates, two profiles, two attributes in an order of their own; a choice per pair."""
    levels = {"job": {1: {"text": "Nurse"}, 2: {"text": "Clerk"}}, "age": {30: {"text": "30 years"}, 60: {"text": "60 years"}}}
    attributes = [
        {
            "name": name,
            "profile": profile,
            "column": f"pair{{pair}}_{profile}_{name}",
            "title": {"text": name.title() + ":"},
            "values": levels[name],
            "position": f"order_{name}",
        }
        for profile in ("a", "b")
        for name in ("job", "age")
    ]
    changes = {
        "design": "conjoint",
        "conditions": [
            {"id": "mayor", "label": "Mayor", "where": "arm = 0", "text": [{"text": "They run for mayor."}]},
            {"id": "judge", "label": "Judge", "where": "arm = 1", "text": [{"text": "They run for judge."}]},
        ],
        "outcomes": [
            {
                "id": "choice",
                "label": "Choice of a",
                "column": "pair{pair}_choice",
                "context": [{"text": "A is {a}. B is {b}."}],
                "question": [{"text": "Whom do you choose?"}],
                "scale": {"kind": "binary", "min": 1, "max": 2, "direction": "unknown", "labels": {1: {"text": "A"}, 2: {"text": "B"}}},
                "items": [{"id": "first", "bind": {"pair": 1}}, {"id": "second", "bind": {"pair": 2}}],
                "attributes": attributes,
            }
        ],
    }
    rows = [
        {"id": i, "arm": i % 2, "order_job": 2 - i % 2, "order_age": 1 + i % 2}
        | {f"pair{pair}_{profile}_job": 1 + (i + pair) % 2 for pair in (1, 2) for profile in "ab"}
        | {f"pair{pair}_{profile}_age": 30 if profile == "a" else 60 for pair in (1, 2) for profile in "ab"}
        | {"pair1_choice": 1, "pair2_choice": "" if i == 2 else 2}
        for i in range(3)
    ]
    return changes, rows


def test_a_conjoint_keeps_its_attributes_as_data_and_shows_them_in_the_order_seen(tmp_path: Path) -> None:
    toy(tmp_path, *conjoint()).build(tmp_path / "out")
    texts = [text.split('" and then')[0] for (text,) in rows_of(tmp_path / "out", "stimuli")]
    # person 0 saw age first, person 1 the job first
    assert texts[0] == 'You read "They run for mayor. A is Age: 30 years; Job: Clerk. B is Age: 60 years; Job: Clerk.'
    assert texts[2] == 'You read "They run for judge. A is Job: Nurse; Age: 30 years. B is Job: Nurse; Age: 60 years.'
    shown = records(tmp_path / "out", "attributes", "participant", "item_num", "profile", "attribute", "level", "position")
    assert len(shown) == 3 * 2 * 2 * 2  # everybody who was asked, answered or not
    assert (0, 0, "a", "job", "Clerk", 1) in shown and (0, 0, "a", "age", "30 years", 0) in shown
    assert (1, 1, "b", "age", "60 years", 1) in shown and (1, 1, "b", "job", "Clerk", 0) in shown
    assert rows_of(tmp_path / "out", "participant", "item_num", "response") == [(0, 0, 1), (0, 1, 2), (1, 0, 1), (1, 1, 2), (2, 0, 1)]


def test_scales_may_differ_by_item_and_condition_and_have_no_bounds(tmp_path: Path) -> None:
    changes = {
        "outcomes.0.variants": [
            {"conditions": ["control"]},
            {"conditions": ["treated"], "scale": {"kind": "numeric", "direction": "up", "unit": "dollars"}},
        ]
    }
    rows = [{"id": 1, "arm": 0, "q1": 3}, {"id": 2, "arm": 1, "q1": 1200}, {"id": 3, "arm": 1, "q1": -50}]
    toy(tmp_path, changes, rows).build(tmp_path / "out")
    assert rows_of(tmp_path / "out", "response", "scale_min", "scale_max") == [(3, 1, 5), (1200, None, None), (-50, None, None)]
    assert rows_of(tmp_path / "out", "stimuli")[1][0].endswith('trees? Only return an integer representing dollars, nothing else."')
    assert records(tmp_path / "out", "cells", "scale_min", "support", "counts", "noise_floor")[1] == (None, [-50, 1200], [1, 1], None)


def test_demographics_and_truncated_text(tmp_path: Path) -> None:
    fields = {"gender": {"columns": ["sex"], "values": {1: "Male", 2: "Female"}}, "age": {"columns": ["years"]}}
    changes = {"demographics.fields": fields, "text_status": "truncated", "data.missing": {"sex": {9: "refused"}}}
    rows = [row | {"sex": sex, "years": years} for row, sex, years in zip(ROWS, (1, 2, 9, ""), (20, 30, 40, ""), strict=True)]
    toy(tmp_path, changes, rows).build(tmp_path / "out")
    people = [person for (person,) in rows_of(tmp_path / "out", "demographic")]
    assert [(person["age"], person["gender"]) for person in people] == [(20, "Male"), (30, "Female"), (40, None), (None, None)]
    assert all(value is None for person in people for field, value in person.items() if field not in ("age", "gender"))
    assert rows_of(tmp_path / "out", "flags") == [(["text_truncated"],)] * 4
    sides = {path.name for path in (tmp_path / "out" / "data").iterdir()}
    assert all(partition_sides(name)["unseen_conditions"] == "none" for name in sides)


# --- the folder ----------------------------------------------------------------------------------------------------------------------


def three(folder: Path) -> tuple[Registry, list[str]]:
    """Three studies with more people."""
    names = ["toy_a", "toy_b", "toy_c"]
    for number, name in enumerate(names):
        items = [{"id": f"item{k}", "bind": {"k": f"number {k}"}} for k in range(3)]
        changes = {"provenance.family": name, "outcomes.0.question": [{"text": f"{{k}} of {name}?"}], "outcomes.0.items": items}
        toy(folder, changes, many(60 + number), study_id=name)
    return Registry([folder / "studies"]), names


def test_same_bytes_whatever_the_jobs_and_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # in child processes, as in life
    registry, names = three(tmp_path)
    options: dict[str, Any] = {"deposits": tmp_path / "deposits", "registry": registry}
    first = build(names, out=tmp_path / "one", jobs=1, **options)
    build(names[::-1], out=tmp_path / "two", jobs=2, cache=tmp_path / "cache", **options)
    build(names, out=tmp_path / "three", jobs=2, cache=tmp_path / "cache", **options)  # every study from the cache
    expected = contents(tmp_path / "one")
    assert contents(tmp_path / "two") == expected
    assert contents(tmp_path / "three") == expected
    assert len(list((tmp_path / "cache").iterdir())) == 3
    DatasetFolder(tmp_path / "one").check()
    assert first.manifest["rows"] == 3 * (60 + 61 + 62) == len(rows_of(tmp_path / "one", "response"))


def test_the_cache_is_left_when_anything_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    toy(tmp_path).build(tmp_path / "out", cache=cache)
    toy(tmp_path, {"outcomes.0.label": "Another label"}).build(tmp_path / "out", cache=cache)
    assert len(list(cache.iterdir())) == 2  # the study file
    toy(tmp_path, rows=[*ROWS[:3], {"id": "p4", "arm": 0, "q1": 5}]).build(tmp_path / "out", cache=cache)
    assert rows_of(tmp_path / "out", "response")[-1] == (5,)
    assert len(list(cache.iterdir())) == 3  # the data
    monkeypatch.setattr("socsci210.build.cache.code_version", lambda: "another version")
    toy(tmp_path).build(tmp_path / "out", cache=cache)
    assert len(list(cache.iterdir())) == 4  # the code


def test_datasets_loads_the_folder_without_our_code(tmp_path: Path) -> None:
    registry, names = three(tmp_path)
    build(names, out=tmp_path / "out", deposits=tmp_path / "deposits", registry=registry)
    folder, cache = str(tmp_path / "out"), str(tmp_path / "hf")
    rows = load_dataset(folder, split="train", cache_dir=cache)
    assert rows.column_names == ROW_SCHEMA.names and len(rows) == 549
    test = load_dataset(folder, "unseen_participants", split="test", cache_dir=cache)
    assert len(test) == DatasetFolder(tmp_path / "out").rows("unseen_participants", "test").num_rows > 0
    assert load_dataset(folder, "conditions", split="train", cache_dir=cache)["condition_id"][:2] == ["control", "treated"]


def test_files_carry_no_schema_of_their_own_and_splits_add_up(tmp_path: Path) -> None:
    registry, names = three(tmp_path)
    build(names, out=tmp_path / "out", deposits=tmp_path / "deposits", registry=registry)
    files = sorted((tmp_path / "out").rglob("*.parquet"))
    assert all(b"ARROW:schema" not in (pq.read_schema(file).metadata or {}) for file in files)
    folder = DatasetFolder(tmp_path / "out")
    counts = json.loads((tmp_path / "out" / "dataset.json").read_text())["splits"]
    for config in SPLIT_CONFIGS:
        assert sum(counts[config].values()) == 549
        for split in ("train", "validation", "test"):
            assert folder.rows(config, split).num_rows == counts[config][split]
    row_file = next(file for file in files if file.parent.parent.name == "data")
    assert pq.read_schema(row_file).field("stimuli").type == "string"


def test_the_card_is_filled_from_the_tables(tmp_path: Path) -> None:
    registry, names = three(tmp_path)
    build(names, out=tmp_path / "out", deposits=tmp_path / "deposits", registry=registry)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "549 answers of 183 people in 3 survey experiments" in card
    assert "| `toy_b` | A toy | 61 | 2 | 1 | 183 | CC0 | yes |" in card
    assert "dataset_info" not in card and "config_name: all\n  default: true" in card
    assert DatasetFolder(tmp_path / "out").fingerprint in card


def test_a_study_that_fails_is_reported_and_left_out(tmp_path: Path) -> None:
    _, names = three(tmp_path)
    toy(tmp_path, {"conditions.1.where": "arm = 5"}, study_id="toy_bad")
    report = build(
        [*names, "toy_bad", "no_such"], out=tmp_path / "out", deposits=tmp_path / "deposits", registry=Registry([tmp_path / "studies"])
    )
    assert report.built == tuple(names)
    assert sorted(report.failed) == ["no_such", "toy_bad"]
    assert "[one_condition] 2 people are in no condition: rows 2, 3 of the data" in report.failed["toy_bad"]
    left_out = json.loads((tmp_path / "out" / "dataset.json").read_text())["left_out"]
    assert left_out["toy_bad"] == "it does not pass the gate one_condition"
    assert "`toy_bad` was left out: it does not pass the gate one_condition" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in json.dumps(left_out)


def test_validate_writes_nothing(tmp_path: Path) -> None:
    toy(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    report = validate(["toy"], deposits=tmp_path / "deposits", registry=Registry([tmp_path / "studies"]))
    assert (report.path, report.built, report.failed) == (None, ("toy",), {})
    assert sorted(tmp_path.rglob("*")) == before
