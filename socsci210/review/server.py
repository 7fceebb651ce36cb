"""The review page, served to one person on this machine.

Only 127.0.0.1 is listened on. The address holds a random token; every request must name this host, and what changes the study file must
also carry a secret of the page and come from it. Nothing but the study file is ever written, and no request names a file.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

from ..errors import SocSciError, StudyFileError
from ..study_yaml import MAX_BYTES
from .collect import Sheet, collect
from .page import Form, Notice, page, refusal
from .record import Decision, edit, record, version
from .statements import FIELD, check_said

_LARGEST: Final = 4 * MAX_BYTES  # of a request: a study file, each letter of it written as %XX, and little else
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the page has the rest, which a file on disk needs too
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class ReviewServer(ThreadingHTTPServer):
    """Serves the review of one study file: `with ReviewServer(...) as server: print(server.address); server.serve_forever()`.

    Args:
        path: the study.yaml.
        deposits: folder that holds one folder per deposit.
        reviewer: a name to begin with.
        port: 0 for any that is free.
    """

    daemon_threads = True

    def __init__(self, path: Path, deposits: Path, *, reviewer: str = "", port: int = 0) -> None:
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise StudyFileError(f"port {port} cannot be used ({error.strerror})", where="--port", fix="name another, or none") from None
        self.study_file, self.deposits = path.resolve(), deposits
        self.token, self.secret = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.reviewer, self.notice = reviewer, None
        self.lock = threading.Lock()  # one request at a time looks at the study file
        self._sheet: Sheet | None = None

    notice: Notice | None

    @property
    def path(self) -> str:
        """The only path that is answered."""
        return f"/{self.token}/"

    @property
    def address(self) -> str:
        """Where to look at it."""
        return f"http://127.0.0.1:{self.server_port}{self.path}"

    def form(self, *, note: str = "") -> Form:
        """What the page's forms send back."""
        return Form(self.path, self.secret, self.reviewer, note)

    def saved(self) -> Sheet:
        """The study as it is saved; read again when the file has changed."""
        if self._sheet is None or self._sheet.version != version(self.study_file):
            self._sheet = collect(self.study_file, self.deposits)
        return self._sheet

    def look(self) -> str:
        """The page of the study as it is saved."""
        notice, self.notice = self.notice, None
        try:
            return page(self.saved(), form=self.form(), notice=notice)
        except StudyFileError as error:  # somebody broke the file outside
            return self.broken(str(error), self.study_file.read_bytes().decode("utf-8", "replace"))

    def broken(self, message: str, text: str) -> str:
        """The page of a text that is no valid study file."""
        return refusal(message, text=text, form=self.form(), version=version(self.study_file), study_id=self.study_file.parent.name)

    def decide(self, fields: dict[str, str]) -> str | None:
        """Record a decision; the page to show, or None to show the study as it is saved.

        Raises:
            StudyFileError: it cannot be recorded.
        """
        decision: Decision = "accepted" if fields["do"] == "accepted" else "refused"
        self.reviewer = " ".join(fields.get("reviewer", "").split())[:200] or self.reviewer
        try:
            if decision == "accepted" and not self.saved().passes:
                raise StudyFileError(
                    "a gate fails", where=self.study_file.name, fix="edit the study file until every gate passes, or refuse it"
                )
            if decision == "accepted":
                check_said(self.saved().study, (name.removeprefix(FIELD) for name in fields if name.startswith(FIELD)))
            study = record(
                self.study_file,
                decision=decision,
                reviewer=fields.get("reviewer", ""),
                note=fields.get("note", ""),
                seen=fields.get("seen", ""),
            )
        except StudyFileError as error:
            return page(
                self.saved(), form=self.form(note=fields.get("note", "")), notice=Notice(f"Nothing was written. {error}", good=False)
            )
        sheet = self.saved_as(study)
        self.notice = Notice(
            f"{decision.capitalize()} by {study.reviewed[-1].reviewer}. It stands in {self.study_file}.", good=sheet.passes
        )
        return None

    def saved_as(self, study: Any) -> Sheet:
        """The sheet after a decision, which changes nothing of what was read."""
        sheet = self.saved() if self._sheet is None else self._sheet
        sheet.study, sheet.version = study, version(self.study_file)
        sheet.text = self.study_file.read_bytes().decode("utf-8-sig")
        return sheet

    def change(self, fields: dict[str, str]) -> str | None:
        """Check or save a text of the study file; the page to show, or None to show the study as it is saved."""
        text = fields.get("text", "").replace("\r\n", "\n")
        try:
            if fields["do"] == "check":
                sheet = collect(self.study_file, self.deposits, text=text)
                return page(sheet, form=self.form(), unsaved=True)
            edit(self.study_file, text, seen=fields.get("seen", ""))
        except StudyFileError as error:
            return self.broken(str(error), text)
        sheet = self.saved()
        self.notice = Notice(
            "Saved. " + ("Every gate passes." if sheet.passes else "Something is still wrong: see the gates."), good=sheet.passes
        )
        return None


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    server_version, sys_version = "socsci210", ""
    timeout = 60

    def do_GET(self) -> None:
        self._answered(self._get)

    def do_POST(self) -> None:
        self._answered(self._post)

    def _get(self) -> str:
        self._check_host()
        return self.server.look()

    def _post(self) -> str | None:
        self._check_host()
        fields = self._fields()
        own = {f"http://{host}" for host in self._hosts()}
        if self.headers.get("Origin") not in own or not hmac.compare_digest(fields.get("secret", "").encode(), self.server.secret.encode()):
            raise _Refused(HTTPStatus.FORBIDDEN, "This did not come from the page. Load the page again.")
        if fields.get("do") in ("accepted", "refused"):
            return self.server.decide(fields)
        if fields.get("do") in ("check", "save"):
            return self.server.change(fields)
        raise _Refused(HTTPStatus.BAD_REQUEST, "No such thing to do.")

    def _hosts(self) -> tuple[str, str]:
        return f"127.0.0.1:{self.server.server_port}", f"localhost:{self.server.server_port}"

    def _check_host(self) -> None:
        if self.headers.get("Host") not in self._hosts():  # a name that somebody else's server gave to this address
            raise _Refused(HTTPStatus.MISDIRECTED_REQUEST, "Not this host.")
        if not hmac.compare_digest(self.path.encode(), self.server.path.encode()):
            raise _Refused(HTTPStatus.NOT_FOUND, "Nothing is here. The whole address was printed where the review was started.")

    def _fields(self) -> dict[str, str]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LARGEST:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Too large.")
        if self.headers.get_content_type() != "application/x-www-form-urlencoded":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Not a form.")
        try:
            sent = self.rfile.read(int(length)).decode("ascii")
            return {name: values[-1] for name, values in parse_qs(sent, keep_blank_values=True, max_num_fields=20, errors="strict").items()}
        except ValueError:
            raise _Refused(HTTPStatus.BAD_REQUEST, "Not a form.") from None

    def _answered(self, work: Any) -> None:
        try:
            with self.server.lock:
                html = work()
        except _Refused as refused:
            self.close_connection = True
            self._send(refused.status, refused.why, "text/plain")
        except SocSciError as error:
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, str(error), "text/plain")
        else:
            if html is None:
                self.send_response(HTTPStatus.SEE_OTHER)
                self.send_header("Location", self.server.path)
                self._end(b"")
            else:
                self._send(HTTPStatus.OK, html, "text/html")

    def _send(self, status: HTTPStatus, text: str, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self._end(text.encode())

    def _end(self, body: bytes) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the address holds the token."""
