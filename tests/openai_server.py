"""A small OpenAI-compatible server on this machine, backed by a real small model: chat completions with logprobs, and faults on demand."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

Fault = Callable[[int, dict[str, Any]], "str | None"]
"""From the number of a request (from 0) and its body: the fault to show, or None. The faults are the methods `fault_*` below."""
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def taught_model(tokenizer: Any, answers: Iterable[str], *, steps: int = 60) -> Any:
    """A tiny model that has begun to learn that answers are some numbers, and knows well that a turn ends behind them.

    So its lists of 20 tokens hold all answers, whose probabilities still differ from prompt to prompt as in any random model.
    """
    import torch

    from socsci210.prompts import PromptEncoder
    from tests.tiny import tiny_model

    torch.set_num_threads(1)
    model, encoder = tiny_model(tokenizer).train(), PromptEncoder(tokenizer)
    asked = ("How warm is the tea? Only return 1 to 7.", "Would you drink the tea? Only return 0 to 1.", "How many? Only return 0 to 10.")
    prompts = [encoder.prompt("- Age: 30", f'"{text}"')[-24:] for text in asked]
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
    endings = [[*tokenizer.encode(text, add_special_tokens=False), encoder.end_of_turn] for text in answers]
    longest = max(map(len, endings))
    ids = torch.tensor([p + ending + [encoder.end_of_turn] * (longest - len(ending)) for p in prompts for ending in endings])
    for step in range(steps):
        optimiser.zero_grad()
        log = torch.log_softmax(model(input_ids=ids).logits[:, 23:-1], -1)
        losses = -log.gather(-1, ids[:, 24:, None])[..., 0]
        (losses[:, 1:].mean() + (losses[:, 0].mean() if step < steps // 2 else 0)).backward()
        optimiser.step()
    return model.eval()


class Answering:
    """What the model answers to the body of a chat request, as the API words it."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer, self._lock = model, tokenizer, threading.Lock()

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            return self._answer(body)

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        import torch

        text = self.tokenizer.apply_chat_template(body["messages"], tokenize=False, add_generation_prompt=True)
        prompt = self.tokenizer.encode(text, add_special_tokens=False)
        random = torch.Generator().manual_seed(int(body.get("seed", 0)))
        limit = body.get("max_completion_tokens", body.get("max_tokens", 16))
        choices = [self._choice(index, prompt, body, limit, random) for index in range(body.get("n", 1))]
        tokens = [choice.pop("tokens") for choice in choices]
        usage = {"prompt_tokens": len(prompt), "completion_tokens": sum(tokens), "total_tokens": len(prompt) + sum(tokens)}
        return {"id": "chat", "object": "chat.completion", "created": 0, "model": "tiny-1", "choices": choices, "usage": usage}

    def _choice(self, index: int, prompt: list[int], body: dict[str, Any], limit: int, random: Any) -> dict[str, Any]:
        import torch

        ids, positions = list(prompt), []
        end = self.tokenizer.eos_token_id
        with torch.inference_mode():
            for _ in range(limit):
                logits = self.model(torch.tensor([ids])).logits[0, -1].double()
                log = torch.log_softmax(logits, -1)
                shares = torch.softmax(logits / max(float(body.get("temperature", 1)), 1e-6), -1)
                drawn = int(torch.multinomial(shares, 1, generator=random))
                ids.append(drawn)
                top = torch.topk(log, body.get("top_logprobs") or 1)
                likely = [{"token": self._token(i), "logprob": float(v), "bytes": None} for v, i in zip(*top, strict=True)]
                positions.append({"token": self._token(drawn), "logprob": float(log[drawn]), "bytes": None, "top_logprobs": likely})
                if drawn == end:
                    break
        said = [i for i in ids[len(prompt) :] if i != end]
        return {
            "index": index,
            "finish_reason": "stop" if ids[-1] == end else "length",
            "message": {"role": "assistant", "content": self.tokenizer.decode(said)},
            "logprobs": {"content": positions} if body.get("logprobs") else None,
            "tokens": len(positions),
        }

    def _token(self, token: Any) -> str:
        return str(self.tokenizer.decode([int(token)]))


