"""The command line: what it prints, what it exits with, and that a wrong input leaves a message, not a traceback or a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from socsci210.cli import show
from socsci210.replacing import write_whole


def test_studies_as_json_lists_every_study_file(command) -> None:
    code, out, _ = command("studies", "--json")
    found = {study["id"]: study for study in json.loads(out)}
    assert code == 0
    assert {"schuldt301", "singer251", "holbrook120", "ryanS14", "kallaBR42", "tannenbaum2017_1", "tannenbaum2017_2"} <= set(found)
    assert sum(study["simulated"] for study in found.values()) >= 16
    assert not any(study["broken"] for study in found.values())


def test_studies_shows_the_210_of_the_release_filtered_and_sorted(command) -> None:
    _, out, _ = command("studies", "--json")
    assert sum(study["kind"] == "release" for study in json.loads(out)) == 210
    _, out, _ = command("studies", "--json", "--split", "unseen", "--sort", "rows", "--descending")
    unseen = json.loads(out)
    assert (len(unseen), sum(study["rows"] for study in unseen)) == (40, 482_642)
    assert [study["rows"] for study in unseen] == sorted((study["rows"] for study in unseen), reverse=True)
    _, out, _ = command("studies", "--defect", "condition_offset")
    assert "8ctbk" in out and "1 of the 210" in out
    code, _, err = command("studies", "--topic", "imigration")
    assert code == 1 and "immigration" in err


def test_one_study_in_full(command) -> None:
    code, out, _ = command("studies", "8ctbk")
    assert code == 0
    assert "https://osf.io/8ctbk/" in out and "condition_offset (counted)" in out
    code, _, err = command("studies", "8ctbx")
    assert code == 1 and "8ctbk" in err


def test_a_broken_study_is_listed_and_fails_the_command(command, tmp_path: Path) -> None:
    folder = tmp_path / "lab_study"
    folder.mkdir()
    (folder / "study.yaml").write_text("format: 1\nid: lab_study\n", encoding="utf-8")
    code, out, _ = command("studies", "--json", "--studies", tmp_path)
    [broken] = [study for study in json.loads(out) if study["id"] == "lab_study"]
    assert code == 1
    assert "study.yaml, line 1: key 'design' is missing" in broken["broken"]


def test_new_study_is_found_under_its_id(command, tmp_path: Path) -> None:
    code, out, _ = command("new-study", "lab_study", "--in", tmp_path)
    assert (code, out.strip()) == (0, str(tmp_path / "lab_study" / "study.yaml"))
    assert "family: lab_study" in (tmp_path / "lab_study" / "study.yaml").read_text(encoding="utf-8")
    _, out, _ = command("studies", "--json", "--studies", tmp_path)
    assert "lab_study" in {study["id"] for study in json.loads(out)}


def test_unknown_study_is_a_message_with_a_suggestion(command, tmp_path: Path) -> None:
    code, _, err = command("build", "singer25l", "--deposits", tmp_path, "--out", tmp_path / "dataset")
    assert code == 1
    assert "singer251" in err
    assert "Traceback" not in err
    assert not (tmp_path / "dataset").exists()


def test_a_folder_without_deposits_is_a_message(command, tmp_path: Path) -> None:
    code, _, err = command("build", "--deposits", tmp_path, "--out", tmp_path / "dataset")
    assert code == 1
    assert "no deposit of any study" in err
    assert not (tmp_path / "dataset").exists()


def test_blocks_prints_the_ids_to_quote(command, tmp_path: Path) -> None:
    document = tmp_path / "questionnaire.txt"
    document.write_text("First line.\n\nQ1. How warm is it?\n", encoding="utf-8")
    code, out, _ = command("blocks", document, "--json")
    assert code == 0
    assert {block["id"]: block["text"] for block in json.loads(out)}["2"] == "Q1. How warm is it?"


def test_text_of_a_document_is_shown_as_it_is(command, tmp_path: Path) -> None:
    document = tmp_path / "questionnaire.txt"
    document.write_text("Hello [insert name] [/b] [show if cond=1] words\n", encoding="utf-8")
    code, out, _ = command("blocks", document)
    assert code == 0
    assert "Hello [insert name] [/b] [show if cond=1] words" in out
    code, _, err = command("build", "[/red]", "--deposits", tmp_path, "--out", tmp_path / "dataset")
    assert code == 1
    assert "[/red]" in err and "Traceback" not in err


def test_figures_are_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    show(
        [{"side": "unseen_participants test", **{f"n{i}": 123456 for i in range(9)}}],
        {"side": "side", **{f"n{i}": f"n{i}" for i in range(9)}},
    )
    assert capsys.readouterr().out.count("123,456") == 9


def test_from_deposits_to_a_page_with_a_control(command, tmp_path: Path, simulated_deposits: Path) -> None:
    dataset, predictions = tmp_path / "dataset", tmp_path / "predictions.parquet"
    results, page = tmp_path / "results.json", tmp_path / "report.html"
    studies = [p.name for p in sorted(simulated_deposits.iterdir()) if p.is_dir()][:4]
    code, out, err = command("build", *studies, "--deposits", simulated_deposits, "--out", dataset, "--cache", tmp_path / "cache")
    assert code == 0, err
    assert out.strip() == str(dataset)
    assert "unseen_conditions test" in err  # what the sides share is printed
    code, _, err = command("predict", "--engine", "uniform", "--dataset", dataset, "--config", "unseen_conditions", "--out", predictions)
    assert code == 0, err
    code, out, err = command("score", predictions, "--dataset", dataset, "--out", results, "--json")
    assert code == 0, err
    figures = json.loads(out[: out.rindex("}") + 1])["unseen_conditions"]
    assert figures["W"] == pytest.approx(figures["chance"], abs=1e-9)  # uniform IS chance
    assert figures["noise_floor"] < figures["pooled_oracle"] < figures["chance"]
    assert figures["answer_mass"] == 1
    code, out, err = command("report", results, "--out", page)
    assert code == 0, err
    assert f"{figures['W']:.3f}" in page.read_text(encoding="utf-8")
    assert pq.read_metadata(predictions).num_rows > 0


def test_predicting_with_an_unknown_engine_names_those_there_are(command, tmp_path: Path) -> None:
    code, _, err = command("predict", "--engine", "oracle", "--dataset", tmp_path, "--config", "all", "--out", tmp_path / "p.parquet")
    assert code == 1
    assert "train_lookup" in err and "pooled_oracle" in err
    assert not (tmp_path / "p.parquet").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("simulate-deposits", "--out", "{file}"),
        ("new-study", "lab_study", "--in", "{file}/studies"),
        ("new-experiment", "{file}/experiment.yaml"),
    ],
)
def test_what_the_system_refuses_is_a_message_and_no_traceback(command, arguments: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine", encoding="utf-8")
    code, _, err = command(*(word.format(file=file) for word in arguments))
    assert code == 1
    assert str(file) in err.replace("\n", "") and "Fix: check that the folder is there" in err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert file.read_text(encoding="utf-8") == "mine"


def test_a_fault_that_is_not_of_the_system_keeps_its_traceback(command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(*_: object) -> None:
        raise OSError("a library's own words")

    monkeypatch.setattr("socsci210.new_study.new_study", fails)
    with pytest.raises(OSError, match="a library's own words"):
        command("new-study", "lab_study", "--in", tmp_path)


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    def full(draft: Path) -> None:
        draft.write_text("half", encoding="utf-8")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        write_whole(tmp_path / "results.json", full)
    assert not list(tmp_path.iterdir())


def test_a_training_that_is_refused_ends_with_its_message(tmp_path: Path) -> None:
    nano = Path(__file__).parents[1] / "train" / "configs" / "nano.yaml"
    said = [sys.executable, "-m", "socsci210", "train", nano, "--dataset", tmp_path, "--output", tmp_path / "m"]
    done = subprocess.run(said, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no dataset.json in it" in done.stderr and "Traceback" not in done.stderr


def test_a_training_that_is_stopped_says_how_it_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from socsci210.train import __main__ as training

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "read_config", stopped)
    assert training.main(["nano.yaml"]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_version_and_help_need_no_torch() -> None:
    code = "import sys, socsci210.cli; sys.exit('torch' in sys.modules or 'transformers' in sys.modules or 'evaluate' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_profile_replaces_no_foreign_file(command, tmp_path: Path) -> None:
    (tmp_path / "deposit").mkdir()
    (tmp_path / "deposit" / "data.csv").write_text("arm,answer\n" + "1,2\n2,1\n" * 20)
    (tmp_path / "notes.md").write_text("my notes")
    code, _, err = command("profile", tmp_path / "deposit", "--out", tmp_path / "notes.md")
    assert code == 1 and "profile would replace another file" in err
    assert (tmp_path / "notes.md").read_text() == "my notes"
    for _ in range(2):  # an earlier profile is replaced
        code, *_ = command("profile", tmp_path / "deposit", "--out", tmp_path / "p.md", "--json", tmp_path / "p.json")
        assert code == 0
