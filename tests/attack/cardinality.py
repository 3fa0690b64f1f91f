"""One sender's many names: services, operations, instances, attributes, metrics."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.assembling.config import AssembleConfig
from tests.attack.line import Line, must
from tests.attack.telemetry import gauge, spans

if TYPE_CHECKING:
    from tests.attack.bench import Bench
    from tests.attack.target import Product

PAGE_BYTES = 256 * AssembleConfig().max_metric_samples
"""The largest page of own metrics: of rates and durations it is said to have so many samples of about 230 bytes."""


def _send(own: Product, body: bytes, path: str = "traces") -> None:
    own.wait_for(lambda: own.export(body, path).status == 200, 120, "not accepted within two minutes")


def _bounded(own: Product, most_mib: int) -> str:
    trace = os.urandom(16)
    started = time.monotonic()
    _send(own, spans("honest", 1, trace=trace))
    own.wait_for(lambda: own.find("span", f"trace_id:{trace.hex()}"), 180, "an honest span is not stored")
    seconds = time.monotonic() - started
    page = own.get("/metrics", headers=own.authorised, timeout=60)
    must(page.status == 200 and len(page.body) < PAGE_BYTES, f"/metrics has {len(page.body) >> 10} KiB")
    memory = own.memory("VmHWM")
    must(memory < most_mib, f"{memory} MiB at its peak")
    return f"/metrics {len(page.body) >> 10} KiB, peak {memory} MiB, honest span after {seconds:.0f} s"


def _same(word: str, _: int) -> str:
    return word


def forty_thousand_services_stay_within_bounds(bench: Bench) -> str:
    """40,000 services of one span each."""
    with bench.product() as own:
        for begin in range(0, 40_000, 2000):
            request = ExportTraceServiceRequest()
            for i in range(begin, begin + 2000):
                request.MergeFromString(spans(f"service-{i}"))
            _send(own, request.SerializeToString())
        return _bounded(own, 2000)


def forty_thousand_operations_and_instances_stay_within_bounds(bench: Bench) -> str:
    """40,000 span names without an id in them, of 40,000 instances."""
    with bench.product() as own:
        for begin in range(0, 40_000, 2000):
            request = ExportTraceServiceRequest()
            for i in range(begin, begin + 2000):
                word = "".join(chr(97 + int(digit)) for digit in f"{i:05}")
                request.MergeFromString(spans("one", name=partial(_same, word), resource={"service.instance.id": f"i-{i}"}))
            _send(own, request.SerializeToString())
        return _bounded(own, 2000)


def forty_thousand_series_stay_within_bounds(bench: Bench) -> str:
    """40,000 metric names, and as many values of one attribute."""
    with bench.product() as own:
        for begin in range(0, 40_000, 2000):
            _send(own, gauge("one", {f"metric_{i}": 1.0 for i in range(begin, begin + 2000)}), "metrics")
        return _bounded(own, 2000)


def new_attribute_names_stop_nobody_else(bench: Bench) -> str:
    """1,500 spans with three attribute names each that nobody had before, then an honest span."""
    up = bench.up
    with up.cost() as cost:
        _send(up, spans("names", 1500, attributes=lambda i: {f"name{i}.{k}": "v" for k in range(3)}))
        said = _bounded(up, 4000)
    found = up.find("span", "resource.attributes.service.name:names", limit=10)
    must(found and any("name" in str(body) for body in found), "the attributes are not shown any more")
    return f"{said}, {cost}"


LINES = (
    Line("cardinality", forty_thousand_services_stay_within_bounds),
    Line("cardinality", forty_thousand_operations_and_instances_stay_within_bounds),
    Line("cardinality", forty_thousand_series_stay_within_bounds),
    Line("cardinality", new_attribute_names_stop_nobody_else, quick=True),
)
