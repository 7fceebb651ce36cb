"""The page itself, in gradio: a form, a button, results. What it computes and says is in the modules beside this one.

$ SOCRATES_MODEL=models/socrates python -m socsci210.space.app
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read while gradio is imported, which would otherwise look up its newest version

import gradio as gr

from ..demographics import FIELDS, INTEGER_FIELDS, VOCABULARY
from ..errors import DatasetError, SocSciError
from ..prompts import field_label
from ..screening.example import example_text
from ..socrates import Socrates
from . import page
from .answers import ask
from .asking import (
    MAX_CHARACTERS,
    MAX_FILE,
    MAX_TEXTS,
    WHOLE,
    Asked,
    FormError,
    read_conditions,
    read_people,
    read_person,
    read_question,
    read_scale,
)
from .form import DIRECTIONS, EXPECTED, experiment_text
from .screen import MAX_PAIRS, MAX_QUESTIONS, screen
from .settings import Settings

ONE, FILE = "One person", "People from a file"
SHOWN_FIRST: Final = ("age", "gender", "education", "location", "party_id", "ideology")  # the others fold away
UNKNOWN: Final = "Not known"
WAITING: Final = 16  # visitors in the queue; more are told to come back
KEPT: Final = (60, 60)  # seconds: how often files are looked at, and how old one may get that nobody picked up

_QUIET: Final[dict[str, Any]] = {"api_visibility": "private"}
_PROGRESS: Final = gr.Progress()  # gradio finds it among a function's defaults, and shows it where the results will be

EXAMPLE: Final = {"age": "34", "gender": "Female", "education": "Bachelor's degree", "location": "Ohio"}
EXAMPLE_TEXTS: Final = (
    ("Cost first", "The town plans a new bus line. It will cost every household 40 dollars a year."),
    ("Time first", "The town plans a new bus line. It will save riders 20 minutes a day."),
    ("Text 3", ""),
    ("Text 4", ""),
)
EXAMPLE_QUESTION: Final = "How much do you support the new bus line?"
EXAMPLE_SCALE: Final = "1 to 7\n1 = Not at all\n7 = Completely"


def main() -> None:
    """Load the model that the settings beside the running program name, and serve the page until it is stopped."""
    folder = Path(sys.argv[0]).resolve().parent
    served: gr.Blocks
    try:
        settings = Settings.read(folder)
        served = build(settings.load(), settings.shown)
    except SocSciError as error:
        print(error, file=sys.stderr)
        served = broken(error)
    serve(served)


def serve(blocks: gr.Blocks, **options: Any) -> Any:
    """Serve a page: nothing from other hosts, no telemetry, no history of what was asked. `options` are those of gradio's `launch`."""
    theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    theme.set(body_text_color_subdued="*neutral_600", block_info_text_color="*neutral_600", block_title_text_color="*neutral_700")
    blocks.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)
    return blocks.launch(
        theme=theme, css=page.styles(), footer_links=[], run_history=False, ssr_mode=False, pwa=False, share=False,
        mcp_server=False, enable_monitoring=False, show_error=False, max_file_size=4 * MAX_FILE, **options,
    )  # fmt: skip


def build(model: Socrates, name: str) -> gr.Blocks:
    """The page for a model. Each tab is a function of its own; another way of asking is another tab.

    Args:
        model: whom it asks.
        name: what it calls the model.
    """
    blocks = _blocks()
    with blocks:
        gr.HTML(page.notice())
        with gr.Tabs():
            with gr.Tab("Ask"):
                _ask_tab(model, name)
            with gr.Tab("Screen"):
                _screen_tab(model, name)
            with gr.Tab("What this is"):
                gr.HTML(page.about(name, model.record))
    return blocks


def broken(error: SocSciError) -> gr.Blocks:
    """The page where no model can be asked: it says why."""
    blocks = _blocks()
    with blocks:
        gr.HTML(page.notice())
        gr.HTML(page.refusal(error))
    return blocks


def _blocks() -> gr.Blocks:
    return gr.Blocks(title="Ask a simulated respondent", analytics_enabled=False, delete_cache=KEPT)


