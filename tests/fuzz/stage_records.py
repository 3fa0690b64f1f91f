"""Values of the records between our own stages: whoever may write to Kafka may write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from pipeline import records
from pipeline.records import LogLine
from processors.assemble import ExemplarReference, LogReference
from processors.messages import Message, Origin, Receipt
from telemetry.metrics import Point, Series
from tests.fuzz.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_TRACE, _SPAN = bytes(range(1, 17)), bytes(range(1, 9))
_TIME = 1_700_000_000_000_000_000
_WORDS = (b"null", b"[]", b"{}", b"[[", b'"zz"', b"-1", b"1e400", b"18446744073709551616", b"true", b'"\\ud800"', b'"series":')


def _target(name: str, decode: Callable[[bytes], Iterable[Any]], encode: Callable[[Any], bytes], value: bytes) -> Target:
    def run(data: bytes) -> None:
        encode(list(decode(data)))

    return Target(f"records-{name}", run, (value,), _WORDS)


TARGETS = (
    _target(
        "log-references",
        records.decode_log_references,
        records.encode_log_references,
        records.encode_log_references([LogReference(_TRACE, "id", _TIME, 9)]),
    ),
    _target(
        "exemplars",
        records.decode_exemplars,
        records.encode_exemplars,
        records.encode_exemplars([ExemplarReference(_TRACE, _SPAN, _TIME, "m", 1.5)]),
    ),
    _target(
        "receipts",
        records.decode_receipts,
        records.encode_receipts,
        records.encode_receipts([Receipt(Message(_TRACE, _SPAN), _TRACE, _TIME)]),
    ),
    _target(
        "origins",
        records.decode_origins,
        records.encode_origins,
        records.encode_origins([Origin(_TRACE, Message(_TRACE, _SPAN), True, 1, 2, "cart", "cart-1", "host", _TIME)]),
    ),
    _target(
        "points",
        records.decode_points,
        records.encode_points,
        records.encode_points([Point(Series("m", (("a", "b"),), total=True), _TIME, 1.5)]),
    ),
    _target(
        "logs",
        records.decode_logs,
        records.encode_logs,
        records.encode_logs([LogLine("cart", "cart-1", "prod", _TIME, 9, "text", _TRACE, _SPAN)]),
    ),
    _target("bodies", records.decode_bodies, records.encode_bodies, orjson.dumps([{"service": "cart", "calls": 1}])),
)
