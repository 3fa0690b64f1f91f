"""What a request of Jaeger's query API asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import orjson

from components.durations import HOUR
from dashboards.read_models.parameters import ParameterRefusedError, go_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.datastructures import QueryParams

LIMIT = 100
"""Traces of an answer where the request names no limit."""

MAX_LIMIT = 1_500
"""As many as Jaeger's UI lets people ask for."""

MAX_TAGS = 20
"""Conditions on tags in one request."""

LOOKBACK = 48 * HOUR
"""How far back a search looks that names no start."""

DEPENDENCIES_LOOKBACK = 24 * HOUR

_LATEST = 2**63 - 1
_NUMBER = re.compile(r"-?[0-9]{1,19}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """Which traces: those with a span of which all this is so. Times and durations in nanoseconds, 0 for no duration."""

    service: str
    operation: str
    since: int
    until: int
    shortest: int
    longest: int
    tags: Mapping[str, str]
    limit: int


def trace_query(asked: QueryParams, now: int) -> TraceQuery:
    """The search of `/api/traces`.

    Raises:
        ParameterRefusedError: a parameter is missing or wrong.
    """
    until = _time(asked, "end", 1_000, now)
    lookback = asked.get("lookback", "")
    past = go_duration("lookback", lookback) if lookback[:1].isdigit() else LOOKBACK  # the UI also sends `custom`
    return _checked(
        TraceQuery(
            asked.get("service", ""),
            asked.get("operation", ""),
            _time(asked, "start", 1_000, max(0, until - past) if lookback else max(0, now - past)),
            until + 1,
            go_duration("minDuration", asked.get("minDuration", "")),
            go_duration("maxDuration", asked.get("maxDuration", "")),
            _tags(asked),
            _limit("limit", asked.get("limit", "")),
        ),
        ("service", "minDuration", "maxDuration"),
    )


def trace_query_v3(asked: QueryParams) -> TraceQuery:
    """The search of `/api/v3/traces`.

    Raises:
        ParameterRefusedError: a parameter is missing or wrong.
    """
    names = ("query.start_time_min", "query.start_time_max")
    if not all(asked.get(name) for name in names):
        raise ParameterRefusedError(f"{names[0]} and {names[1]} are required")
    since, until = (_moment(name, asked[name]) for name in names)
    shortest, longest = (go_duration(name, asked.get(name, "")) for name in ("query.duration_min", "query.duration_max"))
    limit = _limit("query.num_traces", asked.get("query.num_traces", ""))
    service, operation = asked.get("query.service_name", ""), asked.get("query.operation_name", "")
    wanted = TraceQuery(service, operation, since, until + 1, shortest, longest, {}, limit)
    return _checked(wanted, ("", "query.duration_min", "query.duration_max"))


def _checked(wanted: TraceQuery, names: tuple[str, str, str]) -> TraceQuery:
    service, shortest, longest = names
    if service and not wanted.service:
        raise ParameterRefusedError(f"parameter '{service}' is required")
    if 0 < wanted.longest < wanted.shortest:
        raise ParameterRefusedError(f"'{longest}' should be greater than '{shortest}'")
    return wanted


def dependency_range(asked: QueryParams, now: int) -> tuple[int, int]:
    """Since when and until when `/api/dependencies` asks, ns.

    Raises:
        ParameterRefusedError: a parameter is wrong.
    """
    until = _time(asked, "endTs", 1_000_000, now)
    lookback = _time(asked, "lookback", 1_000_000, DEPENDENCIES_LOOKBACK)
    return max(0, until - lookback), until


def _time(asked: QueryParams, name: str, unit: int, default: int) -> int:
    text = asked.get(name, "")
    if not text:
        return default
    if not _NUMBER.fullmatch(text):
        raise ParameterRefusedError(f"unable to parse param '{name}': {text[:100]!r} is no whole number")
    return min(max(0, int(text) * unit), _LATEST - 1)


def _moment(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        whole = (moment - _EPOCH) // timedelta(microseconds=1) * 1_000
    except (ValueError, OverflowError, TypeError):
        raise ParameterRefusedError(f"malformed parameter {name}: {text[:100]!r} is no time of RFC 3339") from None
    fraction = re.search(r"\.\d{6}(\d{1,3})", text)  # Python keeps microseconds
    return min(max(0, whole + int(fraction[1].ljust(3, "0") if fraction else 0)), _LATEST - 1)


def _limit(name: str, text: str) -> int:
    if not text:
        return LIMIT
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:10]) <= MAX_LIMIT and len(text) < 10):
        raise ParameterRefusedError(f"unable to parse param '{name}': {text[:100]!r} is no number from 1 to {MAX_LIMIT}")
    return int(text)


def _tags(asked: QueryParams) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for text in asked.getlist("tag"):
        key, colon, value = text.partition(":")
        if not colon:
            raise ParameterRefusedError(f"malformed 'tag' parameter, expecting key:value, received: {text[:100]}")
        found[key] = value
    for text in asked.getlist("tags"):
        try:
            named = orjson.loads(text or "{}")
        except orjson.JSONDecodeError as error:
            raise ParameterRefusedError(f"malformed 'tags' parameter, cannot unmarshal JSON: {error}") from None
        if not isinstance(named, dict) or not all(isinstance(value, str) for value in named.values()):
            raise ParameterRefusedError('malformed \'tags\' parameter: write an object of texts, as in {"http.method":"GET"}')
        found |= named
    if len(found) > MAX_TAGS:
        raise ParameterRefusedError(f"more than {MAX_TAGS} tags")
    if "" in found:
        raise ParameterRefusedError("malformed 'tags' parameter: a tag has no name")
    return found
