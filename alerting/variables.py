"""Labels put into the texts of a playbook: `$service` or `${service}`, as Grafana writes variables; `$$` is a dollar.

Label values come from telemetry, so they are foreign: inside a query they are escaped as PromQL strings, inside a URL
they are percent-encoded, and a command gets them as whole arguments, never through a shell.
"""

from __future__ import annotations

import re
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PATTERN = re.compile(r"[\\.+*?()|\[\]{}^$]")
"""What means something in a pattern of RE2."""

_STRINGS = re.compile(r"\"(?:[^\"\\]|\\.)*(?:\"|$)|'(?:[^'\\]|\\.)*(?:'|$)|`[^`]*(?:`|$)|#[^\n]*", re.DOTALL)
"""The strings and comments of an expression."""
_BEFORE_PATTERN = re.compile(r"[=!]~\s*(#[^\n]*\n\s*)*$")

RESULT = "result_"
"""Prefix of the names under which the inverse of a step sees its result: `$result_replicas`."""


def names_in(value: object) -> set[str]:
    """The labels that a text, or a tree of texts, asks for.

    Raises:
        ConfigError: a dollar sign that begins no name.
    """
    if isinstance(value, dict):
        return set().union(*map(names_in, value.values()))
    if isinstance(value, list | tuple):
        return set().union(*map(names_in, value))
    if not isinstance(value, str):
        return set()
    template = Template(value)
    if not template.is_valid():
        raise ConfigError(f"{value!r}: a $ that begins no label name; write $$ for a dollar sign")
    return set(template.get_identifiers())


def render(value: Any, labels: Mapping[str, str], escape: Callable[[str], str] = str) -> Any:
    """A text, or a tree of texts, with the labels put in. What stands under a key `url` is percent-encoded.

    Raises:
        ConfigError: a label is missing.
    """
    if isinstance(value, dict):
        return {key: render(item, labels, _in_url if key == "url" else escape) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [render(item, labels, escape) for item in value]
    if not isinstance(value, str):
        return value
    missing = names_in(value) - labels.keys()
    if missing:
        raise ConfigError(f"{value!r} needs the label {min(missing)}, which the alert does not have")
    return Template(value).substitute({name: escape(labels[name]) for name in names_in(value)})


def render_query(expression: str, labels: Mapping[str, str]) -> str:
    """A PromQL expression with the labels put in, each as the text that it is: in the string of a `=~` it is no pattern.

    Raises:
        ConfigError: a label is missing, or stands elsewhere than in a double-quoted string.
    """
    missing = names_in(expression) - labels.keys()
    if missing:
        raise ConfigError(f"{expression!r} needs the label {min(missing)}, which the alert does not have")
    parts, end = [], 0
    for match in Template.pattern.finditer(expression):
        name = match["named"] or match["braced"]
        value = "$"
        if name:
            quote_, is_pattern = _string_at(expression, match.start())
            if quote_ != '"':
                raise ConfigError(
                    f'{expression!r}: the label {name} must stand in a string in double quotes, as in {{service="${name}"}}'
                )
            value = _in_promql(_PATTERN.sub(r"\\\g<0>", labels[name]) if is_pattern else labels[name])
        parts += [expression[end : match.start()], value]
        end = match.end()
    return "".join((*parts, expression[end:]))


def _string_at(expression: str, position: int) -> tuple[str, bool]:
    """The quote of the string in which a position is, empty outside of one, and whether it is a pattern."""
    for match in _STRINGS.finditer(expression):
        if match.start() < position < match.end():
            return match[0][0], _BEFORE_PATTERN.search(expression[: match.start()]) is not None
    return "", False


def _in_promql(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _in_url(value: str) -> str:
    return quote(value, safe="")
