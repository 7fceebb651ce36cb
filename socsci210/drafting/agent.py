"""The loop: ask the model, answer its calls, judge what it submits, until a draft passes or a budget ends."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from ..checksums import file_sha256
from ..egress import Egress, EgressError
from ..errors import ReadError
from ..fetching.choose import RECORD
from ..profiling import profile_deposit
from ..registry import STUDY_FILE, check_id, load_study_file
from ..replacing import write_text
from .answers import Answers
from .budget import Budget, Spent
from .checking import Settings, Verdict, judge
from .material import Material
from .messages import calls_of, kept_message
from .opening import opening
from .submission import as_yaml
from .tools import ToolError, Tools, definitions, parse_arguments
from .transcript import Transcript, TranscriptError, request_hash
from .trial import SECONDS, Fault

Status = Literal["accepted", "needs review", "rejected"]
Say = Callable[[str], None]
TRANSCRIPT: Final = "transcript.jsonl"
REPORT: Final = "report.json"
_SILENT_ROUNDS: Final = 3
"""Answers without a call, one after another, that end a draft."""
_SAME_FAULTS: Final = 4
"""Submissions with the same faults, one after another, that end a draft."""


@dataclass(frozen=True)
class Draft:
    """How a draft ended.

    Args:
        status: accepted, needs review, rejected.
        reason: for a rejected one the gate, the budget or what else ended it; else empty.
        message: that in words.
        questions: what a reviewer has to decide.
        spent: requests and tokens.
        cost: dollars, None without prices.
        study_file: where it was written; None for a rejected one.
    """

    status: Status
    reason: str
    message: str
    questions: tuple[str, ...]
    spent: Spent
    cost: float | None
    study_file: Path | None


@dataclass
class _End(Exception):
    """The draft has come to an end."""

    status: Status
    reason: str = ""
    message: str = ""


@dataclass
class _Run:
    material: Material
    settings: Settings
    budget: Budget
    transcript: Transcript
    model: str
    egress: Callable[[], Egress] | None
    say: Say
    messages: list[dict[str, Any]] = field(default_factory=list)
    spent: Spent = field(default_factory=Spent)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    verdict: Verdict | None = None
    silent: int = 0
    connection: Egress | None = None


def draft(
    deposit: Path,
    *,
    model: str | None,
    out: Path,
    base_url: str | None = None,
    api_key_env: str | None = None,
    budget: Budget | None = None,
    study_id: str | None = None,
    own_deposit: bool = False,
    replay: Path | None = None,
    seconds: float = SECONDS,
    say: Say = lambda _: None,
) -> Draft:
    """Let a model write the study file of a deposit.

    Args:
        deposit: the folder with its data files and documents.
        model: the server's name for it; not needed with `replay`.
        out: folder for study.yaml, report.json and transcript.jsonl. A transcript there is gone on with.
        base_url: of an OpenAI-compatible API.
        api_key_env: environment variable that holds the key.
        budget: limits.
        study_id: default: the name of the deposit's folder.
        own_deposit: a person's own data: the study file may hold text, as simulated studies do.
        replay: a transcript to play back, without any server.
        seconds: limit for building one submission.
        say: told what happens.

    Raises:
        SocSciError: the deposit cannot be read, the server not be used, or the transcript is of another draft.
    """
    if not deposit.is_dir():
        raise ReadError("no such folder", where=str(deposit), expected="the folder of a deposit", fix="check the name")
    transcript = Transcript(out / TRANSCRIPT, kept=True) if replay is None else _played_back(replay, out)
    before = transcript.start if replay is not None else None
    study_id = check_id(str(before["study"]) if before else study_id or re.sub(r"\W+", "_", deposit.resolve().name).strip("_"))
    model = str(before["model"]) if before else str(model)
    own_deposit = bool(before["own_words"]) if before else own_deposit
    budget = Budget(**before["budget"]) if before else budget or Budget()
    material = Material(deposit, profile_deposit(deposit, say=say))
    told = json.dumps([(file.file, file.sha256) for file in material.profile.files])
    transcript.begin(
        {
            "model": model,
            "deposit": hashlib.sha256(told.encode()).hexdigest(),
            "study": study_id,
            "own_words": own_deposit,
            "budget": vars(budget),
        }
    )
    settings = Settings(study_id, own_deposit, _origin(deposit), seconds)

    def connect() -> Egress:
        what = f"labels, counts of ten people or more, and blocks of documents of deposit {deposit.name}; no row"
        return Egress(base_url or "", model, what=what, rows=0, allow_send_rows=False, api_key_env=api_key_env, show=say)

    run = _Run(material, settings, budget, transcript, model, None if replay is not None else connect, say)
    end = _to_the_end(run)
    return _write(run, end, out, replay)


def _played_back(replay: Path, out: Path) -> Transcript:
    transcript, there = Transcript(replay, kept=False), out / TRANSCRIPT
    if transcript.start is None:
        raise TranscriptError("no transcript there", where=str(replay), expected="a transcript.jsonl that `draft` wrote")
    if there.is_file() and there.read_bytes() != replay.read_bytes():
        raise TranscriptError("holds another transcript", where=str(there), expected="a new folder", fix="name another --out folder")
    return transcript


def _origin(deposit: Path) -> dict[str, str]:
    """Where a deposit was fetched from, as `socsci210 fetch` noted it."""
    path = deposit / RECORD
    if not path.is_file():
        return {}
    try:
        source = json.loads(path.read_text(encoding="utf-8"))["source"]
        found = {"source_url": source["url"], "licence": source["licence"] or "unknown"}
    except (ValueError, LookupError, TypeError):
        raise ReadError(
            "not a record that `socsci210 fetch` writes",
            where=str(path),
            expected="JSON with the source of the deposit",
            fix="fetch the deposit again, or remove the file",
        ) from None
    return {key: str(value) for key, value in found.items()}


def _to_the_end(run: _Run) -> _End:
    run.messages = opening(run.material, study_id=run.settings.study_id)
    tools = Tools(run.material, {})
    answers = Answers(run.material)
    offered = definitions(own_words=run.settings.own_words)
    try:
        while True:
            if (limit := run.spent.ends(run.budget, [*run.messages, {"tools": offered}])) is not None:
                raise _out_of_budget(run, limit)
            message = _ask(run, offered)
            calls = calls_of(message)
            run.messages.append(kept_message(message, calls))
            if not calls:
                _no_call(run)
                continue
            run.silent = 0
            for call in calls:
                said = _answer(run, call, tools, answers)
                run.messages.append({"role": "tool", "tool_call_id": call["id"], "content": said})
    except _End as end:
        return end
    finally:
        if run.connection is not None:
            run.connection.close()


def _out_of_budget(run: _Run, limit: str) -> _End:
    last = run.attempts[-1]["faults"] if run.attempts else []
    reason = last[0] if last else "budget"
    after = f"; its last submission failed at {', '.join(last)}" if last else "; nothing was submitted that could be judged"
    return _End("rejected", reason, f"the budget is used up: {limit}{after}")


def _ask(run: _Run, offered: list[dict[str, Any]]) -> dict[str, Any]:
    """The model's next message: from the transcript, or else from the server."""
    request = request_hash(run.model, run.messages, offered)
    answer = run.transcript.next_answer(request)
    if answer is None:
        if run.egress is None:
            raise TranscriptError(
                "it ends before the draft does",
                where=str(run.transcript.path),
                expected="a whole transcript",
                fix="run `socsci210 draft` without --replay to go on",
            )
        run.connection = run.connection or run.egress()
        limit = run.spent.left_for_answer(run.budget, [*run.messages, {"tools": offered}])
        answer = _sent(run.connection, run.messages, offered, limit, first=not run.spent.rounds)
        run.transcript.add_answer(request, answer)
    run.spent.add([*run.messages, {"tools": offered}], answer)
    message = answer["choices"][0].get("message")
    return message if isinstance(message, dict) else {}


