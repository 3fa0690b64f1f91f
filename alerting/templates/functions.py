"""Functions for templates: Go's built-ins, Prometheus's for annotations and Alertmanager's for notifications."""

from __future__ import annotations

import html
import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from alerting.matchers import anchored
from alerting.promql.vector_functions import expand
from alerting.templates.execute import Markup, go_float, printed, truth
from alerting.templates.syntax import TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\d{0,3})(?P<precision>\.\d{0,3})?(?P<verb>[a-zA-Z%])")


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


def humanize_timestamp(value: object) -> str:
    """Seconds since the epoch as a UTC date, the way Go prints a time."""
    seconds = number(value)
    if math.isnan(seconds) or math.isinf(seconds):
        return _significant(seconds)
    try:
        moment = _EPOCH + timedelta(milliseconds=round(seconds * 1000))
    except OverflowError as error:
        raise TemplateError(f"template: {go_float(seconds)} seconds is no date") from error
    fraction = f".{moment.microsecond // 1000:03d}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def printf(layout: str, *values: object) -> str:
    """Go's fmt.Sprintf with %s %v %q %d %f %e %g %t %x."""
    rest = list(values)

    def verb(found: re.Match[str]) -> str:
        if found["verb"] == "%":
            return "%"
        if not rest:
            return f"%!{found['verb']}(MISSING)"
        return _formatted(found, rest.pop(0))

    text = _VERB.sub(verb, layout)
    return text + (f"%!(EXTRA {', '.join(map(printed, rest))})" if rest else "")


def _formatted(found: re.Match[str], value: object) -> str:
    kind, flags, precision = found["verb"], found["flags"], found["precision"] or ""
    digits = precision or ("" if kind == "g" else ".6")
    match kind:
        case "s" | "v":
            text = printed(value)
            text = text[: int(precision[1:] or 0)] if precision and kind == "s" else text
        case "q":
            text = '"' + printed(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        case "d" | "x" | "X" if isinstance(value, int):
            text = format(value, ("+" if "+" in flags else "") + kind)
        case "f" | "e" | "g" | "F" | "E" | "G" if isinstance(value, int | float):
            if kind == "g" and not precision:
                text = go_float(float(value))
            else:
                text = format(float(value), ("+" if "+" in flags else "") + digits + kind)
        case "t" if isinstance(value, bool):
            text = printed(value)
        case _:
            return f"%!{kind}({printed(value)})"
    if not found["width"]:
        return text
    width = int(found["width"])
    if "-" in flags:
        return text.ljust(width)
    return text.zfill(width) if "0" in flags and kind not in "svq" else text.rjust(width)


def _compare(a: Any, b: Any) -> int:
    if isinstance(a, str) != isinstance(b, str):
        raise TemplateError("template: incompatible types for comparison")
    return int(a > b) - int(a < b)


def _index(value: Any, *keys: Any) -> object:
    for key in keys:
        value = value.get(key, "") if isinstance(value, dict) else value[key]
    return value


def _replace_all(pattern: str, replacement: str, text: str) -> str:
    return anchored(pattern).sub(lambda found: expand(replacement, found), text)


def _title(text: str) -> str:
    return re.sub(r"(^|\s)(\S)", lambda found: found[1] + found[2].upper(), text)


BUILT_INS: dict[str, Callable[..., Any]] = {
    "eq": lambda first, *rest: any(first == other for other in rest),
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: _compare(a, b) < 0,
    "le": lambda a, b: _compare(a, b) <= 0,
    "gt": lambda a, b: _compare(a, b) > 0,
    "ge": lambda a, b: _compare(a, b) >= 0,
    "not": lambda value: not truth(value),
    "len": len,
    "index": _index,
    "slice": lambda value, start=0, end=None: value[start:end],
    "print": lambda *values: "".join(map(printed, values)),
    "println": lambda *values: " ".join(map(printed, values)) + "\n",
    "printf": printf,
    "html": lambda *values: html.escape("".join(map(printed, values))),
    "urlquery": lambda *values: quote("".join(map(printed, values)), safe=""),
}
"""Go's own; `and` and `or` are part of the language here, as they stop early."""

TEXT: dict[str, Callable[..., Any]] = {
    "match": lambda pattern, text: anchored(pattern).search(text) is not None,
    "reReplaceAll": _replace_all,
    "title": _title,
    "toLower": str.lower,
    "toUpper": str.upper,
}
"""Of both Prometheus and Alertmanager."""

ANNOTATION: dict[str, Callable[..., Any]] = {
    **BUILT_INS,
    **TEXT,
    "first": lambda vector: vector[0],
    "humanize": humanize,
    "humanize1024": humanize1024,
    "humanizeDuration": humanize_duration,
    "humanizePercentage": humanize_percentage,
    "humanizeTimestamp": humanize_timestamp,
    "label": lambda name, sample: sample["Labels"].get(name, ""),
    "safeHtml": str,
    "sortByLabel": lambda name, vector: sorted(vector, key=lambda sample: sample["Labels"].get(name, "")),
    "stripPort": lambda host: host.rpartition(":")[0] or host,
    "strvalue": lambda sample: sample["Labels"].get("__value__", ""),
    "value": lambda sample: sample["Value"],
}
"""Prometheus's, but for `query`, which the evaluation adds, and `graphLink`, `tableLink`, `pathPrefix` and `externalURL`."""

NOTIFICATION: dict[str, Callable[..., Any]] = {
    **BUILT_INS,
    **TEXT,
    "join": lambda separator, items: separator.join(items),
    "safeHtml": Markup,
    "stringSlice": lambda *items: list(items),
    "trimSpace": str.strip,
}
"""Alertmanager's."""