def _ask_tab(model: Socrates, name: str) -> None:
    gr.HTML("<h2>1. Who answers</h2>", elem_classes="s-step")
    who = gr.Radio([ONE, FILE], value=ONE, label="Who", elem_id="who")
    with gr.Column() as one:
        fields = _person()
    with gr.Column(visible=False) as several:
        people = _file()
    who.change(lambda chosen: (gr.update(visible=chosen == ONE), gr.update(visible=chosen == FILE)), who, [one, several], **_QUIET)

    gr.HTML("<h2>2. What they read</h2>", elem_classes="s-step")
    count, texts = _texts()

    gr.HTML("<h2>3. What they are asked</h2>", elem_classes="s-step")
    question = gr.Textbox(EXAMPLE_QUESTION, label="Question", lines=2, max_length=MAX_CHARACTERS, elem_id="question")
    scale = gr.Textbox(
        EXAMPLE_SCALE, label="Answers", lines=3, max_length=MAX_CHARACTERS, elem_id="scale",
        info="A range such as “1 to 7”, or labels such as “1 = Never”, one on each line, or both.",
    )  # fmt: skip
    button = gr.Button("Predict the answers", variant="primary", elem_id="predict")
    shown = gr.HTML(elem_id="results")

    def predict(*form: Any, progress: Any = _PROGRESS) -> str:
        return _shown(lambda: page.results(ask(model, _asked(*form), tell=lambda done, of: progress((done, of), unit="people")), name))

    button.click(predict, [who, people, count, question, scale, *fields, *texts], shown, **_QUIET)


def _screen_tab(model: Socrates, name: str) -> None:
    gr.HTML("<h2>1. The experiment</h2>", elem_classes="s-step")
    with gr.Accordion("Fill in a form", open=False, elem_id="form"):
        write, told, fields = _form()
    text = gr.Textbox(
        example_text(), label="Experiment (YAML)", lines=16, max_lines=30, max_length=MAX_FILE, elem_id="experiment",
        info="Arms, outcomes, hypotheses and who is asked. Change the example, or load a file of your own.",
    )  # fmt: skip
    write.click(_written, [text, *fields], [text, told], **_QUIET)
    load = gr.UploadButton("Load a YAML file", file_types=[".yaml", ".yml", ".txt"], elem_id="load-experiment")
    load.upload(_take, load, text, **_QUIET)
    gr.HTML("<h2>2. How many are asked</h2>", elem_classes="s-step")
    people = gr.Textbox(
        "50", label="Personas", max_length=4, elem_id="personas",
        info=f"Drawn from the shares in the experiment, each put through every arm: at most {MAX_PAIRS} pairs, {MAX_QUESTIONS} questions.",
    )  # fmt: skip
    button = gr.Button("Screen the experiment", variant="primary", elem_id="screen")
    shown = gr.HTML(elem_id="screening")

    def screened(text: str, people: str, progress: Any = _PROGRESS) -> str:
        return _shown(lambda: _screened(model, name, text, people, lambda done, of: progress((done, of), unit="prompts")))

    button.click(screened, [text, people], shown, **_QUIET)


def _form() -> tuple[gr.Button, gr.HTML, list[gr.components.Component]]:
    """A button that writes the experiment file, where it says what is missing, and the fields in the order of `_written`."""
    title = gr.Textbox("A new bus line", label="Title", max_length=200, elem_id="form-title")
    count, texts = _texts("form-")
    label = gr.Textbox("Support for the bus line", label="What the answers measure", max_length=200, elem_id="form-label")
    question = gr.Textbox(EXAMPLE_QUESTION, label="Question", lines=2, max_length=MAX_CHARACTERS, elem_id="form-question")
    scale = gr.Textbox(EXAMPLE_SCALE, label="Answers", lines=3, max_length=MAX_CHARACTERS, elem_id="form-scale")
    direction = gr.Radio(list(DIRECTIONS), value="up", label="Direction", elem_id="form-direction")
    expected = gr.Radio(list(EXPECTED), value="more", label="What you expect after the later texts", elem_id="form-expected")
    write = gr.Button("Write the experiment file", elem_id="write")
    return write, gr.HTML(elem_id="form-told"), [title, count, label, question, scale, direction, expected, *texts]


def _written(before: str, title: str, count: int, label: str, question: str, scale: str, direction: str, expected: str, *texts: str) -> Any:
    """The text of the experiment, and what hinders it: then the text stays as it was."""
    named = list(zip(texts[::2], texts[1::2], strict=True))[:count]
    try:
        return experiment_text(title, named, label, question, scale, direction=direction, expected=expected), ""
    except SocSciError as error:
        return before, page.refusal(error)


