"""What a command printed, or an endpoint answered, is for operators: others see that it ran, and how it ended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from telemetry.documents import Kind
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.documents import Body

HIDDEN = "(for operators)"
REDACTED = "redacted"
"""A field of a body from which something was removed: its hash does not fit it any more."""

KINDS = frozenset({Kind.AUDIT, Kind.INCIDENT})
_OUTPUT = frozenset({"output", "body", "result_output", "result_body"})
_OPEN = frozenset({"_id", "@timestamp", "id", "incident", "event", "chain", "sequence", "time", "state", "playbook", "service"})
"""Fields by which anybody may ask: by the others one could guess what is hidden."""

_NAMES = ", ".join(sorted(_OPEN))

_EXIT = re.compile(r"(exit code \d+): .*", re.DOTALL)
"""How earlier releases wrote a command's output into a text."""


def without_output(body: Body) -> Body:
    """An audit record or an incident as those see it who are no operators."""
    shown: Body = _without(body)
    if body.get("event") == "rollback-intended" or (body.get("data") or {}).get("undoes"):
        shown["data"] = {**shown["data"], "arguments": HIDDEN}  # an inverse may be given what its step printed
    return shown if shown == body else {**shown, REDACTED: True}


def check_fields(fields: Iterable[str]) -> None:
    """Accept a question of those who are no operators.

    Raises:
        InputError: it asks by a field that could reveal what is hidden from them.
    """
    for field in fields:
        if field not in _OPEN:
            raise InputError(f"{field}: only operators may ask for audit records and incidents by it; you by {_NAMES}")


def _without(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        hidden = name == "result"
        return {key: HIDDEN if hidden and key in _OUTPUT else _without(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item) for item in value]
    if isinstance(value, str) and name in {"detail", "why", "text"}:
        return _EXIT.sub(rf"\1: {HIDDEN}", value)
    return value
