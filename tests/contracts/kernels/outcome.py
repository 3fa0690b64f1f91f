"""What comes of a call, to be compared with what comes of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable


def outcome(call: Callable[[], object]) -> object:
    """What it gives, or the error of input that it raises, as text."""
    try:
        return call()
    except DecodeError as error:
        return f"DecodeError: {error}"
