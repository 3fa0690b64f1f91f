"""Values at the ends of their ranges, and beyond what a store or JSON can hold."""

from __future__ import annotations

import math
import os
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from spanloom import clock
from tests.attack.line import Line, must
from tests.attack.target import JSON
from tests.attack.telemetry import gauge, logs, one, put, spans

if TYPE_CHECKING:
    from tests.attack.bench import Bench

NUMBERS: dict[str, Any] = {
    "two_to_53": 2**53 + 1, "most": 2**63 - 1, "least": -(2**63), "nan": math.nan, "inf": math.inf, "minus_inf": -math.inf,
    "tiny": 5e-324, "huge": 1.7976931348623157e308, "minus_zero": -0.0,
}  # fmt: skip
VALUES: dict[str, Any] = {
    **NUMBERS,
    "nul": "a\0b",
    "controls": "".join(map(chr, range(32))),
    "surrogates": "\U0001f600" * 100,
    "not_shown": "\u202e\u2028\ufeff\u0085",
    "bytes": bytes(range(256)),
    "map": {"a": {"b": {"c": 1}}},
    "map with dots": {"a.b": 1, "a": {"b": 2}},
    "list": [1, "a", 1.5, None, {"x": [1]}, []],
    "empty list": [],
    "empty map": {},
    "nested": [[[[[[[[[[1]]]]]]]]]],
    "": "no name",
    " ": "blank",
    "a..b": "dots",
    ".a": "dot first",
    "a.": "dot last",
    "$x'\"; DROP TABLE spans; --": "quotes",
    "_id": "reserved",
    "@timestamp": "reserved",
    "x" * 5000: "long name",
}


FLOOD = 800
"""Requests of each signal: eight times what the dead letters admit in a row."""
HONEST = "resource.attributes.service.name:honest"


def no_number_ends_the_pipeline(bench: Bench) -> str:
    """Metric values beyond 2^53 and at both ends of 64 bits, NaN and infinities, of every metric type."""
    up = bench.up
    pid = up.pid
    statuses = [up.export(body, "metrics").status for body in metrics_at_the_ends()]
    must(all(200 <= status < 500 for status in statuses), f"{statuses}")
    seconds = up.stored_afterwards("numbers")
    up.wait_for(lambda: up.find("metric", limit=5), 60, "no metric is stored")
    must(up.pid == pid, "the process was ended")
    return f"{len(NUMBERS) + 4} metrics; the next span stored after {seconds:.1f} s"


def they_do_not_end_it_at_the_next_start_either(bench: Bench) -> str:
    """The same, then kill -9 before it is stored, and a start on that folder."""
    with bench.product() as own:
        for body in metrics_at_the_ends():
            own.export(body, "metrics")
        own.export(spans("odd", 5, attributes=lambda _: VALUES))
        own.kill()
        own.start()
        own.wait_ready()
        pid = own.pid
        seconds = own.stored_afterwards("numbers")
        must(own.pid == pid, "the process was ended")
    return f"the next span stored after {seconds:.1f} s"


def no_attribute_ends_the_pipeline(bench: Bench) -> str:
    """Attributes of every type, name and size on spans, resources and log records, and as a log's body."""
    up = bench.up
    pid = up.pid
    refused = []
    for name, item in VALUES.items():
        for path, body in (
            ("traces", spans("odd", 1, attributes=partial(one, name or "x", item))),
            ("traces", spans("odd", 1, resource={name: item})),
            ("logs", logs("odd", 1, item)),
        ):
            status = up.export(body, path).status
            if status != 200:
                refused.append((name[:20], path, status))
    must(all(400 <= status < 500 for _, _, status in refused), f"{refused}")
    seconds = up.stored_afterwards("odd")
    must(up.pid == pid, "the process was ended")
    dead = up.status().get("dead_letters")
    return f"{len(VALUES) * 3} requests, {len(refused)} refused, dead letters {dead}; the next span after {seconds:.1f} s"


def no_time_stops_the_windows(bench: Bench) -> str:
    """Times of 1970, of the year 2262, past 63 bits, ends before starts; then traces of now must still be closed."""
    up = bench.up
    pid = up.pid
    statuses = []
    for begin, end in ((0, 1), (1, 0), (2**63 - 1, 2**63 - 1), (2**64 - 1, 2**64 - 1), (clock.system(), 2**63 - 1), (2**62, 1)):
        request = orjson.dumps(
            {
                "resourceSpans": [
                    {
                        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "times"}}]},
                        "scopeSpans": [
                            {
                                "spans": [
                                    {
                                        "traceId": os.urandom(16).hex(),
                                        "spanId": os.urandom(8).hex(),
                                        "name": "x",
                                        "kind": 2,
                                        "startTimeUnixNano": str(begin),
                                        "endTimeUnixNano": str(end),
                                    }
                                ]
                            }
                        ],
                    }
                ]
            }
        )
        statuses.append(up.export(request, kind=JSON).status)
    must(all(200 <= status < 500 for status in statuses), f"{statuses}")
    trace = os.urandom(16)
    up.export(spans("now", 1, trace=trace))
    up.wait_for(lambda: up.find("trace", f"trace_id:{trace.hex()}"), 90, "a trace of now is not closed any more")
    must(up.pid == pid, "the process was ended")
    return f"{statuses}"


