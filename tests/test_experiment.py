"""Experiments: every YAML of the package, what is refused, steps done once, the tables, and one run that is killed half-way."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from socsci210 import experiment as package
from socsci210.dataset_folder import MANIFEST, fingerprint, table_file, write_parquet
from socsci210.errors import SocSciError
from socsci210.experiment import SETTINGS, ExperimentError, ExperimentResult, leash, published, read_experiment, run_experiment, shipped
from socsci210.experiment import run as steps_module
from socsci210.experiment.children import plain_launch
from socsci210.experiment.config import ExperimentConfig, Serve
from socsci210.experiment.steps import Steps
from socsci210.experiment.table import Scored, reasons_not_to_compare, tables
from socsci210.predict import predict
from socsci210.results import Contamination, Run
from socsci210.schema import TABLES
from socsci210.score import score
from socsci210.train.config import TrainConfig, TrainError, resolve
from socsci210.train.loop import train
from tests.openai_server import CHATML, taught_model
from tests.tiny import tiny_tokenizer
from tests.tiny_dataset import tiny_rows, write_tiny_dataset

NANO = {"hidden_size": 16, "intermediate_size": 24, "layers": 1, "heads": 2, "vocab_size": 320, "context": 512}
STUDIES = ["sim_tap_water", "sim_rent_fees", "sim_bus_lanes", "sim_jury_pay"]
SMALL = ["--nano.hidden_size", "16", "--nano.heads", "2", "--nano.layers", "1", "--nano.vocab_size", "400", "--train.max_steps", "2"]


# --- settings -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("setting", "name"), [(setting, name) for setting in SETTINGS for name in shipped(setting)])
def test_every_shipped_file_is_valid(setting: str, name: str) -> None:
    """Those of the real release cannot run here: all that is checked of them is that every setting is known and fits."""
    resolved = read_experiment(setting, Path(name))
    config = resolved.config
    assert config.setting == setting.replace("-", "_")
    assert resolved.source["train.learning_rate"] == "file" and resolved.source["launch.threads"] in ("file", "default")
    assert bool(config.fractions) == (setting == "unseen-participants")
    header = resolved.path.read_text(encoding="utf-8")
    assert f"socsci210 experiment {setting}" in header and "--config" not in header
    if name == "simulated":
        assert config.nano is not None and config.dataset is None
    else:
        assert f"socsci210 experiment {setting} {name} --dataset release\n" in header
        commented = header[header.index("# serve:") :].replace("# ", "", 1).replace("#   ", "  ")
        Serve.model_validate(yaml.safe_load(commented)["serve"])
        assert config.template == "upstream" and config.per_cell is None and config.paper_model == name
        training = config.training(dataset="release", output="m", seed=0, fraction=config.fractions[0] if config.fractions else None)
        assert config.launch.processes is not None
        assert training.batch_size * training.accumulation * config.launch.processes == 256
        accelerate = yaml.safe_load(package.config.accelerate_file(str(config.launch.accelerate)).read_text(encoding="utf-8"))
        assert accelerate["mixed_precision"] == training.precision == "bf16" and accelerate["num_processes"] == config.launch.processes


def test_three_files_for_each_setting() -> None:
    assert {tuple(sorted(shipped(setting))) for setting in SETTINGS} == {("llama3-8b", "qwen2.5-14b", "simulated")}


def test_every_key_from_the_command_line() -> None:
    arguments = ["--per_cell", "7", "--train.learning_rate=1e-4", "--seeds", "[3, 4]", "--nano.layers", "5", "--simulated.people", "300"]
    resolved = read_experiment("unseen-studies", overrides=arguments)
    config = resolved.config
    assert config.nano is not None and config.simulated is not None
    assert (config.per_cell, config.seeds, config.nano.layers, config.simulated.people) == (7, (3, 4), 5, 300)
    assert config.training(dataset="d", output="o", seed=3).learning_rate == 1e-4
    assert resolved.source["per_cell"] == resolved.source["nano.layers"] == "command line"
    assert resolved.source["template"] == "file" and resolved.source["paper_model"] == "default"


def test_another_dataset_and_model_take_the_place_of_the_file_s() -> None:
    config = read_experiment("unseen-studies", overrides=["--dataset", "folder", "--model", "base"]).config
    assert (config.dataset, config.model, config.simulated, config.nano) == ("folder", "base", None, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--per_sell", "3"], r"(?s)unseen-studies.yaml: unknown key 'per_sell'.*did you mean 'per_cell'"),
        (["--nano.layer", "3"], r"(?s)unknown key 'nano.layer'.*did you mean 'layers'"),
        (["--simulated.peple", "300"], r"(?s)unknown key 'simulated.peple'.*did you mean 'people'"),
        (["--launch.thread", "3"], r"(?s)unknown key 'launch.thread'.*did you mean 'threads'"),
        (["--train.batch_sise", "4"], r"(?s)train: unknown key 'batch_sise'.*did you mean 'batch_size'"),
        (["--train.seed", "4"], r"train holds seed: the experiment decides that"),
        (["--per_cell", "0"], r"per_cell: .*greater than or equal to 1, not 0"),
        (["--per_cell", "few"], r"per_cell: .*'few'"),
        (["--seeds", "[1, 1]"], r"seeds holds a value twice"),
        (["--seeds", "[]"], r"seeds: .*at least 1"),
        (["--fractions", "[10]"], r"fractions are given for unseen_participants"),
        (["--simulated", "null"], r"give either dataset or simulated"),
        (["--nano", "null"], r"give either model or nano"),
        (["--setting", "unseen_outcomes"], r"(?s)it is for unseen_outcomes.*Expected: unseen_studies"),
        (["--paper_model", "llama3-8b"], r"nano is none of the paper's models"),
        (["--serve.command", "vllm serve {model}"], r"serve.command: .*it lacks \{port\}"),
        (["--serve.command", "vllm serve {model} {port} {name}"], r"something else in braces than \{model\} and \{port\}"),
        (
            ["--serve.command", "serve {model} {port}", "--train.objective", "reasoning", "--train.cell_smoothing", "0"],
            r"serve with objective reasoning",
        ),
        (["--launch.accelerate", "fsdp3"], r"(?s)no configuration of accelerate is called 'fsdp3'.*fsdp2"),
        (["--train", "{learning_rate: -1.0}"], r"train: .*learning_rate"),
        (["stray"], r"cannot read 'stray'"),
    ],
)
def test_bad_settings(arguments: list[str], message: str) -> None:
    with pytest.raises(SocSciError, match=message):
        read_experiment("unseen-studies", overrides=arguments)


def test_bad_fractions_setting_and_file(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"fractions.0: .*not 20"):
        read_experiment("unseen-participants", overrides=["--fractions", "[20]"])
    with pytest.raises(ExperimentError, match=r"(?s)no setting is called 'unseen_study'.*did you mean 'unseen-studies'"):
        read_experiment("unseen_study")
    with pytest.raises(ExperimentError, match=r"(?s)gpt5: no such file.*llama3-8b, qwen2.5-14b, simulated"):
        read_experiment("unseen-studies", Path("gpt5"))
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(TrainError, match=r"(?s)list.yaml: not a mapping.*socsci210/experiments/unseen-studies.yaml"):
        read_experiment("unseen-studies", tmp_path / "list.yaml")


# --- training fractions ---------------------------------------------------------------------------------------------------------------


def test_fraction_without_unseen_participants() -> None:
    values = {"dataset": "d", "output": "o", "train_on": ["unseen_studies"], "fraction": 10, "model": "m", "max_steps": 1}
    with pytest.raises(TrainError, match="fraction is of the training people of unseen_participants"):
        resolve(values)


def test_rows_of_a_fraction(tmp_path: Path) -> None:
    from socsci210.dataset_folder import DatasetFolder
    from socsci210.train.rows import training_rows

    path = write_tiny_dataset(tmp_path / "d")
    told = DatasetFolder(path).table("assignments").to_pylist()
    shares = {0: 1, 2: 5, 4: 10, 6: 25, 8: 50}  # the others come in at 100
    for row in told:
        if row["config"] == "unseen_participants" and row["split"] == "train":
            row["train_fraction"] = shares.get(row["unit"], 100)
    write_parquet(pa.Table.from_pylist(told, TABLES["assignments"]), path / table_file("assignments"))
    manifest = json.loads((path / MANIFEST).read_text())
    (path / MANIFEST).write_text(json.dumps(manifest | {"fingerprint": fingerprint(path)}))

    folder = DatasetFolder(path)
    people = {
        share: set(training_rows(folder, ["unseen_participants"], share).column("participant").to_pylist()) for share in (1, 10, 50, 100)
    }
    assert people == {1: {0}, 10: {0, 2, 4}, 50: {0, 2, 4, 6, 8}, 100: set(range(0, 24, 2))}
    assert training_rows(folder, ["unseen_participants"]).num_rows == training_rows(folder, ["unseen_participants"], 100).num_rows == 48


# --- steps ----------------------------------------------------------------------------------------------------------------------------


def test_a_step_is_done_once_for_the_same_inputs(tmp_path: Path) -> None:
    said: list[str] = []
    steps = Steps(tmp_path, said.append)

    def run(**inputs: Any) -> Path:
        return steps.run("Counting", "count", inputs, lambda key: tmp_path / f"n-{key}", lambda target: target.write_text("done"))

    first, again, other = run(a=1, b=2), run(b=2, a=1), run(a=1, b=3)
    assert first == again != other and first.exists() and other.exists()
    assert said == ["Counting", f"Done already: Counting ({first.name})", "Counting"]
    note = json.loads((tmp_path / "steps" / f"count-{first.name[2:]}.json").read_text())
    assert note["step"] == "Counting" and (note["a"], note["b"]) == (1, 2)
    with pytest.raises(ExperimentError, match="step 'empty' ended without its output"):
        steps.run("Nothing", "empty", {}, lambda key: tmp_path / "nothing", lambda target: None)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("experiment") / "dataset")


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Training in this process: the launcher has its own tests. Holds what was trained."""
    trained: list[str] = []

    def launch(config: TrainConfig, folder: Path, **options: Any) -> Path:
        trained.append(Path(config.output).name)
        folder.mkdir(parents=True, exist_ok=True)
        return train(resolve(config.model_dump(mode="json")), say=lambda line: None)

    monkeypatch.setattr("socsci210.train.launch.launch", launch)
    return trained