def _sent(egress: Egress, messages: list[dict[str, Any]], offered: list[dict[str, Any]], limit: int, *, first: bool) -> dict[str, Any]:
    try:
        return egress.send(messages, tools=offered, max_tokens=limit)
    except EgressError as error:
        if first and re.search(r"HTTP (400|404|422|501)", error.found) and re.search(r"(?i)\btool|function", error.found):
            raise EgressError(
                f"this server or model takes no tools ({error.found})",
                where=egress.base_url,
                expected="an OpenAI-compatible server with tool calls",
                fix="choose a model that calls tools; vLLM needs --enable-auto-tool-choice and --tool-call-parser",
            ) from None
        raise


def _no_call(run: _Run) -> None:
    run.silent += 1
    if run.silent >= _SILENT_ROUNDS:
        raise _End("rejected", "no_call", f"{run.silent} answers in a row call no tool: the model does not follow the task")
    said = "Call a tool: look something up, or hand in the study file with `submit`. Text outside calls is not read."
    run.messages.append({"role": "user", "content": said})


def _answer(run: _Run, call: Mapping[str, Any], tools: Tools, answers: Answers) -> str:
    """What a call gives: an answer, or what is wrong with the call."""
    name = call["function"]["name"]
    try:
        arguments = parse_arguments(name, call["function"]["arguments"])
        if name != "submit":
            run.say(f"round {run.spent.rounds}: {name[:40]}")
            return tools.call(name, arguments)
        verdict = judge(arguments, run.material, run.settings)
    except ToolError as error:
        return json.dumps({"error": str(error)}, ensure_ascii=False)
    return _judged(run, verdict, arguments, tools, answers)