class OpenAIServer:
    """The server while it runs: its address, and what it was asked.

    Attributes:
        port, base_url: where it is.
        asked: bodies of all requests, in order of arrival, the failed ones included.
        headers: header names (lower case) and values of every request.
        times: when each request came, by the monotonic clock.
        most_at_once: most requests that were in flight at a time.
    """

    def __init__(
        self, answer: Callable[[dict[str, Any]], dict[str, Any]], fault: Fault | None = None, delay: float = 0.0, port: int = 0
    ) -> None:
        self.asked: list[dict[str, Any]] = []
        self._answered: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.most_at_once = self._now = 0
        self.answer, self.fault, self.delay = answer, fault or (lambda number, body: None), delay
        self._numbers, self._lock = count(), threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._http = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self.base_url = f"http://127.0.0.1:{self.port}/v1"

    @contextmanager
    def running(self) -> Iterator[OpenAIServer]:
        """Serve in a thread."""
        thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()

    def take(self, headers: dict[str, str], body: dict[str, Any]) -> int:
        """Note a request; its number."""
        with self._lock:
            self.asked.append(body)
            self.headers.append(headers)
            self.times.append(time.monotonic())
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            return next(self._numbers)

    def done(self, body: dict[str, Any] | None) -> None:
        """Note that a request is over; with its body if it was answered."""
        with self._lock:
            self._now -= 1
            if body is not None:
                self._answered[json.dumps(body, sort_keys=True)] += 1
            self._settled.notify_all()

    @property
    def answered(self) -> Counter[str]:
        """How often each body got its whole answer. A client may read the last byte before it is noted here: waits while one is open."""
        with self._settled:
            assert self._settled.wait_for(lambda: not self._now, timeout=10), f"{self._now} requests in flight"
            return self._answered.copy()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                number = server.take({name.lower(): value for name, value in self.headers.items()}, body)
                answered = None
                try:
                    if server.delay:
                        time.sleep(server.delay)
                    if (fault := server.fault(number, body)) is not None:
                        getattr(self, f"fault_{fault}")(body)
                    else:
                        self.reply(200, json.dumps(server.answer(body)))
                        answered = body
                finally:
                    server.done(answered)

            def reply(self, status: int, text: str, **headers: str) -> None:
                data = text.encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(data)

            def error(self, status: int, message: str, code: str | None = None, param: str | None = None, **headers: str) -> None:
                self.reply(status, json.dumps({"error": {"message": message, "type": "t", "code": code, "param": param}}), **headers)

            def fault_busy(self, body: dict[str, Any]) -> None:
                self.error(429, "too many requests", "rate_limit_exceeded", Retry_After="0.4")

            def fault_busy_for_hours(self, body: dict[str, Any]) -> None:
                self.error(429, "come back tomorrow", Retry_After="7200")

            def fault_spent(self, body: dict[str, Any]) -> None:
                self.error(429, "you exceeded your current quota", "insufficient_quota")

            def fault_broken(self, body: dict[str, Any]) -> None:
                self.error(500, "internal error")

            def fault_slow(self, body: dict[str, Any]) -> None:
                time.sleep(1.0)
                self.close_connection = True

            def fault_dropped(self, body: dict[str, Any]) -> None:
                self.close_connection = True
                self.connection.close()

            def fault_cut(self, body: dict[str, Any]) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "5000")
                self.end_headers()
                self.wfile.write(b'{"choices": [')
                self.wfile.flush()
                self.fault_dropped(body)

            def fault_malformed(self, body: dict[str, Any]) -> None:
                self.reply(200, '{"choices": [{"message": ')

            def fault_page(self, body: dict[str, Any]) -> None:
                self.reply(200, "<html>Welcome</html>", Content_Type="text/html")

            def fault_no_choices(self, body: dict[str, Any]) -> None:
                self.reply(200, '{"choices": []}')

            def fault_elsewhere(self, body: dict[str, Any]) -> None:
                self.reply(307, "{}", Location=f"{server.base_url}/elsewhere")

            def fault_wrong_key(self, body: dict[str, Any]) -> None:
                self.error(401, f"wrong key: {self.headers.get('Authorization')}", "invalid_api_key")

            def fault_other_limit(self, body: dict[str, Any]) -> None:
                if "max_tokens" in body:
                    self.error(400, "use max_completion_tokens", "unsupported_parameter", "max_tokens")
                else:
                    self.reply(200, json.dumps(server.answer(body)))

        return Handler
