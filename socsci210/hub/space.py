"""What a push of the app publishes: a Space for people who do not program, which asks one model.

The package itself travels with it, as a wheel that the Space installs. One that it took from an index by name could be another version than
the one that was tried here, somebody else's code, or nothing. The Space is built from a Dockerfile of its own: one of kind gradio installs
what an app requires before it has the app's files, and extras of gradio with it, which do not agree with the package's pydantic.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import jinja2

from ..errors import DatasetError, HubError
from ..language_model import run_record
from ..screening.evidence import find_evidence
from ..space.answers import SECONDS
from ..space.asking import MAX_PEOPLE, MAX_TEXTS
from ..space.screen import MAX_PAIRS, MAX_QUESTIONS, MAX_SECONDS
from ..space.settings import SETTINGS, Settings, answers_at_once
from .guard import found_token, guard
from .model import prepare_model
from .package import CARD, Package
from .wheel import write_wheel

TITLE: Final = "Ask a simulated respondent"
PORT: Final = 7860  # at which the Hub looks for the page
EXTRAS: Final = ("train", "space")
MODEL: Final = "model"  # folder of the repository that holds a model which is pushed with the app
MOST_BYTES: Final = 1_000_000_000  # of a model in the repository of a Space; larger ones are for repositories of models


def prepare_space(model: str, repo: str, work: Path) -> Package:
    """What is to stand in the repository of a Space whose page asks a model.

    Args:
        model: a folder that `socsci210 train` wrote, which is published inside the Space; or the id of a model on the Hub, which the Space
            loads when it starts, always at the commit that is the newest now.
        repo: id of the repository.
        work: folder for what is made here.

    Raises:
        HubError: gradio or torch is not installed, or the folder is too large or cannot be published (as `prepare_model`).
        DatasetError: there is no such model, or it cannot be asked for an answer at once.
    """
    notes: list[str] = []
    work.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    if Path(model).is_dir():
        answers_at_once(run_record(model), model)
        files.update(_carried(Path(model), repo, work / "prepared"))
        settings = Settings(MODEL, name=Path(model).resolve().name)
        notes.append(f"the model travels with the app, in {MODEL}/")
        measured = ", ".join(path.name for path in find_evidence(model))
        notes.append(
            f"{measured} travels with it: the app shows how the model did on held-out studies" if measured
            else "no results.json lies in the model's folder: the app will say of every experiment that there is no evidence"
        )  # fmt: skip
    else:
        settings, private = _on_hub(model)
        notes.append(f"the app loads {model} from the Hub, at commit {str(settings.revision)[:12]}")
        if private:
            notes.append(f"{model} is private: add a secret HF_TOKEN that may read it to the settings of the Space")
    wheel = write_wheel(work)
    files[wheel.name] = wheel
    python = ".".join(platform.python_version_tuple()[:2])
    values = {"wheel": wheel.name, "model": None if settings.revision is None else model, "python": python, "port": PORT}
    card = _card(values)
    texts = {
        SETTINGS: settings.text,
        "requirements.txt": _requirements(wheel.name),
        **{name: _template(f"{name}.jinja").render(values) + "\n" for name in ("app.py", "Dockerfile")},
        CARD: card,
    }
    for name, text in texts.items():
        files[name] = work / name
        files[name].write_text(text, encoding="utf-8")
    return Package(
        kind="space", files=files, card=card, fingerprint=_fingerprint(files), message="App, its code and card", notes=tuple(notes),
        check_back=check_back,
    )  # fmt: skip


def check_back(repo: str, commit: str) -> str:
    """The fingerprint of a Space as the public client downloads it, at a commit and into a cache of its own."""
    from huggingface_hub import snapshot_download

    with TemporaryDirectory() as cache:
        folder = Path(snapshot_download(repo, repo_type="space", revision=commit, cache_dir=cache))
        return _fingerprint({path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()})


def _fingerprint(files: Mapping[str, Path]) -> str:
    """Over names and contents of all files but the card and what the Hub adds by itself."""
    digest = hashlib.sha256()
    for name in sorted(set(files) - {CARD, ".gitattributes"}):
        with files[name].open("rb") as file:
            digest.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _carried(folder: Path, repo: str, work: Path) -> dict[str, Path]:
    """The files of a model folder as they stand in the Space.

    Raises:
        HubError: they are too large, or no model of ours.
    """
    package = prepare_model(folder, repo, work)
    found = {f"{MODEL}/{name}": path for name, path in package.files.items() if name != CARD}
    found |= {f"{MODEL}/{path.name}": path for path in find_evidence(str(folder))}
    size = sum(path.stat().st_size for path in found.values())
    if size > MOST_BYTES:
        raise HubError(
            f"the model has {size / 1e9:.1f} GB", where=str(folder), expected=f"at most {MOST_BYTES / 1e9:.0f} GB inside a Space",
            fix="push the model first (socsci210 push model), then the Space with the model's id in place of the folder",
        )  # fmt: skip
    return found


def _on_hub(model: str) -> tuple[Settings, bool]:
    """The settings for a model on the Hub, at its present commit, and whether it is private.

    Raises:
        DatasetError: there is no such model, it is not made of safetensors, or it cannot answer at once.
        HubError: the Hub cannot be asked.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    with guard(model, found_token(), say=lambda text: None):
        try:
            info = HfApi().model_info(model)
        except (RepositoryNotFoundError, HFValidationError) as error:
            raise DatasetError(
                f"no such model ({type(error).__name__})", where=model,
                expected="a model folder, or the id of a model that this token may read",
                fix="check the name; push the model first (socsci210 push model)",
            ) from None  # fmt: skip
    if not any(str(file.rfilename).endswith(".safetensors") for file in info.siblings or ()):
        raise DatasetError("no weights as safetensors", where=model, expected="a model of socsci210", fix="name another model")
    answers_at_once(run_record(model), model)
    return Settings(model, str(info.sha)), bool(info.private)


