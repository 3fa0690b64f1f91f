"""Numbers, durations and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.documents import Body

_MINUTE = 60_000_000_000
_UNITS = ((86_400_000_000_000, "d"), (3_600_000_000_000, "h"), (60_000_000_000, "min"), (1_000_000_000, "s"), (1_000_000, "ms"))


def duration(nanoseconds: float | None) -> str:
    """Three digits and the unit that suits: `41.2 ms`; from a minute on in two units: `3 min 20 s`. A dash for None."""
    if nanoseconds is None:
        return "—"
    size = abs(nanoseconds)
    if size >= _MINUTE:
        return _long(nanoseconds)
    for unit, name in _UNITS:
        if size >= unit:
            return f"{_three(nanoseconds / unit)} {name}"
    return f"{_three(nanoseconds / 1_000)} µs"


def amount(value: float) -> str:
    """A number in three digits or, where it is a whole one, with its thousands apart."""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else _three(value)


def share(part: float, whole: float) -> str:
    """A part of a whole in percent; `0%` of nothing."""
    ratio = part / whole if whole else 0.0
    return "<0.1%" if 0 < ratio < 0.001 else f"{_three(100 * ratio)}%"


def date_time(time: int) -> str:
    """A time in UTC, to the millisecond."""
    seconds, nanos = divmod(time, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{nanos // 1_000_000:03d}"


def ago(time: int, now: int) -> str:
    """How long ago a time was: `12 s ago`."""
    passed = now - time
    if passed < 1_000_000_000:
        return "just now"
    for unit, name in _UNITS:
        if passed >= unit:
            return f"{passed // unit} {name} ago"
    return "just now"


def short(trace_id: str) -> str:
    """The first eight digits of an id: enough to tell those on a page apart."""
    return trace_id[:8]


def flat(body: Body, prefix: str = "") -> list[tuple[str, object]]:
    """Names and values, nested ones by their path."""
    pairs: list[tuple[str, object]] = []
    for name, value in body.items():
        pairs += flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return pairs


def _long(nanoseconds: float) -> str:
    sign, left = "-" if nanoseconds < 0 else "", round(abs(nanoseconds))
    parts: list[str] = []
    for unit, name in _UNITS[:4]:
        count, left = divmod(left, unit)
        if count or parts:
            parts.append(f"{count} {name}" if count else "")
    return sign + " ".join(part for part in parts[:2] if part)


def _three(value: float) -> str:
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
