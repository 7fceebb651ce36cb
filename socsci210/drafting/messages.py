"""A model's messages, brought into the form in which they can be answered and sent back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

_MOST_CALLS: Final = 16
"""Calls of one message that are answered."""


def calls_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The calls of a message that have the form of calls, with ids of their own where they lack one."""
    found = []
    given = message.get("tool_calls")
    for number, call in enumerate(given if isinstance(given, list) else []):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            arguments = function.get("arguments")
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            name = call["id"] if isinstance(call.get("id"), str) and call["id"] else f"call_{number}"
            called = {"name": _whole(function["name"]), "arguments": _whole(text)}
            found.append({"id": _whole(name), "type": "function", "function": called})
    return found[:_MOST_CALLS]


def kept_message(message: Mapping[str, Any], calls: list[dict[str, Any]]) -> dict[str, Any]:
    """A message as it is sent back in the conversation."""
    content = message.get("content")
    kept: dict[str, Any] = {"role": "assistant", "content": _whole(content) if isinstance(content, str) else ""}
    return {**kept, "tool_calls": calls} if calls else kept


def _whole(text: str) -> str:
    """Text that can be sent back: half characters (lone surrogates) are replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
