"""The small OpenAI-compatible server with the Batch API: files, batches that are answered when they are looked at, and faults on demand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.openai_server import Fault, OpenAIServer

Line = Callable[[dict[str, Any]], "dict[str, Any] | None"]


class BatchServer(OpenAIServer):
    """The server while it runs.

    Args:
        answer, fault: as `OpenAIServer`; faults also meet the requests of the Batch API, whose bodies are {"path": ..., "method": ...}.
        looks: how often a batch must be looked at until it is done.
        refuse: from the body of a request in a batch to an error that it gets instead of an answer, or None.

    Attributes:
        files: their contents by id.
        batches: what the server says of each, by id.
        billed: custom_id of every request of a batch that was answered, as often as it was.
    """

    def __init__(
        self, answer: Callable[[dict[str, Any]], dict[str, Any]], fault: Fault | None = None, *, looks: int = 2, refuse: Line | None = None
    ) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.billed: list[str] = []
        self.calls: list[str] = []
        self.deleted: list[str] = []
        self.looks, self.refuse = looks, refuse or (lambda body: None)
        self.ends_as = "completed"
        self.after_create: Callable[[], str | None] = lambda: None
        self._left: dict[str, int] = {}
        super().__init__(answer, fault)

    def begin(self, body: dict[str, Any]) -> dict[str, Any]:
        name = f"batch_{len(self.batches)}"
        lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        self.batches[name] = {
            "id": name, "object": "batch", "status": "validating", "metadata": body.get("metadata"), "input_file_id": body["input_file_id"],
            "output_file_id": None, "error_file_id": None, "request_counts": {"completed": 0, "failed": 0, "total": len(lines)},
            "endpoint": body["endpoint"], "completion_window": body["completion_window"], "created_at": 0,
        }  # fmt: skip
        self._left[name] = self.looks
        return self.batches[name]

    def look(self, name: str) -> dict[str, Any]:
        found = self.batches[name]
        if found["status"] in ("completed", "cancelled", "failed", "expired"):
            return found
        self._left[name] -= 1
        if found["status"] == "cancelling":
            self._end(found, "cancelled", half=True)
        elif self._left[name] <= 0:
            self._end(found, self.ends_as, half=self.ends_as == "expired")
        else:
            found["status"] = "in_progress"
        return found

    def _end(self, found: dict[str, Any], status: str, *, half: bool = False) -> None:
        lines = [json.loads(line) for line in self.files[found["input_file_id"]].splitlines()]
        answers, failures = [], []
        if status == "failed":
            found["errors"] = {"data": [{"code": "token_limit_exceeded", "message": "enqueued token limit reached"}]}
            lines = []
        for line in lines[: len(lines) // 2] if half else lines:
            error = self.refuse(line["body"])
            if error is None:
                self.billed.append(line["custom_id"])
                answers.append(
                    {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": self.answer(line["body"])}, "error": None}
                )
            else:
                failures.append({"custom_id": line["custom_id"], "response": error, "error": None})
        for kind, made in (("output", answers), ("error", failures)):
            if made:
                file = f"file_{kind}_{found['id']}"
                self.files[file] = b"".join(json.dumps(one).encode() + b"\n" for one in reversed(made))
                found[f"{kind}_file_id"] = file
        found["request_counts"] |= {"completed": len(answers), "failed": len(failures)}
        found["status"] = status

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self
        base: Any = super()._handler()

        class Handler(base):  # type: ignore[misc]
            def do_GET(self) -> None:
                self._call("GET", b"")

            def do_DELETE(self) -> None:
                self._call("DELETE", b"")

            def do_POST(self) -> None:
                if self.path.endswith("/chat/completions"):
                    super().do_POST()
                else:
                    self._call("POST", self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            def _call(self, method: str, data: bytes) -> None:
                path = self.path.removeprefix("/v1")
                server.calls.append(f"{method} {path.partition('?')[0]}")
                asked = {"path": path, "method": method}
                number = server.take({name.lower(): value for name, value in self.headers.items()}, asked)
                try:
                    if (fault := server.fault(number, asked)) is not None:
                        getattr(self, f"fault_{fault}")(asked)
                    else:
                        self._reply(method, path.partition("?")[0], path.partition("?")[2], data)
                finally:
                    server.done(None)

            def _reply(self, method: str, path: str, query: str, data: bytes) -> None:
                if (method, path) == ("POST", "/files"):
                    file = f"file_{len(server.files)}"
                    server.files[file] = _uploaded(self.headers["Content-Type"], data)
                    self.reply(200, json.dumps({"id": file, "object": "file", "purpose": "batch"}))
                elif (method, path) == ("POST", "/batches"):
                    made = server.begin(json.loads(data))
                    if (lost := server.after_create()) is not None:
                        getattr(self, f"fault_{lost}")({})
                    else:
                        self.reply(200, json.dumps(made))
                elif (method, path) == ("GET", "/batches"):
                    names = list(reversed(server.batches))
                    after = re.search(r"after=(\w+)", query)
                    names = names[names.index(after[1]) + 1 :] if after else names
                    self.reply(
                        200, json.dumps({"object": "list", "data": [server.batches[n] for n in names[:2]], "has_more": len(names) > 2})
                    )
                elif found := re.fullmatch(r"/batches/(\w+)(/cancel)?", path):
                    if found[2]:
                        server.batches[found[1]]["status"] = "cancelling"
                        self.reply(200, json.dumps(server.batches[found[1]]))
                    else:
                        self.reply(200, json.dumps(server.look(found[1])))
                elif method == "DELETE" and (found := re.fullmatch(r"/files/(\w+)", path)):
                    server.deleted.append(found[1])
                    server.files.pop(found[1], None)
                    self.reply(200, json.dumps({"id": found[1], "deleted": True}))
                elif found := re.fullmatch(r"/files/(\w+)/content", path):
                    self.reply(200, server.files[found[1]].decode(), Content_Type="application/octet-stream")
                else:
                    self.error(404, f"no {path}")

        return Handler


def _uploaded(content_type: str, data: bytes) -> bytes:
    """The file among the fields of a form."""
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + data)
    part = next(one for one in message.iter_parts() if one.get_param("name", header="Content-Disposition") == "file")  # type: ignore[attr-defined]
    return bytes(part.get_payload(decode=True))