def _judged(run: _Run, verdict: Verdict, arguments: Mapping[str, Any], tools: Tools, answers: Answers) -> str:
    failed = list(dict.fromkeys(fault.gate for fault in verdict.faults))
    run.attempts.append({"round": run.spent.rounds, "faults": failed})
    run.say(f"round {run.spent.rounds}: submit: {', '.join(failed) or 'passes every gate'}")
    if not verdict.faults:
        run.verdict = verdict
        raise _End("needs review" if verdict.questions or verdict.doubts else "accepted")
    tools.texts = verdict.texts or tools.texts
    told = [answers.fault(fault, arguments) for fault in verdict.faults]
    last = json.dumps(told, sort_keys=True)
    run.attempts[-1]["told"] = hashlib.sha256(last.encode()).hexdigest()
    same = [attempt.get("told") for attempt in run.attempts[-_SAME_FAULTS:]]
    if len(same) == _SAME_FAULTS and len(set(same)) == 1:
        raise _End("rejected", failed[0], f"the same faults {_SAME_FAULTS} times: {_in_words(verdict.faults[0])}")
    return json.dumps({"accepted": False, "faults": told}, ensure_ascii=False)


def _in_words(fault: Fault) -> str:
    return f"[{fault.gate}] {fault.where + ': ' if fault.where else ''}{fault.found}"


# --- what is written -----------------------------------------------------------------------------------------------------------------


def _write(run: _Run, end: _End, out: Path, replay: Path | None) -> Draft:
    """study.yaml (unless rejected) and report.json; the same bytes from the same transcript."""
    transcript = file_sha256(run.transcript.path)
    if replay is not None and not (out / TRANSCRIPT).exists():
        write_text(out / TRANSCRIPT, replay.read_text(encoding="utf-8"))
    verdict = run.verdict
    questions = (*verdict.questions, *verdict.doubts) if verdict else ()
    path = None
    if verdict is not None:
        path = out / STUDY_FILE
        evidence = [claim.model_dump(mode="json", exclude_defaults=True) for claim in verdict.evidence]
        drafted = {"model": run.model, "transcript": transcript, "evidence": evidence, "questions": list(questions)}
        head = f"# Drafted by a language model. Look at it before you build: socsci210 review {run.settings.study_id}\n"
        write_text(path, head + as_yaml({**verdict.study, "drafted": drafted}))
        load_study_file(path)
    cost = run.spent.cost(run.budget)
    report = {
        "status": end.status,
        "reason": end.reason,
        "message": end.message,
        "questions": list(questions),
        "model": run.model,
        "transcript": transcript,
        "rounds": run.spent.rounds,
        "tokens": {"sent": run.spent.sent, "answered": run.spent.answered},
        "cost": cost,
        "attempts": [{"round": one["round"], "faults": one["faults"]} for one in run.attempts],
    }
    write_text(out / REPORT, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return Draft(end.status, end.reason, end.message, questions, run.spent, cost, path)
