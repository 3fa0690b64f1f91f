"""Prometheus' remote read: the samples of series over a time, in protobuf compressed by snappy.

https://prometheus.io/docs/prometheus/latest/querying/remote_read_api/. Of the two forms of an answer this returns the older,
samples, which every client takes.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import cramjam
from google.protobuf.message import DecodeError

from alerting.promql.matchers import Matcher, MatchType
from alerting.promql.vectors import EvaluationError, Reach
from telemetry.errors import ConfigError, InputError
from telemetry.otlp.protobuf_messages import messages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alerting.promql.vectors import VectorColumn
    from telemetry.json_object import JsonObject

MAX_REQUEST = 1 << 20
"""Bytes of a request, before and after decompression."""
MAX_QUERIES, MAX_MATCHERS = 16, 100
MAX_SAMPLES = 1_000_000
"""Samples of one answer: some 20 MB."""

WARNINGS = "Spanloom-Warnings"
"""Header of an answer: a list in JSON, of which selectors were answered from rollups, and which."""

MILLISECOND = 1_000_000
_LATEST = (2**63 - 1) // MILLISECOND

TYPES = (MatchType.EQUAL, MatchType.NOT_EQUAL, MatchType.REGEX, MatchType.NOT_REGEX)

MESSAGES = messages(
    "spanloom.remote_read",
    {
        "ReadRequest": {"queries": (1, "*Query")},
        "Query": {
            "start_timestamp_ms": (1, "int64"),
            "end_timestamp_ms": (2, "int64"),
            "matchers": (3, "*LabelMatcher"),
        },
        "LabelMatcher": {"type": (1, "int32"), "name": (2, "string"), "value": (3, "string")},
        "ReadResponse": {"results": (1, "*QueryResult")},
        "QueryResult": {"timeseries": (1, "*TimeSeries")},
        "TimeSeries": {"labels": (1, "*Label"), "samples": (2, "*Sample")},
        "Label": {"name": (1, "string"), "value": (2, "string")},
        "Sample": {"value": (1, "double"), "timestamp": (2, "int64")},
    },
)


def read_request(body: bytes) -> list[tuple[Reach, int]]:
    """What is asked for: each selector with its range, and the time at which that ends, ns.

    Raises:
        InputError: it is no such request, or asks for too much at once.
    """
    try:
        if cramjam.snappy.decompress_raw_len(body) > MAX_REQUEST:
            raise InputError(f"more than {MAX_REQUEST} bytes")
        message = MESSAGES["ReadRequest"].FromString(bytes(cramjam.snappy.decompress_raw(body)))
    except (cramjam.DecompressionError, DecodeError) as error:
        raise InputError(f"not a remote-read request in protobuf, compressed by snappy: {error}") from None
    if len(message.queries) > MAX_QUERIES or any(len(query.matchers) > MAX_MATCHERS for query in message.queries):
        raise InputError(f"more than {MAX_QUERIES} queries, or {MAX_MATCHERS} matchers of one")
    return [_reach(query) for query in message.queries]


def _reach(query: JsonObject) -> tuple[Reach, int]:
    start, end = query.start_timestamp_ms, query.end_timestamp_ms  # type: ignore[attr-defined]
    start, end = max(0, min(start, _LATEST)) * MILLISECOND, max(0, min(end, _LATEST)) * MILLISECOND + MILLISECOND - 1
    if end < start:
        raise InputError("end_timestamp_ms is before start_timestamp_ms")
    try:
        matchers = tuple(
            Matcher.of(each.name, _type(each.type), each.value, dot_all=True)
            for each in query.matchers  # type: ignore[attr-defined]
        )
    except ConfigError as error:
        raise InputError(f"a matcher cannot be used: {error}") from None
    return reach_of(matchers, end - start + 1), end


def reach_of(matchers: tuple[Matcher, ...], width: int) -> Reach:
    """What reads a selector over so many ns."""
    return Reach(matchers, width, 0, " 0", lambda instant: instant.at)


def _type(number: int) -> MatchType:
    if not 0 <= number < len(TYPES):
        raise InputError(f"a matcher has the type {number}; there are 0 to {len(TYPES) - 1}")
    return TYPES[number]


async def answer(found: Sequence[tuple[Sequence[VectorColumn], int, int]]) -> bytes:
    """The answer: for each query its series, of which the samples from a time to a time are returned, ns.

    Raises:
        EvaluationError: they are too many.
    """
    response, total = MESSAGES["ReadResponse"](), 0
    for columns, start, end in found:
        result = response.results.add()
        for column in sorted(columns, key=lambda each: each.labels):
            low, high = bisect_left(column.times, start), bisect_right(column.times, end)
            if low == high:
                continue
            total += high - low
            if total > MAX_SAMPLES:
                raise EvaluationError(f"more than {MAX_SAMPLES:,} samples: ask for less time or fewer series")
            series = result.timeseries.add()
            for name, text in column.labels:
                series.labels.add(name=name, value=text)
            for time, value in by_millisecond(column, low, high):
                series.samples.add(timestamp=time, value=value)
            await asyncio.sleep(0)  # others have their turn
    return bytes(cramjam.snappy.compress_raw(response.SerializeToString()))


def by_millisecond(column: VectorColumn, low: int, high: int) -> Iterator[tuple[int, float]]:
    """The samples, the last of each millisecond."""
    times = [time // MILLISECOND for time in column.times[low:high]]
    for i, time in enumerate(times):
        if i + 1 == len(times) or times[i + 1] != time:
            yield time, column.values[low + i]