def metrics_at_the_ends() -> tuple[bytes, ...]:
    """Requests with values at the ends of their ranges, one of each type of metric."""
    return gauge("numbers", NUMBERS), _histogram(), _exponential(), _summary(), _sum()


def _metrics() -> tuple[ExportMetricsServiceRequest, Any]:
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    put(group.resource.attributes, {"service.name": "numbers"})
    return request, group.scope_metrics.add()


def _histogram() -> bytes:
    request, scope = _metrics()
    for count in (2**64 - 1, 2**63):
        histogram = scope.metrics.add(name="h").histogram
        histogram.aggregation_temporality = 2
        histogram.data_points.add(
            time_unix_nano=clock.system(), count=count, sum=math.inf, bucket_counts=[count, count], explicit_bounds=[1.0]
        )
    return bytes(request.SerializeToString())


def _exponential() -> bytes:
    request, scope = _metrics()
    for scale, offset in ((20, 2**31 - 1), (-10, -1), (0, 1023), (20, -(2**31))):
        exponential = scope.metrics.add(name="e").exponential_histogram
        exponential.aggregation_temporality = 2
        point = exponential.data_points.add(time_unix_nano=clock.system(), count=2**64 - 1, scale=scale, zero_count=2**64 - 1)
        point.positive.offset = offset
        point.positive.bucket_counts.extend([2**64 - 1])
    return bytes(request.SerializeToString())


def _summary() -> bytes:
    request, scope = _metrics()
    point = scope.metrics.add(name="q").summary.data_points.add(time_unix_nano=clock.system(), count=2**64 - 1, sum=math.nan)
    for quantile in (0.5, math.nan, math.inf, -1.0):
        point.quantile_values.add(quantile=quantile, value=math.inf)
    return bytes(request.SerializeToString())


def _sum() -> bytes:
    request, scope = _metrics()
    for number in (2**63 - 1, -(2**63), 2**53 + 1):
        total = scope.metrics.add(name="s").sum
        total.aggregation_temporality, total.is_monotonic = 2, True
        total.data_points.add(time_unix_nano=clock.system(), as_int=number)
    return bytes(request.SerializeToString())


def no_flood_of_odd_services_stops_storing(bench: Bench) -> str:
    """2,400 requests of one record whose service is a number, a truth value, bytes, a list or a map; all signals."""
    with bench.product() as own:
        pid = own.pid
        odd: tuple[Any, ...] = (5, -1.5, True, b"\xff", {"a": 1}, ["a", 1], [], {})
        answers: Counter[int] = Counter()
        for number in range(FLOOD):
            item = odd[number % len(odd)]
            answers[own.export(spans("x", resource={"service.name": item})).status] += 1
            answers[own.export(logs("x", resource={"service.name": item}), "logs").status] += 1
            answers[own.export(gauge("x", {"odd": number}, resource={"service.name": item}), "metrics").status] += 1
        must(set(answers) == {200}, f"{answers}")
        seconds = own.stored_afterwards("honest")
        own.export(logs("honest"), "logs")
        own.export(gauge("honest", {"queue": 1.5}), "metrics")
        for kind in ("log", "metric"):
            own.wait_for(partial(own.find, kind, HONEST), 60, f"no {kind} of an honest sender is stored")
            own.wait_for(partial(own.find, kind, "resource.attributes.service.name:ff"), 60, f"no odd {kind} is stored")
        dead = own.status().get("dead_letters")
        must(own.pid == pid and not dead, f"{dead} dead letters")
        must(own.get("/readyz").status == 200, "not ready")
    return f"{answers.total()} requests, no dead letters; the next span stored after {seconds:.1f} s"


LINES = (
    Line("values", no_number_ends_the_pipeline, quick=True),
    Line("values", they_do_not_end_it_at_the_next_start_either),
    Line("values", no_attribute_ends_the_pipeline, quick=True),
    Line("values", no_time_stops_the_windows),
    Line("values", no_flood_of_odd_services_stops_storing),
)