def tiny_file(folder: Path, dataset: Path, **changes: Any) -> Path:
    values = {
        "setting": "unseen_studies", "dataset": str(dataset), "nano": NANO, "template": "stimulus_first", "per_cell": 2,
        "train": {"max_steps": 2, "batch_size": 4, "learning_rate": 1e-2},
    }  # fmt: skip
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(values | changes))
    return path


def test_a_run_goes_on_where_it_was_cut_off(dataset: Path, tmp_path: Path, in_process: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    file, out = tiny_file(tmp_path, dataset), tmp_path / "out"
    original = score
    monkeypatch.setattr("socsci210.score.score", lambda *a, **k: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        run_experiment("unseen-studies", file, out=out, say=lambda line: None)
    assert in_process == ["untrained"] and not (out / "unseen-studies.json").exists()
    monkeypatch.setattr("socsci210.score.score", original)

    said: list[str] = []
    result = run_experiment("unseen-studies", file, out=out, say=said.append)
    assert in_process == ["untrained", "trained"]  # nothing was trained again
    done = [line.removeprefix("Done already: ").partition(" (")[0] for line in said if line.startswith("Done already")]
    assert sorted(done) == ["Making the untrained model", "Predicting with untrained"]
    assert [path.name.rpartition("-")[0] for path in result.results] == ["untrained", "trained"]
    told = json.loads((out / "unseen-studies.json").read_text())
    assert told["setting"] == "unseen_studies" and told["comparable"] is False and len(told["caveats"]) == 3

    pages = {name: (out / name).read_bytes() for name in ("unseen-studies.json", "unseen-studies.md")}
    run_experiment("unseen-studies", file, out=out, say=lambda line: None)
    assert {name: (out / name).read_bytes() for name in pages} == pages and len(in_process) == 2

    moved = tmp_path / "moved"
    shutil.move(out, moved)
    said.clear()
    run_experiment("unseen-studies", file, ["--seeds", "[0, 1]"], moved, said.append)
    assert in_process[2:] == ["trained-seed0", "trained-seed1"]  # a second seed gives both a name of their own; the baseline stays
    assert "Done already: Predicting with untrained" in " ".join(said)


def test_other_settings_replace_nothing(dataset: Path, tmp_path: Path, in_process: list[str]) -> None:
    out = tmp_path / "out"
    first = run_experiment("unseen-studies", tiny_file(tmp_path, dataset), out=out, say=lambda line: None)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.parent.name not in ("out", "steps", "logs")}
    said: list[str] = []
    second = run_experiment("unseen-studies", tiny_file(tmp_path, dataset, per_cell=3), out=out, say=said.append)
    assert said[0].startswith("Other settings than in the last run here (per_cell 2 -> 3): what hangs on them is made anew")
    run_experiment("unseen-outcomes", tiny_file(tmp_path, dataset, setting="unseen_outcomes"), out=out, say=said.append)
    assert len(in_process) == 4 and {path.name for path in out.glob("unseen-*.md")} == {"unseen-studies.md", "unseen-outcomes.md"}
    assert set(json.loads((out / "experiment.json").read_text())) == {"unseen-studies", "unseen-outcomes"}
    del in_process[2:]
    assert len(in_process) == 2 and first.models == second.models and set(first.results).isdisjoint(second.results)
    assert all(path.read_bytes() == content for path, content in before.items())


def test_folder_of_something_else_and_of_a_run_at_work(dataset: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(ExperimentError, match=r"not empty, and not written by an experiment\n  Fix: name another folder"):
        run_experiment("unseen-studies", tiny_file(tmp_path, dataset), out=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "experiment.json").write_text("{}")
    with FileLock(tmp_path / "busy" / ".lock"), pytest.raises(ExperimentError, match="another run is at work here"):
        run_experiment("unseen-studies", tiny_file(tmp_path, dataset), out=tmp_path / "busy")


def test_settings_without_a_file_on_the_command_line(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from socsci210.cli.app import app

    told = CliRunner().invoke(app, ["experiment", "unseen-studies", "--dataset", str(tmp_path / "none"), "--out", str(tmp_path / "out")])
    assert isinstance(told.exception, SocSciError) and "no dataset.json" in str(told.exception)
    told = CliRunner().invoke(app, ["experiment", "unseen-studies", "--per_sell=3", "--dry-run"])
    assert isinstance(told.exception, SocSciError) and "did you mean 'per_cell'" in str(told.exception)


def test_split_without_rows(tmp_path: Path) -> None:
    folder = write_tiny_dataset(tmp_path / "d", [row for row in tiny_rows() if row["study_id"] != "unseen"])
    with pytest.raises(ExperimentError, match=r"no rows on the test side of unseen_studies"):
        run_experiment("unseen-studies", tiny_file(tmp_path, folder), out=tmp_path / "out", say=lambda line: None)


def test_unknown_simulated_study(tmp_path: Path) -> None:
    with pytest.raises(SocSciError, match=r"(?s)no simulated study is called sim_tea.*sim_tap_water"):
        run_experiment("unseen-studies", overrides=["--simulated.studies", "[sim_tea]"], out=tmp_path / "out", say=lambda line: None)


# --- programs that are started --------------------------------------------------------------------------------------------------------

SERVER = """
import sys
from socsci210.language_model import load_model
from tests.openai_server import Answering, OpenAIServer
model, tokenizer = load_model(sys.argv[1])
OpenAIServer(Answering(model, tokenizer), port=int(sys.argv[2]))._http.serve_forever()
"""


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.is_file() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_what_is_started_ends_with_its_starter(tmp_path: Path) -> None:
    """Kill -9 closes the pipe, as closing it here does."""
    note = tmp_path / "pid"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(100)"
    child = subprocess.Popen([sys.executable, leash.__file__, sys.executable, "-c", code], stdin=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (note.is_file() and note.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    pid = int(note.read_text())
    assert alive(pid)
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(60) != 0
    assert not alive(pid)
    other = subprocess.Popen([sys.executable, leash.__file__, sys.executable, "-c", "raise SystemExit(3)"], stdin=subprocess.PIPE)
    assert other.wait(60) == 3 and other.stdin is not None
    other.stdin.close()


def test_models_are_asked_through_a_server(dataset: Path, tmp_path: Path, in_process: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    (tmp_path / "server.py").write_text(SERVER)
    tokenizer, base = tiny_tokenizer(), tmp_path / "base"
    tokenizer.chat_template = CHATML
    taught_model(tokenizer, map(str, range(8))).save_pretrained(base)
    tokenizer.save_pretrained(base)
    serve = {"command": f"{sys.executable} {tmp_path / 'server.py'} {{model}} {{port}}", "concurrency": 2}
    file = tiny_file(tmp_path, dataset, serve=serve, per_cell=1, nano=None, model=str(base))
    said: list[str] = []
    result = run_experiment("unseen-studies", file, out=tmp_path / "out", say=said.append)
    run = json.loads(result.results[0].read_text(encoding="utf-8"))["runs"][0]
    assert run["engine"] == "openai" and run["stated"] is not None
    assert any("127.0.0.1" in line for line in said) and sum("starting the server" in line for line in said) == 2

    none = serve | {"command": f"{sys.executable} {tmp_path / 'none.py'} {{model}} {{port}}"}
    broken = tiny_file(tmp_path, dataset, serve=none, nano=None, model=str(base))
    with pytest.raises(ExperimentError, match=r"(?s)none.py.*check serve.command; the whole log is .*predict.log"):
        run_experiment("unseen-studies", broken, out=tmp_path / "out", say=lambda line: None)


def test_several_processes_are_told_what_one_would_do(
    dataset: Path, tmp_path: Path, in_process: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that each process runs makes the file that predicting here makes; the launcher has its own tests."""
    from typer.testing import CliRunner

    from socsci210.cli.app import app

    asked: list[int] = []

    def run(n: int, arguments: list[str], log: Path, threads: int | None) -> None:
        asked.append(n)
        shown = CliRunner().invoke(app, arguments)
        assert shown.exit_code == 0, shown.output

    monkeypatch.setattr("socsci210.experiment.answers.in_processes", run)
    alone = run_experiment("unseen-studies", tiny_file(tmp_path, dataset), out=tmp_path / "one", say=lambda line: None)
    several = run_experiment(
        "unseen-studies", tiny_file(tmp_path, dataset, launch={"processes": 2}), out=tmp_path / "two", say=lambda line: None
    )
    assert asked == [2, 2] and plain_launch(2)[:3] == ["--multi_gpu", "--num_processes", "2"]
    found = [json.loads(one.results[1].read_text(encoding="utf-8"))["runs"][0]["stated"] for one in (alone, several)]
    assert found[0] == found[1]


# --- tables ---------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scored(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("tables")
    file = predict(engine="uniform", dataset=dataset, config="unseen_studies", out=folder / "p.parquet")
    return score([file], dataset).runs[0]


def with_w(run: Run, published_w: float, stated_w: float) -> Run:
    """The same run with other distances."""
    scores = {}
    for name, value in (("published", published_w), ("stated", stated_w)):
        part = run.score("published" if name == "published" else "stated")
        assert part is not None
        scores[name] = part.model_copy(update={"W": part.W.model_copy(update={"point": value, "interval": (value - 0.01, value + 0.01)})})
    return run.model_copy(update=scores)


def config_of(setting: str = "unseen-studies", name: str = "simulated", *overrides: str) -> ExperimentConfig:
    return read_experiment(setting, Path(name), overrides).config


def test_ours_stand_in_the_rows_of_the_paper_s_model(scored: Run) -> None:
    runs = [
        Scored("untrained", "base", 0, None, None, with_w(scored, 0.20, 0.17)),
        Scored("trained", "trained", 0, None, 90, with_w(scored, 0.15, 0.12)),
    ]
    paper, stated, people, studies = tables(config_of(name="qwen2.5-14b"), runs)
    assert paper.convention == "published" and stated.convention == "stated"
    rows = {row["system"]: row for row in paper.rows}
    trained = rows["Qwen2.5-14B, fine-tuned (Socrates)"]
    assert (trained["paper_W"], trained["paper_vs_base"], trained["W"]) == (0.151, 0.263, 0.15)
    assert trained["interval"] == pytest.approx([0.14, 0.16])
    assert trained["vs_base"] == pytest.approx(0.25)
    assert (rows["Qwen2.5-14B"]["paper_W"], rows["Qwen2.5-14B"]["W"]) == (0.205, 0.20)
    assert "W" not in rows["LLaMA3-8B"] and "W" not in rows["Empirical best"]
    assert scored.published is not None and scored.stated is not None and scored.individual is not None
    assert (rows["Uniform answers"]["paper_W"], rows["Uniform answers"]["W"]) == (0.203, scored.published.chance)
    assert rows["noise floor"]["W"] == scored.published.noise_floor and "paper_W" not in rows["noise floor"]
    assert [row["W"] for row in stated.rows][:3] == [0.17, 0.12, scored.stated.chance]
    assert not any("paper" in key for row in stated.rows for key in row)
    assert [row["system"] for row in people.rows] == ["Qwen2.5-14B-Instruct, untrained", "Qwen2.5-14B-Instruct, trained"]
    assert people.rows[0]["parse_rate"] == 1 and people.rows[0]["entropy_ratio"] == scored.individual.entropy_ratio
    assert [(row["study"], row["noise_floor"]) for row in studies.rows] == [
        (part.study_id, part.noise_floor) for part in scored.stated.per_study
    ]
    shown = paper.markdown().splitlines()
    assert shown[2].count("|") == shown[4].count("|") == len(paper.columns) + 1
    assert next(row for row in paper.printed if row["system"] == trained["system"])["interval"] == "0.140–0.160"
    assert "| Qwen2.5-14B, fine-tuned (Socrates) | 0.151 | 0.263 | 0.150 | 0.140–0.160 | 0.250 | 1.000 |" in paper.markdown()


def test_a_model_that_is_not_the_paper_s_has_rows_of_its_own(scored: Run) -> None:
    runs = [Scored("untrained", "base", 0, None, None, with_w(scored, 0.2, 0.2)), Scored("trained", "trained", 0, None, 9, scored)]
    rows = {row["system"]: row for row in tables(config_of(), runs)[0].rows}
    assert rows["small model, untrained"]["W"] == 0.2 and "paper_W" not in rows["small model, untrained"]
    assert "W" not in rows["Qwen2.5-14B"]
    conditions = {row["system"]: row for row in tables(config_of("unseen-conditions"), runs)[0].rows}
    assert conditions["Base model (not named)"]["W"] == 0.2 and "small model, untrained" not in conditions
    assert conditions["Fine-tuned on the other conditions"]["paper_vs_base"] == 0.71


def test_models_that_saw_the_rows_are_marked(scored: Run) -> None:
    seen = Contamination(
        source="run record", overlap_rows=20, overlap_studies=1, share=0.5, allowed=True, note="trained on the train side of all"
    )
    runs = [
        Scored("untrained", "base", 0, None, None, with_w(scored, 0.20, 0.17).model_copy(update={"contamination": seen})),
        Scored("trained", "trained", 0, None, 90, with_w(scored, 0.15, 0.12)),
    ]
    config = config_of("unseen-studies", "qwen2.5-14b", "--allow_overlap", "true")
    paper, stated, people, studies = tables(config, runs)
    rows = {row["system"]: row for row in paper.rows}
    assert "W" not in rows["Qwen2.5-14B"]  # it is not what the paper had
    told = "20 of the scored rows (50.0%) were in its training: trained on the train side of all"
    assert rows["Qwen2.5-14B-Instruct, untrained"]["note"] == told
    for table in (paper, stated, people):
        assert [note for note in table.notes if note] == [told]
        assert f"† {told}" in table.markdown()
    assert "| 0.170† | 0.160–0.180† |" in stated.markdown() and studies.notes == [told] * len(studies.rows)
    assert len(reasons_not_to_compare(config, release=True, n_simulated=0, sampling_error=None, overlap=True)) == 1


def test_several_seeds_are_averaged_and_have_no_interval(scored: Run) -> None:
    runs = [Scored(f"trained-seed{n}", "trained", n, None, 9, with_w(scored, 0.1 + n / 100, 0.2)) for n in range(3)]
    row = next(row for row in tables(config_of(), runs)[0].rows if row["system"] == "small model, trained")
    assert row["W"] == pytest.approx(0.11) and row["interval"] is None
    assert [(one["seed"], one["W"]) for one in row["by_seed"]] == [(n, pytest.approx(0.1 + n / 100)) for n in range(3)]


def test_curve_over_fractions(scored: Run) -> None:
    runs = [Scored("untrained", "base", 0, None, None, with_w(scored, 0.30, 0.31))]
    runs += [Scored(f"{n}pct", "trained", 0, n, 10 * n, with_w(scored, 0.2, 0.2 - n / 1000)) for n in (1, 10, 100)]
    config = config_of("unseen-participants", "simulated", "--fractions", "[1, 10, 100]")
    paper, stated, _, _, curve, primary = tables(config, runs)
    assert [row["W"] for row in stated.rows][:2] == [0.31, pytest.approx(0.1)]  # the largest fraction stands for the trained model
    assert [(row["fraction"], row["rows_trained"], row["W"]) for row in primary.rows] == [
        (0, None, 0.31), (1, 10, pytest.approx(0.199)), (10, 100, pytest.approx(0.19)), (100, 1000, pytest.approx(0.1)),
    ]  # fmt: skip
    assert (paper.convention, curve.convention, primary.convention) == ("published", "published", "stated")
    assert "accuracy_median" in primary.columns and "accuracy_median" not in curve.columns


def test_published_figures_fit_each_other() -> None:
    found = published()
    assert set(found.settings) == {setting.replace("-", "_") for setting in SETTINGS}
    rows = {row.system: row for row in found.settings["unseen_studies"].rows}
    for name in ("Qwen2.5-14B", "LLaMA3-8B"):
        base, trained = rows[name], rows[f"{name}, fine-tuned (Socrates)"]
        assert base.W is not None and trained.W is not None
        assert abs(1 - trained.W / base.W - (trained.vs_base or 0)) < 0.003  # their shares are of unrounded distances
    assert all(row.source for setting in found.settings.values() for row in setting.rows)


def test_what_does_not_compare_is_said() -> None:
    release = config_of(name="qwen2.5-14b")
    assert reasons_not_to_compare(release, release=True, n_simulated=0, sampling_error=None) == []
    some = config_of("unseen-studies", "qwen2.5-14b", "--per_cell", "50", "--template", "stimulus_first")
    told = reasons_not_to_compare(some, release=False, n_simulated=22, sampling_error=0.0021)
    assert len(told) == 3
    assert "22 of its studies are simulated" in told[0] and "stimulus_first" in told[1] and "at most 50 people" in told[2]
    assert "0.0021" in told[2]


# --- from end to end ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExperimentResult, list[str], list[str]]:
    """A run of the command on a few simulated studies, killed while a model is trained, and run again: result, its lines, arguments."""
    out = tmp_path_factory.mktemp("experiment") / "out"
    studies = f"[{', '.join(STUDIES)}]"
    arguments = ["--simulated.studies", studies, "--simulated.people", "200", "--per_cell", "2", *SMALL, "--fractions", "[100]"]
    command = [sys.executable, "-m", "socsci210", "experiment", "unseen-participants", "--out", str(out), *arguments]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    for line in first.stderr:
        if line.startswith("Training trained"):
            break
    deadline = time.monotonic() + 60
    while not list(out.glob("logs/trained*/train.log")) and time.monotonic() < deadline:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stderr.close()
    said: list[str] = []
    return run_experiment("unseen-participants", None, arguments, out, said.append), said, arguments


def test_killed_run_goes_on(finished: tuple[ExperimentResult, list[str], list[str]]) -> None:
    result, said, _ = finished
    assert any(line.startswith("Done already: Making the dataset") for line in said)
    assert not any(line.startswith("Other settings") for line in said)
    assert not list(result.out.glob("models/*/*.lock")) and not list(result.out.glob("models/*/*.tmp"))
    assert sorted(path.name for path in result.out.glob("models/*/*")) == ["trained-100pct", "untrained"]


def test_the_command_prints_the_tables(finished: tuple[ExperimentResult, list[str], list[str]]) -> None:
    from typer.testing import CliRunner

    from socsci210.cli.app import app

    result, _, arguments = finished
    command = ["experiment", "unseen-participants", "--out", str(result.out), *arguments]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    # Of four studies one is held out as a whole, so it has no unseen people.
    assert "Unseen participants, convention `published`: the paper (Figure 4) and ours; over 3 studies" in shown.output
    assert "By share of the training people, convention `stated`" in shown.output
    assert "individual accuracy of the base model: 0.71 (convention not established" in shown.output
    assert shown.stdout.strip().endswith("unseen-participants.html")
    planned = CliRunner().invoke(app, [*command, "--dry-run"])
    assert planned.exit_code == 0 and "Training trained-100pct" in planned.output
    assert planned.output.count(" yes ") == 5  # all is done
    assert "socsci210 predict --model " in planned.output


def test_the_folder_holds_everything(finished: tuple[ExperimentResult, list[str], list[str]]) -> None:
    result = finished[0]
    told = json.loads((result.out / "unseen-participants.json").read_text(encoding="utf-8"))
    assert [table["convention"] for table in told["tables"]] == ["published", *["stated"] * 3, "published", "stated"]
    assert told["tables"][5]["rows"][1]["fraction"] == 100 and told["tables"][5]["rows"][1]["rows_trained"] > 100
    assert len(told["tables"][3]["rows"]) == 3  # study by study, as there is no interval
    for path, row in zip(result.results, told["tables"][1]["rows"], strict=False):
        run = json.loads(path.read_text(encoding="utf-8"))["runs"][0]
        assert run["config"] == "unseen_participants" and run["per_cell"] == 2
        assert row["W"] == run["stated"]["W"]["point"]
    assert "4 of its studies are simulated" in result.caveats[0]
    page = (result.out / "unseen-participants.md").read_text(encoding="utf-8")
    assert "**not of the same thing**" in page and "convention `stated`" in page
    assert result.report.is_file() and "trained-100pct" in result.report.read_text(encoding="utf-8")
    settings = json.loads((result.out / "experiment.json").read_text(encoding="utf-8"))
    own = settings["unseen-participants"]
    assert own["settings"]["per_cell"] == 2 and own["sources"]["per_cell"] == "command line"


def test_the_baseline_is_the_model_as_it_starts(finished: tuple[ExperimentResult, list[str], list[str]]) -> None:
    result = finished[0]
    records = {name: json.loads((Path(model) / "run_record.json").read_text()) for name, model in result.models.items()}
    assert (records["untrained"]["steps"], records["trained-100pct"]["steps"]) == (0, 2)
    assert records["trained-100pct"]["settings"]["fraction"] == 100
    assert records["trained-100pct"]["held_out_checked"]["unseen_participants"] > 0


def test_a_failed_training_tells_its_own_message(dataset: Path, tmp_path: Path) -> None:
    file = tiny_file(tmp_path, dataset, nano=NANO | {"context": 64})
    with pytest.raises(TrainError, match=r"(?s)context of 64 tokens.*the whole log is .*train.log"):
        run_experiment("unseen-studies", file, out=tmp_path / "out", say=lambda line: None)
    assert (tmp_path / "out" / steps_module.MARK).is_file()
