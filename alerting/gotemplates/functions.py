"""Functions for templates: Go's built-ins, Prometheus's for annotations and Alertmanager's for notifications."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from alerting.gotemplates.humanize import (
    humanize,
    humanize1024,
    humanize_duration,
    humanize_percentage,
    humanize_timestamp,
    to_time,
)
from alerting.gotemplates.syntax import TemplateError
from alerting.gotemplates.values import Labels, Markup, go_float, printed, truth
from alerting.promql.regex import Regex
from alerting.promql.vector_functions import expand
from components.durations import SECOND, parse_duration

_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\d{0,3})(?P<precision>\.\d{0,3})?(?P<verb>[a-zA-Z%])")


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
    return Regex.of(pattern).replace(text, lambda found: expand(replacement, found))


_AFTER_SEPARATOR = re.compile(r"(?:^|(?<=[\x00-/:-@\[-^`{-\x7f\s]))[^\W\d_]")
_WORD = re.compile(
    r"[\w\u0300-\u036f]+(?:(?:(?<=[^\W\d_])[.:'\u2019\u00b7](?=[^\W\d_])|(?<=\d)[.,'](?=\d))[\w\u0300-\u036f]+)*"
)


def title_of_prometheus(text: str) -> str:
    """Go's strings.Title: what follows anything but letters, digits and underscores begins with a capital."""
    return _AFTER_SEPARATOR.sub(lambda found: found[0].title() if len(found[0].title()) == 1 else found[0], text)


def title_of_alertmanager(text: str) -> str:
    """Go's cases.Title: the first letter of each word of the text is a capital, and no other is."""

    def word(found: re.Match[str]) -> str:
        lower = found[0].lower()
        first = next((i for i, sign in enumerate(lower) if sign.title() != sign), 0)
        return lower[:first] + lower[first : first + 1].title() + lower[first + 1 :]

    return _WORD.sub(word, text)


_HOST_PORT = re.compile(r"(?:\[(?P<six>[^][]*)\]|(?P<host>[^][:]*)):(?P<port>[^][:]*)")


def _split(text: str) -> tuple[str, str]:
    """Host and port; the whole where there is no port, as an address of IPv6 without brackets has none."""
    found = _HOST_PORT.fullmatch(text)
    return (found["six"] or found["host"] or "", found["port"]) if found else (text, "")


def _strip_domain(text: str) -> str:
    """The first part of a host's name, with its port. An address stays."""
    host, port = _split(text)
    try:
        ip_address(host)
    except ValueError:
        return host.partition(".")[0] + (f":{port}" if port else "")
    return text


def _link(expr: str, tab: int) -> str:
    return f"/graph?g0.expr={quote_plus(expr)}&g0.tab={tab}"


Function = Callable[..., Any]
"""A function of a template: it checks its arguments when it is called, as Go's do."""

BUILT_INS: dict[str, Function] = {
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

TEXT: dict[str, Function] = {
    "match": lambda pattern, text: Regex.of(pattern).found_in(text),
    "reReplaceAll": _replace_all,
    "toLower": str.lower,
    "toUpper": str.upper,
}
"""Of both Prometheus and Alertmanager."""

ANNOTATION: dict[str, Function] = {
    **BUILT_INS,
    **TEXT,
    "title": title_of_prometheus,
    "args": lambda *values: Labels((f"arg{i}", value) for i, value in enumerate(values)),
    "first": lambda vector: vector[0],
    "graphLink": lambda expr: _link(expr, 0),
    "humanize": humanize,
    "humanize1024": humanize1024,
    "humanizeDuration": humanize_duration,
    "humanizePercentage": humanize_percentage,
    "humanizeTimestamp": humanize_timestamp,
    "label": lambda name, sample: sample["Labels"].get(name, ""),
    "parseDuration": lambda text: parse_duration(text) / SECOND,
    "safeHtml": str,
    "sortByLabel": lambda name, vector: sorted(vector, key=lambda sample: sample["Labels"].get(name, "")),
    "stripDomain": _strip_domain,
    "stripPort": lambda host: _split(host)[0],
    "strvalue": lambda sample: sample["Labels"].get("__value__", ""),
    "tableLink": lambda expr: _link(expr, 1),
    "toTime": to_time,
    "value": lambda sample: sample["Value"],
}
"""Prometheus's, but for those `OF_EVALUATION`."""

OF_EVALUATION = ("query", "externalURL", "pathPrefix")
"""Functions of annotations that only an evaluation can answer."""
VARIABLES = ("$labels", "$value", "$externalLabels", "$externalURL")
"""Those of annotations."""


def of_evaluation(query: Callable[[str], object], external_url: str) -> dict[str, Callable[..., object]]:
    """Every function of annotations, for one evaluation."""
    own = (query, lambda: external_url, lambda: urlsplit(external_url).path)
    return ANNOTATION | dict(zip(OF_EVALUATION, own, strict=True))


NOTIFICATION: dict[str, Function] = {
    **BUILT_INS,
    **TEXT,
    "join": lambda separator, items: separator.join(items),
    "safeHtml": Markup,
    "stringSlice": lambda *items: list(items),
    "title": title_of_alertmanager,
    "trimSpace": str.strip,
}
"""Alertmanager's."""