def _requirements(wheel: str) -> str:
    """The package, and all that it needs to run a model and the page, in the versions that are installed here.

    Raises:
        HubError: one of these is not installed here.
    """
    from packaging.requirements import Requirement

    installed = distribution("socsci210")
    if missing := set(EXTRAS) - set(installed.metadata.get_all("Provides-Extra") or ()):
        raise HubError(f"the installed package knows nothing of {', '.join(sorted(missing))}", fix="install socsci210 again")
    found = set()
    for line in installed.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in EXTRAS):
            try:
                found.add(f"{requirement.name}=={version(requirement.name).partition('+')[0]}")
            except PackageNotFoundError:
                raise HubError(
                    f"{requirement.name} is not installed, and a Space runs the versions that the app was tried with",
                    fix=f"pip install 'socsci210[{','.join(EXTRAS)}]'",
                ) from None
    return "\n".join([f"./{wheel}", *sorted(found, key=str.casefold)]) + "\n"


def _card(values: Mapping[str, Any]) -> str:
    model = values["model"]
    front = {
        "title": TITLE, "emoji": "📋", "colorFrom": "blue", "colorTo": "gray", "sdk": "docker", "app_file": "app.py",
        "app_port": PORT, "license": "mit", "short_description": "What a model says people would answer",
        "tags": ["socsci210", "survey-experiments", "simulation"], **({"models": [model]} if model else {}),
    }  # fmt: skip
    page = _template("README.md.jinja").render(
        values, front="\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()),
        title=TITLE, version=version("socsci210"), max_people=MAX_PEOPLE, max_texts=MAX_TEXTS, seconds=f"{SECONDS:.0f}",
        max_pairs=MAX_PAIRS, max_questions=MAX_QUESTIONS, screening_seconds=f"{MAX_SECONDS:.0f}",
        model_link=f"[{model}](https://huggingface.co/{model})" if model else "the model in this repository",
    )  # fmt: skip
    return page.strip() + "\n"


def _template(name: str) -> jinja2.Template:
    from .. import cards

    folder = Path(str(cards.__file__)).parent
    loader = jinja2.FileSystemLoader([folder / "space", folder])
    return jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False).get_template(name)
