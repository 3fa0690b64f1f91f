"""Durations as Prometheus and Alertmanager write them: `1h30m`, `500ms`, `0`."""

from __future__ import annotations

import re

from telemetry.errors import ConfigError

SECOND = 1_000_000_000
"""Nanoseconds in a second."""
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
LONGEST = 2**63 - 1
"""The longest duration, as in Prometheus."""
_UNITS = {
    "y": 365 * 24 * HOUR,
    "w": 7 * 24 * HOUR,
    "d": 24 * HOUR,
    "h": HOUR,
    "m": MINUTE,
    "s": SECOND,
    "ms": SECOND // 1000,
}
_DURATION = re.compile(r"".join(rf"(?:(?P<{unit}>[0-9]{{1,20}}){unit}(?![a-z]))?" for unit in _UNITS))


def parse_duration(text: str) -> int:
    """Nanoseconds.

    Raises:
        ConfigError: not such a duration, or a longer one than `LONGEST`.
    """
    if text == "0":
        return 0
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise ConfigError(f'"{text}" is not a duration; write it like 30s, 5m or 1h30m')
    duration = sum(int(count) * _UNITS[unit] for unit, count in found.groupdict().items() if count)
    if duration > LONGEST:
        raise ConfigError(f'"{text}" is longer than 292 years')
    return duration


def format_duration(duration: int) -> str:
    """The duration in Prometheus's shortest form; below a millisecond is cut off."""
    if duration < _UNITS["ms"]:
        return "0s"
    parts = []
    for unit, size in _UNITS.items():
        if unit in {"y", "w"} and duration % size:
            continue  # as Prometheus: years and weeks only where nothing is left over
        count, duration = divmod(duration, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
