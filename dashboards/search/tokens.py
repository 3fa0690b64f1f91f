"""The text of a search as tokens, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from telemetry.errors import InputError

MAX_LENGTH = 4_096
"""Characters of a search."""


class SearchTextError(InputError):
    """A search that is wrong, with the place of the mistake.

    Attributes:
        at: the character where it begins, from 0.
        length: of how many characters it is.
        did_you_mean: what may have been meant in their place, or nothing.
    """

    def __init__(self, reason: str, at: int, length: int, did_you_mean: str = "") -> None:
        suggestion = f" (did you mean {did_you_mean}?)" if did_you_mean else ""
        super().__init__(f"character {at + 1}: {reason}{suggestion}")
        self.at, self.length, self.did_you_mean = at, length, did_you_mean


class TokenType(StrEnum):
    """What a token is."""

    TEXT = "text"
    QUOTED = "quoted text"
    OPERATOR = "operator"
    OPEN = "("
    CLOSE = ")"
    AND = "and"
    OR = "or"
    NOT = "not"
    END = "the end"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a search: what it says, and where it stands."""

    type: TokenType
    text: str
    at: int
    length: int


_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_PIECE = re.compile(
    rf"(?P<space>\s+)|(?P<quoted>{_QUOTED})|(?P<and>&&?)|(?P<or>\|\|?)|(?P<operator>=~|!~|!=|<=|>=|==|=|<|>)|(?P<not>!)|(?P<open>\()|(?P<close>\))"
    r"|(?P<text>[^\s()=!<>&|\"'][^\s()=!<>&|\"']*)",
    re.DOTALL,
)
_VALUE = re.compile(rf"\s*(?:(?P<quoted>{_QUOTED})|(?P<text>[^\s()\"'][^\s()]*))", re.DOTALL)
_WORDS = {"and": TokenType.AND, "or": TokenType.OR, "not": TokenType.NOT}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def tokens(text: str) -> list[Token]:
    """The tokens of a search, an end as the last. What follows an operator is a value, whatever it looks like.

    Raises:
        SearchTextError: the search is too long, or a piece is none.
    """
    if len(text) > MAX_LENGTH:
        raise SearchTextError(f"a search has at most {MAX_LENGTH} characters", MAX_LENGTH, len(text) - MAX_LENGTH)
    found: list[Token] = []
    at = 0
    while at < len(text):
        after_operator = bool(found) and found[-1].type is TokenType.OPERATOR
        match = (_VALUE if after_operator else _PIECE).match(text, at)
        if match is None:
            if after_operator:
                break  # the parser says what is missing
            raise _no_piece(text, at)
        kind = match.lastgroup or "space"
        piece = match[kind]
        start, at = match.start(kind), match.end()
        if kind == "quoted":
            found.append(Token(TokenType.QUOTED, _ESCAPED.sub(r"\1", piece[1:-1]), start, len(piece)))
        elif kind != "space":
            type_ = TokenType.TEXT if kind == "text" else TokenType[kind.upper()]
            if kind == "text" and not after_operator:
                type_ = _WORDS.get(piece.lower(), type_)
            found.append(Token(type_, piece, start, len(piece)))
    return [*found, Token(TokenType.END, "", at, max(0, len(text) - at))]


def _no_piece(text: str, at: int) -> SearchTextError:
    if text[at] in "\"'":
        return SearchTextError(
            f"the quoted text does not end: a {text[at]} is missing", at, len(text) - at, text[at:] + text[at]
        )
    return SearchTextError(f"unexpected {text[at]!r}", at, 1)
