"""Numbers and times for people, as Prometheus's templates write them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from alerting.gotemplates.syntax import TemplateError
from alerting.gotemplates.values import go_float, printed

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def number(value: object) -> float:
    """A number, or a string that holds one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TemplateError(f"template: {printed(value)} is not a number")
    return float(value)


def _significant(value: float, digits: int = 4) -> str:
    """Go's %.4g."""
    if math.isnan(value) or math.isinf(value):
        return go_float(value)
    text = f"{value:.{digits}g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        return f"{mantissa}e{int(exponent):+03d}"
    return text


def humanize(value: object) -> str:
    """With a metric prefix."""
    return _prefixed(
        number(value), 1000.0, ("", "k", "M", "G", "T", "P", "E", "Z", "Y"), ("", "m", "u", "n", "p", "f", "a", "z", "y")
    )


def humanize1024(value: object) -> str:
    """With a binary prefix."""
    return _prefixed(number(value), 1024.0, ("", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"), ("",))


def _prefixed(value: float, base: float, large: Sequence[str], small: Sequence[str]) -> str:
    if value == 0 or math.isnan(value) or math.isinf(value):
        return _significant(value)
    steps = 0
    if abs(value) >= 1:
        while abs(value) >= base and steps < len(large) - 1:
            value, steps = value / base, steps + 1
        return f"{_significant(value)}{large[steps]}"
    while abs(value) < 1 and steps < len(small) - 1:
        value, steps = value * base, steps + 1
    return f"{_significant(value)}{small[steps]}"


def humanize_duration(value: object) -> str:
    """Seconds as days, hours, minutes and seconds; below one with a metric prefix."""
    seconds = number(value)
    if math.isnan(seconds) or math.isinf(seconds):
        return _significant(seconds)
    if 0 < abs(seconds) < 1:
        return f"{_prefixed(seconds, 1000.0, ('',), ('', 'm', 'u', 'n', 'p', 'f', 'a', 'z', 'y'))}s"
    sign = "-" if seconds < 0 else ""
    whole = int(abs(seconds))
    minutes, hours, days = whole // 60 % 60, whole // 3600 % 24, whole // 86400
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {whole % 60}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {whole % 60}s"
    if minutes:
        return f"{sign}{minutes}m {whole % 60}s"
    return f"{sign}{_significant(abs(seconds))}s"


def humanize_percentage(value: object) -> str:
    """A ratio in per cent."""
    return f"{_significant(number(value) * 100)}%"


class Time(str):
    """A UTC time as Go prints it, with Go's methods."""

    __slots__ = ("fields",)

    fields: dict[str, object]

    @classmethod
    def of(cls, seconds: float) -> Time:
        """The time so many seconds after the epoch.

        Raises:
            TemplateError: it is beyond the calendar.
        """
        try:
            moment = _EPOCH + timedelta(milliseconds=round(seconds * 1000))
        except (OverflowError, ValueError) as error:
            raise TemplateError(f"template: {go_float(seconds)} seconds is no date") from error
        fraction = f".{moment.microsecond // 1000:03d}".rstrip("0") if moment.microsecond else ""
        time = cls(f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC")
        time.fields = {
            "Year": moment.year,
            "Month": f"{moment:%B}",
            "Day": moment.day,
            "Hour": moment.hour,
            "Minute": moment.minute,
            "Second": moment.second,
            "Weekday": f"{moment:%A}",
            "YearDay": moment.timetuple().tm_yday,
            "Unix": int(moment.timestamp()),
            "Format": lambda layout: _LAYOUT.sub(lambda found: moment.strftime(_PARTS[found[0]]), layout),
        }
        return time


_PARTS = {
    "January": "%B",
    "Jan": "%b",
    "Monday": "%A",
    "Mon": "%a",
    "MST": "UTC",
    "2006": "%Y",
    "01": "%m",
    "02": "%d",
    "15": "%H",
    "03": "%I",
    "04": "%M",
    "05": "%S",
    "06": "%y",
    "PM": "%p",
    "Z07:00": "Z",
    "-07:00": "+00:00",
    "-0700": "+0000",
}
_LAYOUT = re.compile("|".join(_PARTS))


def to_time(value: object) -> Time:
    """Seconds since the epoch as a time.

    Raises:
        TemplateError: no number, or beyond the calendar.
    """
    return Time.of(number(value))


def humanize_timestamp(value: object) -> str:
    """Seconds since the epoch as a UTC date, the way Go prints a time."""
    seconds = number(value)
    return _significant(seconds) if math.isnan(seconds) or math.isinf(seconds) else Time.of(seconds)
