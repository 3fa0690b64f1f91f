"""TraceQL as tokens, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from telemetry.errors import InputError

MAX_LENGTH = 16_384
"""Characters of a query."""


class TraceQLError(InputError):
    """A query that is wrong, or that asks for what is not here."""

    def __init__(self, text: str, offset: int, reason: str) -> None:
        before = text[:offset]
        line, column = before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
        super().__init__(f"invalid TraceQL query: line {line}, col {column}: {reason}")


class TokenKind(StrEnum):
    """What a token is."""

    STRING = "string"
    DURATION = "duration"
    NUMBER = "number"
    ATTRIBUTE = "attribute"
    WORD = "word"
    OPERATOR = "operator"
    END = "end of the query"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a query. `text` is as written, but for strings and quoted attributes, where it is what they say."""

    kind: TokenKind
    text: str
    offset: int
    scope: str = ""


_QUOTED = r'"(?:[^"\\\n]|\\.)*"'
_NAME = rf'(?:[^\s{{}}()=~!<>&|^,"`]|{_QUOTED})+'
_UNITS = "ns|us|µs|μs|ms|s|m|h|d"
_TOKENS = re.compile(
    rf"""(?P<space>\s+)
    |(?P<string>{_QUOTED}|`[^`]*`)
    |(?P<duration>(?:[0-9]{{1,18}}(?:\.[0-9]{{1,18}})?(?:{_UNITS}))+(?![\w.]))
    |(?P<number>[0-9]{{1,19}}(?:\.[0-9]{{1,300}})?(?:[eE][+-]?[0-9]{{1,3}})?(?![\w.]))
    |(?P<attribute>(?:(?P<scope>span|resource|event|link|instrumentation)?\.)(?P<name>{_NAME}))
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*(?::[A-Za-z]+)?)
    |(?P<operator>&&|\|\||!>>|!<<|&>>|&<<|=~|!~|!=|>=|<=|>>|<<|[{{}}()=<>!|,~&+\-*/%^.])""",
    re.VERBOSE,
)
_PART = re.compile(rf"{_QUOTED}|[^\"]+")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", '"': '"', "'": "'"}


def tokens(text: str) -> list[Token]:
    """The tokens of a query, an end as the last.

    Raises:
        TraceQLError: the query is too long, or a piece is none.
    """
    if len(text) > MAX_LENGTH:
        raise TraceQLError(text, MAX_LENGTH, f"the query has more than {MAX_LENGTH} characters")
    found: list[Token] = []
    offset = 0
    while offset < len(text):
        match = _TOKENS.match(text, offset)
        if match is None:
            raise TraceQLError(text, offset, f"unexpected {text[offset]!r}{_hint(text[offset])}")
        offset, start = match.end(), match.start()
        group = match.lastgroup
        if match["attribute"] is not None:
            parts = _PART.findall(match["name"])
            name = "".join(_unquoted(text, start, part) if part.startswith('"') else part for part in parts)
            found.append(Token(TokenKind.ATTRIBUTE, name, start, match["scope"] or ""))
        elif group == "string":
            found.append(Token(TokenKind.STRING, _unquoted(text, start, match[0]), start))
        elif group != "space":
            found.append(Token(TokenKind(str(group)), match[0], start))
    return [*found, Token(TokenKind.END, "", len(text))]


def _hint(character: str) -> str:
    if character in '"`':
        return ": the text does not end"
    return ": write texts in double quotes" if character == "'" else ""


def _unquoted(text: str, start: int, quoted: str) -> str:
    if quoted.startswith("`"):
        return quoted[1:-1]

    def replaced(found: re.Match[str]) -> str:
        escape = found[1]
        if escape[0] in "xuU" and len(escape) > 1:
            code = int(escape[1:], 16)
        elif escape.isdecimal() and len(escape) > 1:
            code = int(escape, 8)
        elif escape in _PLAIN:
            return _PLAIN[escape]
        else:
            raise TraceQLError(text, start, f"unknown escape \\{escape}")
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise TraceQLError(text, start, f"\\{escape} is no character")
        return chr(code)

    return _ESCAPE.sub(replaced, quoted[1:-1])
