"""Regular expressions of RE2, as of Prometheus and Alertmanager: a match takes time linear in the text, whoever wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import re2

from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PATTERN = 4096
"""Longest regular expression, in characters."""
_MAX_MEMORY = 1 << 20  # bytes of one compiled expression and what it remembers; beyond, it is refused or slower
_ANY_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")


class RegexError(ConfigError):
    """Not a regular expression of RE2."""


class Groups(Protocol):
    """What an expression found: the text of a group by number or name, None where it did not match.

    An unknown group is an IndexError.
    """

    def __getitem__(self, group: int | str, /) -> str | None:
        """A group; 0 is the whole."""
        ...


@dataclass(frozen=True, slots=True)
class Regex:
    """A compiled expression."""

    _pattern: Any

    @classmethod
    def of(cls, pattern: str, *, dot_all: bool = False) -> Regex:
        """Compile; with `dot_all` a dot is a line's end too.

        Raises:
            RegexError: says what is wrong.
        """
        if len(pattern) > MAX_PATTERN:
            raise RegexError(f"regular expression of {len(pattern)} characters; at most {MAX_PATTERN}")
        if _ANY_BYTE.search(pattern):  # C++ has it, Go does not
            raise RegexError(f'regular expression "{pattern}": invalid escape sequence: \\C')
        options = re2.Options()
        options.log_errors, options.max_mem, options.dot_nl = False, _MAX_MEMORY, dot_all
        try:
            return cls(re2.compile(pattern, options))
        except re2.error as error:
            raise RegexError(f'regular expression "{pattern}": {error.args[0].decode()}') from None

    def fullmatch(self, text: str) -> Groups | None:
        """What is found if the expression matches the whole text."""
        found: Groups | None = self._pattern.fullmatch(text)
        return found

    def found_in(self, text: str) -> bool:
        """Whether the expression matches a part of the text."""
        return self._pattern.search(text) is not None

    def replace(self, text: str, by: Callable[[Groups], str]) -> str:
        """The text with each find replaced, as Go's `ReplaceAllString`: nothing right after a find is none."""
        pieces: list[str] = []
        end = 0
        for found in self._pattern.finditer(text):
            pieces.append(text[end : found.start()])
            if found.end() > end or found.start() == 0:
                pieces.append(by(found))
            end = found.end()
        return "".join((*pieces, text[end:]))
