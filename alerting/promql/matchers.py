"""Label matchers, as selectors, routes, inhibition and silences use them.

A regular expression is anchored at both ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from alerting.promql.regex import Regex, RegexError
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


class MatcherError(ConfigError):
    """A matcher that cannot be read."""


class MatchType(StrEnum):
    """The four operators."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label. A missing label counts as empty."""

    name: str
    type: MatchType
    value: str
    pattern: Regex | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, name: str, type_: MatchType, value: str, *, dot_all: bool = False) -> Matcher:
        """A matcher, its expression compiled. In PromQL, from Prometheus 3 on, a dot is a line's end too.

        Raises:
            RegexError: not a regular expression.
        """
        regex = type_ in {MatchType.REGEX, MatchType.NOT_REGEX}
        return cls(name, type_, value, Regex.of(value, dot_all=dot_all) if regex else None)

    def matches(self, value: str) -> bool:
        """Whether a label of this value passes."""
        match self.type:
            case MatchType.EQUAL:
                return value == self.value
            case MatchType.NOT_EQUAL:
                return value != self.value
            case _:
                found = self.pattern is not None and self.pattern.fullmatch(value) is not None
                return found == (self.type is MatchType.REGEX)

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.type}"{escaped}"'


def all_match(matchers: tuple[Matcher, ...], labels: Mapping[str, str]) -> bool:
    """Whether every matcher passes. True for none."""
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)


_MATCHER = re.compile(
    r"""\s*(?P<name>"(?:\\.|[^"\\])*"|[^\s{},=!~"'`]+)\s*(?P<op>=~|!~|!=|=)\s*(?P<value>"(?:\\.|[^"\\])*"|[^\s{},"]*)\s*"""
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """The matchers of `{a="b", c=~"d.*"}`, braces optional, as Alertmanager and amtool write them.

    Raises:
        MatcherError: says at which character.
        RegexError: a value is not a regular expression.
    """
    stripped = text.strip()
    if stripped.startswith("{") != stripped.endswith("}"):
        raise MatcherError(f"matchers {text!r}: a brace has no partner")
    inner = (stripped[1:-1] if stripped.startswith("{") else stripped).rstrip()
    begin = len(text) - len(text.lstrip()) + stripped.startswith("{")
    matchers: list[Matcher] = []
    position = 0
    while position < len(inner):
        found = _MATCHER.match(inner, position)
        end = found.end() if found else position
        if found is None or (end < len(inner) and inner[end] != ","):
            place = begin + end + len(inner[end:]) - len(inner[end:].lstrip())
            raise MatcherError(f'matchers {text!r}: expected name="value" at character {place + 1}', place)
        try:
            matchers.append(Matcher.of(_unquoted(found["name"]), MatchType(found["op"]), _unquoted(found["value"])))
        except RegexError as error:
            raise RegexError(str(error), begin + found.start("value")) from None
        position = end + 1
    return tuple(matchers)


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return _ESCAPE.sub(lambda found: {"n": "\n", '"': '"', "\\": "\\"}.get(found[1], found[0]), text[1:-1])
