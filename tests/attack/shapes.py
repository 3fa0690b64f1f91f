"""Traces of shapes that no program makes, and names of sizes that no program has."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanloom import clock
from tests.attack.line import Line, must
from tests.attack.telemetry import logs, one, put, spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.attack.bench import Bench
    from tests.attack.target import Product

Piece = tuple[bytes, bytes, str, int]
"""Of a trace: span id, parent's id, service, kind."""
SLOWEST = 120.0


def _trace(trace: bytes, pieces: Iterable[Piece], links: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    request = ExportTraceServiceRequest()
    moment = clock.system()
    by_service: dict[str, Any] = {}
    for i, (span_id, parent, service, kind) in enumerate(pieces):
        scope = by_service.get(service)
        if scope is None:
            group = request.resource_spans.add()
            put(group.resource.attributes, {"service.name": service})
            scope = by_service[service] = group.scope_spans.add()
        span = scope.spans.add(
            trace_id=trace,
            span_id=span_id,
            parent_span_id=parent,
            name=f"op{i % 7}",
            kind=kind,
            start_time_unix_nano=moment - 50_000_000 + i,
            end_time_unix_nano=moment + i,
        )
        for linked, linked_span in links:
            span.links.add(trace_id=linked, span_id=linked_span)
    return bytes(request.SerializeToString())


def _id(number: int) -> bytes:
    return (number + 1).to_bytes(8, "big")


def _send(up: Product, body: bytes, path: str = "traces") -> None:
    up.wait_for(lambda: up.export(body, path).status in {200, 400, 413}, 60, "not answered")


def _closes_afterwards(up: Product) -> float:
    """Seconds until a trace sent now is closed and stored; the process must be the same."""
    pid, started = up.pid, time.monotonic()
    trace = os.urandom(16)
    _send(up, spans("honest", 1, trace=trace))
    up.wait_for(lambda: up.find("trace", f"trace_id:{trace.hex()}"), SLOWEST, "a trace of now is not closed any more")
    must(up.pid == pid, "the process was ended")
    return time.monotonic() - started


def _each(up: Product, shapes: dict[str, bytes]) -> str:
    slowest = (0.0, "")
    with up.cost() as cost:
        for name, body in shapes.items():
            _send(up, body)
            slowest = max(slowest, (_closes_afterwards(up), name))
    return f"{len(shapes)} shapes, the next trace at latest after {slowest[0]:.0f} s ({slowest[1]}), {cost}"


def no_shape_of_a_trace_stops_the_others(bench: Bench) -> str:
    """Parents in a circle, a span its own parent, chains of 5,000, 5,000 children, one id 5,000 times, all ids alike."""
    own = bench.up
    services = ("a", "b", "c")
    return _each(
        own,
        {
            "own parent": _trace(os.urandom(16), [(_id(0), _id(0), "a", 2)]),
            "circle of two": _trace(os.urandom(16), [(_id(0), _id(1), "a", 2), (_id(1), _id(0), "b", 3)]),
            "circle of 1000": _trace(
                os.urandom(16), [(_id(i), _id((i + 1) % 1000), services[i % 3], 2 + i % 2) for i in range(1000)]
            ),
            "circle below a root": _trace(
                os.urandom(16),
                [(_id(0), b"", "a", 2), (_id(1), _id(2), "b", 3), (_id(2), _id(1), "c", 2), (_id(3), _id(0), "b", 3)],
            ),
            "chain": _trace(
                os.urandom(16), [(_id(i), _id(i - 1) if i else b"", services[i % 3], 2 + i % 2) for i in range(5000)]
            ),
            "chain backwards": _trace(
                os.urandom(16), [(_id(i), _id(i + 1) if i < 4999 else b"", services[i % 3], 2 + i % 2) for i in range(5000)]
            ),
            "children": _trace(
                os.urandom(16), [(_id(i), _id(0) if i else b"", services[i % 3], 2 + i % 2) for i in range(5000)]
            ),
            "one id": _trace(os.urandom(16), [(_id(0), b"", services[i % 3], i % 6) for i in range(5000)]),
            "roots": _trace(os.urandom(16), [(_id(i), b"", "a", 2) for i in range(5000)]),
            "parents that never come": _trace(os.urandom(16), [(_id(i), _id(10**6 + i), "a", 2) for i in range(5000)]),
        },
    )


def no_link_between_traces_stops_the_others(bench: Bench) -> str:
    """Links to oneself, in circles between traces, to 1,000 traces that never come, and 2,000 links on one span."""
    up = bench.up
    one, two = os.urandom(16), os.urandom(16)
    return _each(
        up,
        {
            "to itself": _trace(one, [(_id(0), b"", "a", 5)], [(one, _id(0))]),
            "there": _trace(two, [(_id(1), b"", "b", 5)], [(one, _id(0)), (two, _id(1))]),
            "and back": _trace(one, [(_id(2), b"", "a", 5)], [(two, _id(1))]),
            "into nothing": _trace(
                os.urandom(16), [(_id(0), b"", "a", 5)], [(os.urandom(16), os.urandom(8)) for _ in range(1000)]
            ),
            "many of one": _trace(os.urandom(16), [(_id(0), b"", "a", 5)], [(one, _id(0))] * 2000),
            "on each of many": _trace(os.urandom(16), [(_id(i), b"", "a", 5) for i in range(300)], [(one, _id(0))] * 20),
        },
    )


def no_name_of_any_size_or_type_stops_the_others(bench: Bench) -> str:
    """Service, namespace, environment, instance, scope and log bodies as maps, lists, bytes, empty, and of 500 kB."""
    up = bench.up
    long = "x" * 500_000
    shapes = {}
    for name in (
        "service.name", "service.namespace", "service.instance.id", "service.version", "host.name", "k8s.pod.name",
        "deployment.environment.name", "telemetry.sdk.language", "peer.service", "http.route", "db.system.name",
        "exception.stacktrace",
    ):  # fmt: skip
        for i, item in enumerate(({"a": 1}, ["a", {"b": 2}], b"\xff\x00", "", 7, -1.5, True, long, "a\nb\0c", "\u202e" * 50)):
            trace = os.urandom(16)
            shapes[f"{name} {i}"] = spans("odd", 1, trace=trace, resource={name: item}) + spans(
                "odd", 1, trace=trace, attributes=partial(one, name, item)
            )
    with up.cost() as cost:
        for body in shapes.values():
            _send(up, body)
        for body_ in ({"a": 1}, ["a"], b"\xff", "", 7, long, "a\n" * 10_000, "0x" * 5000, "1.1.1." * 2000):
            _send(up, logs("odd", 3, body_), "logs")
        seconds = _closes_afterwards(up)
    for path in ("/", "/map", "/traces", "/api/v1/map", "/api/v1/services", "/api/v1/service-map"):
        must(up.get(path, headers=up.authorised).status == 200, f"{path} is not shown any more")
    return f"{len(shapes)} names, the next trace after {seconds:.0f} s, {cost}"


def ten_thousand_environments_stay_within_bounds(bench: Bench) -> str:
    """10,000 values of deployment.environment.name, and as many of service.namespace."""
    with bench.product() as own:
        for begin in range(0, 10_000, 1000):
            request = ExportTraceServiceRequest()
            for i in range(begin, begin + 1000):
                named = {"deployment.environment.name": f"env-{i}", "service.namespace": f"ns-{i}"}
                request.MergeFromString(spans("one", 1, resource=named))
            _send(own, request.SerializeToString())
        seconds = _closes_afterwards(own)
        page = len(own.get("/metrics", headers=own.authorised).body)
        memory = own.memory("VmHWM")
        must(memory < 1500 and page < 4 << 20, f"{memory} MiB, /metrics {page >> 10} KiB")
    return f"the next trace after {seconds:.0f} s, peak {memory} MiB, /metrics {page >> 10} KiB"


def no_metric_of_any_shape_stops_the_others(bench: Bench) -> str:
    """1,000 attributes on a point, 10,000 buckets, names of 100 kB, bounds of NaN, counts that do not add up."""
    up = bench.up
    moment = clock.system()
    statuses = []
    for build in (_wide, _buckets, _long_name, _nan_bounds, _uneven, _no_data):
        request = ExportMetricsServiceRequest()
        group = request.resource_metrics.add()
        put(group.resource.attributes, {"service.name": "odd"})
        build(group.scope_metrics.add(), moment)
        statuses.append(up.export(request.SerializeToString(), "metrics").status)
    must(all(200 <= status < 500 for status in statuses), f"{statuses}")
    return f"{statuses}, the next trace after {_closes_afterwards(up):.0f} s"


def _wide(scope: Any, moment: int) -> None:
    point = scope.metrics.add(name="wide").gauge.data_points.add(time_unix_nano=moment, as_double=1)
    put(point.attributes, {f"a{i}": "v" * 50 for i in range(1000)})


def _buckets(scope: Any, moment: int) -> None:
    histogram = scope.metrics.add(name="buckets").histogram
    histogram.aggregation_temporality = 2
    bounds = [float(i) for i in range(9_999)]
    histogram.data_points.add(time_unix_nano=moment, count=10_000, bucket_counts=[1] * 10_000, explicit_bounds=bounds)


def _long_name(scope: Any, moment: int) -> None:
    scope.metrics.add(name="n" * 100_000, unit="u" * 100_000).gauge.data_points.add(time_unix_nano=moment, as_double=1)


def _nan_bounds(scope: Any, moment: int) -> None:
    histogram = scope.metrics.add(name="nan").histogram
    histogram.aggregation_temporality = 2
    nan = float("nan")
    histogram.data_points.add(time_unix_nano=moment, count=3, bucket_counts=[1, 1, 1], explicit_bounds=[nan, nan])


def _uneven(scope: Any, moment: int) -> None:
    histogram = scope.metrics.add(name="uneven").histogram
    histogram.aggregation_temporality = 2
    histogram.data_points.add(
        time_unix_nano=moment, count=3, sum=-5, min=9, max=-9, bucket_counts=[2**63, 2**63], explicit_bounds=[0]
    )


def _no_data(scope: Any, _: int) -> None:
    scope.metrics.add()
    scope.metrics.add(name="nothing")
    scope.metrics.add(name="empty").sum.SetInParent()


LINES = (
    Line("shapes", no_shape_of_a_trace_stops_the_others),
    Line("shapes", no_link_between_traces_stops_the_others),
    Line("shapes", no_name_of_any_size_or_type_stops_the_others),
    Line("shapes", ten_thousand_environments_stay_within_bounds),
    Line("shapes", no_metric_of_any_shape_stops_the_others),
)