def _screened(model: Socrates, name: str, text: str, people: str, tell: Callable[[int, int], None]) -> str:
    if not (people.isascii() and people.strip().isdecimal()):
        raise FormError(f"{people!r} is no number", where="Personas", expected="how many people are asked", fix="write a number such as 50")
    return page.screening(screen(model.name, text, int(people), name=name, tell=tell)[1])


def _person() -> list[gr.components.Component]:
    """The 16 fields, in the order of FIELDS; those that people think of first are in sight."""
    made: dict[str, gr.components.Component] = {}
    with gr.Row():
        for field in SHOWN_FIRST:
            made[field] = _field(field)
    with gr.Accordion("More about this person", open=False), gr.Row():
        for field in FIELDS:
            if field not in SHOWN_FIRST:
                made[field] = _field(field)
    return [made[field] for field in FIELDS]


def _field(field: str) -> gr.components.Component:
    about: dict[str, Any] = {"label": field_label(field), "elem_id": field, "min_width": 220}
    if field in INTEGER_FIELDS:
        low, high = WHOLE[field]
        return gr.Textbox(EXAMPLE.get(field, ""), placeholder=f"{low} to {high}", max_length=3, **about)
    choices = [(UNKNOWN, ""), *((value, value) for value in VOCABULARY[field] or ())]
    return gr.Dropdown(choices, value=EXAMPLE.get(field, ""), **about)


def _file() -> gr.Textbox:
    """A CSV, loaded or pasted. The text is what counts, so that visitors see and can correct what is asked."""
    people = gr.Textbox(
        label="People (CSV)", lines=6, max_lines=12, max_length=MAX_FILE, elem_id="people",
        placeholder="age,gender,location\n34,Female,Ohio",
        info="One person on each line, under a line of column names: see “What this is”.",
    )  # fmt: skip
    load = gr.UploadButton("Load a CSV file", file_types=[".csv", ".tsv", ".txt"], elem_id="load")
    load.upload(_take, load, people, **_QUIET)
    return people


def _take(path: str) -> str:
    """The text of a loaded file, which is deleted at once."""
    file = Path(path)
    data = file.read_bytes()
    file.unlink()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")  # what older spreadsheets save; the visitor sees the text


def _texts(of: str = "") -> tuple[gr.Radio, list[gr.Textbox]]:
    """How many texts are compared, and names and texts in turn; `of` begins the names of their elements."""
    numbers = list(range(1, MAX_TEXTS + 1))
    count = gr.Radio(
        numbers, value=2, label="Texts to compare", info="The first one may be empty: just the question.", elem_id=f"{of}count"
    )
    made: list[gr.Textbox] = []
    groups = []
    for at, (name, text) in enumerate(EXAMPLE_TEXTS, 1):
        with gr.Group(visible=at <= 2) as group:
            made.append(gr.Textbox(name, label=f"Name of text {at}", max_length=60, elem_id=f"{of}name{at}"))
            made.append(gr.Textbox(text, label=f"Text {at}", lines=3, max_length=MAX_CHARACTERS, elem_id=f"{of}text{at}"))
        groups.append(group)
    count.change(lambda chosen: [gr.update(visible=at <= chosen) for at in numbers], count, groups, **_QUIET)
    return count, made


def _shown(results: Callable[[], str]) -> str:
    """What is shown for a form: results, or why there are none. Nothing that was written is logged, whatever happens."""
    try:
        return results()
    except SocSciError as error:
        return page.refusal(error)
    except Exception as error:  # its message may quote the visitor, so the log gets the place alone
        at = traceback.extract_tb(error.__traceback__)[-1]
        print(f"{type(error).__name__} at {Path(at.filename).name}:{at.lineno}", file=sys.stderr)
        return page.refusal(DatasetError("something failed inside the app", fix="tell whoever runs it; nothing that you wrote is kept"))


def _asked(who: str, people: str, count: int, question: str, scale: str, *filled: str) -> Asked:
    """What is asked, from the values of the form's components in their order."""
    person, texts = filled[: len(FIELDS)], filled[len(FIELDS) :]
    named = list(zip(texts[::2], texts[1::2], strict=True))[:count]
    return Asked(
        read_people(people) if who == FILE else [read_person(dict(zip(FIELDS, person, strict=True)))],
        read_conditions(named),
        read_question(question),
        read_scale(scale),
    )


if __name__ == "__main__":
    main()
