"""Prometheus' remote read, as a client asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cramjam
from google.protobuf.message import DecodeError

from alerting.prometheus_api.remote_read import MESSAGES, MILLISECOND, TYPES
from alerting.promql.vectors import labels_of
from telemetry.errors import InputError

if TYPE_CHECKING:
    from alerting.promql.matchers import Matcher
    from alerting.promql.vectors import Labels

MAX_ANSWER = 256 << 20
"""Bytes of an answer after decompression."""


@dataclass(frozen=True, slots=True)
class ReadSeries:
    """The samples of a series, as they were read: times in ns, of millisecond precision."""

    labels: Labels
    times: list[int]
    values: list[float]


def request(matchers: tuple[Matcher, ...], start: int, end: int) -> bytes:
    """The body that asks for the samples of a selector with `start <= time <= end`, ns."""
    message = MESSAGES["ReadRequest"]()
    query = message.queries.add(start_timestamp_ms=start // MILLISECOND, end_timestamp_ms=end // MILLISECOND)
    for each in matchers:
        query.matchers.add(type=TYPES.index(each.type), name=each.name, value=each.value)
    return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))


def series_of(body: bytes) -> list[ReadSeries]:
    """The series of an answer.

    Raises:
        InputError: it is no such answer, or too large.
    """
    try:
        if cramjam.snappy.decompress_raw_len(body) > MAX_ANSWER:
            raise InputError(f"an answer of more than {MAX_ANSWER} bytes")
        message = MESSAGES["ReadResponse"].FromString(bytes(cramjam.snappy.decompress_raw(body)))
    except (cramjam.DecompressionError, DecodeError) as error:
        raise InputError(f"not an answer of remote read: {error}") from None
    return [
        ReadSeries(
            labels_of({label.name: label.value for label in series.labels}),
            [sample.timestamp * MILLISECOND for sample in series.samples],
            [sample.value for sample in series.samples],
        )
        for result in message.results
        for series in result.timeseries
    ]
