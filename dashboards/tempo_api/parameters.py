"""What a request of Tempo's API asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from components.durations import HOUR, SECOND
from telemetry.errors import InputError

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

LIMIT = 20
MAX_LIMIT = 1_000
"""Traces of an answer."""

SPANS = 3
MAX_SPANS = 100
"""Spans shown of a trace that a search found."""

RECENT = HOUR
"""How far back a search looks that names no time."""

MAX_TAGS = 20
"""Conditions in `tags`."""

_NUMBER = re.compile(r"[0-9]{1,19}")
_PAIR = re.compile(r'([^\s="]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?:\s+|$)')


class TempoParameterError(InputError):
    """A parameter that is wrong."""


def time_range(asked: QueryParams, now: int) -> tuple[int, int]:
    """From when until when, ns; the last hour where nothing is named.

    Raises:
        TempoParameterError: a time is none.
    """
    until = _seconds(asked, "end", now)
    return _seconds(asked, "start", max(0, until - RECENT)), until


def whole_range(asked: QueryParams) -> tuple[int | None, int | None]:
    """The same where nothing named is all time.

    Raises:
        TempoParameterError: a time is none.
    """
    since, until = _seconds(asked, "start", 0), _seconds(asked, "end", 0)
    return since or None, until or None


def number(asked: QueryParams, name: str, default: int, most: int) -> int:
    """A count from 1 on, cut to the most that is possible.

    Raises:
        TempoParameterError: it is none.
    """
    text = asked.get(name, "")
    if not text:
        return default
    if not _NUMBER.fullmatch(text) or int(text) < 1:
        raise TempoParameterError(f"invalid {name}: {text[:100]!r} is no positive number")
    return min(int(text), most)


def tags_of(text: str) -> dict[str, str]:
    """Names and values of `tags`, which is logfmt: `service.name=cart name="GET /"`.

    Raises:
        TempoParameterError: it is not, or has too many.
    """
    found: dict[str, str] = {}
    offset, text = 0, text.strip()
    while offset < len(text):
        pair = _PAIR.match(text, offset)
        if pair is None:
            raise TempoParameterError(f"invalid tags: col {offset + 1}: write name=value, texts with spaces in double quotes")
        value = pair[2]
        found[pair[1]] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        offset = pair.end()
    if len(found) > MAX_TAGS:
        raise TempoParameterError(f"invalid tags: more than {MAX_TAGS}")
    return found


def _seconds(asked: QueryParams, name: str, default: int) -> int:
    text = asked.get(name, "")
    if not text:
        return default
    if not _NUMBER.fullmatch(text):
        raise TempoParameterError(f"invalid {name}: {text[:100]!r} is no time in seconds since 1970")
    found = int(text)
    return min(found if found >= _NANOSECONDS_FROM else found * SECOND, 2**63 - 1)


_NANOSECONDS_FROM = 10**14
"""Numbers from here on are nanoseconds; as seconds they would be three million years on."""
