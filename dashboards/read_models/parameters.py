"""Parameters that several query APIs take in the same form."""

from __future__ import annotations

import re

from components.durations import HOUR, MINUTE, SECOND
from telemetry.errors import InputError

_LATEST = 2**63 - 1
_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": SECOND, "m": MINUTE, "h": HOUR}
_PART = re.compile(r"(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(ns|us|µs|μs|ms|s|m|h)")
_TRACE_ID = re.compile(r"[0-9a-fA-F]{1,32}")


class ParameterRefusedError(InputError):
    """A parameter that is missing or wrong."""


def trace_id_of(text: str) -> str:
    """A trace id of 128 bits in hex. One of 64 bits, or without its leading zeros, is the same with them.

    Raises:
        ParameterRefusedError: it is none.
    """
    if not _TRACE_ID.fullmatch(text):
        raise ParameterRefusedError(f"{text[:100]!r} is no trace id: write up to 32 hexadecimal digits")
    return text.lower().rjust(32, "0")


def go_duration(name: str, text: str) -> int:
    """Nanoseconds, as Go writes durations: 1.5s, 100us, 1h2m; 0 for nothing.

    Raises:
        ParameterRefusedError: it is none.
    """
    parts = _PART.findall(text)
    if "".join(number + unit for number, unit in parts) != text and text != "0":
        raise ParameterRefusedError(
            f"unable to parse param '{name}': {text[:100]!r} is no duration; write it like 100ms or 1.5s"
        )
    found = sum(round(float(number) * _UNITS[unit]) for number, unit in parts)
    if found > _LATEST:
        raise ParameterRefusedError(f"unable to parse param '{name}': {text[:100]!r} is longer than 292 years")
    return found
