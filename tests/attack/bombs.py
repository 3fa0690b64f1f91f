"""Small requests that stand for large work."""

from __future__ import annotations

import json
import threading
import zlib
from typing import TYPE_CHECKING

import cramjam

from tests.attack.grpc_client import export as grpc_export
from tests.attack.line import Line, must
from tests.attack.target import JSON
from tests.attack.telemetry import empty_items, field, packed, spans

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attack.bench import Bench
    from tests.attack.target import Product

SIZE = (16 << 20) - 64
PATHS = {"traces": (1, 2, 2), "logs": (1, 2, 2), "metrics": (1, 2, 2)}
"""From the request to its items: resource, scope, items."""
ELSEWHERE = {
    "resources": ("traces", (1,)),
    "scopes": ("traces", (1, 2)),
    "attributes of a resource": ("traces", (1, 1, 1)),
    "attributes of a span": ("traces", (1, 2, 2, 9)),
    "events": ("traces", (1, 2, 2, 11)),
    "links": ("traces", (1, 2, 2, 13)),
    "values of a log's list": ("logs", (1, 2, 2, 5, 5, 1)),
    "points of a gauge": ("metrics", (1, 2, 2, 5, 1)),
    "points of a summary": ("metrics", (1, 2, 2, 11, 1)),
    "quantiles": ("metrics", (1, 2, 2, 11, 1, 6)),
    "exemplars": ("metrics", (1, 2, 2, 7, 1, 5)),
}
CPU, MEMORY = 2.0, 400
"""What one such request may cost at most: CPU-seconds and MiB, its refusal and the growth of the heap around it."""


def _still_serves(up: Product) -> None:
    must(up.export(spans("honest")).status == 200, "an honest request is not accepted afterwards")


def a_body_of_empty_items_costs_little(bench: Bench) -> str:
    """16 KiB of gzip that hold 16 MiB of empty spans, log records and metrics, over HTTP."""
    up = bench.up
    figures = []
    for signal, path in PATHS.items():
        with up.cost() as cost:
            answer = up.export(packed(empty_items(SIZE, *path)), signal, encoding="gzip", timeout=120)
        figures.append(f"{signal} {answer.status} {cost}")
        must(400 <= answer.status < 500, f"{figures[-1]} {answer.text[:80]}")
        must(cost.cpu < CPU and cost.grown_mib < MEMORY, figures[-1])
    _still_serves(up)
    return "; ".join(figures)


def empty_items_of_any_field_cost_little(bench: Bench) -> str:
    """The same with resources, scopes, attributes, events, links, values, points, quantiles and exemplars."""
    up = bench.up
    worst = (0.0, 0, "")
    for name, (signal, path) in ELSEWHERE.items():
        with up.cost() as cost:
            status = up.export(packed(empty_items(SIZE, *path)), signal, encoding="gzip", timeout=120).status
        must(200 <= status < 500, f"{name}: {status}")
        must(cost.cpu < CPU and cost.grown_mib < MEMORY, f"{name}: {status} {cost}")
        worst = max(worst, (cost.cpu, cost.grown_mib, name))
    _still_serves(up)
    return f"{len(ELSEWHERE)} fields, the worst {worst[2]}: {worst[0]:.1f} CPU-s, +{worst[1]} MiB"


def empty_items_over_grpc_cost_little(bench: Bench) -> str:
    """The same over gRPC, compressed, 16 MiB, which is what it accepts."""
    up = bench.up
    figures = []
    for signal, path in PATHS.items():
        with up.cost() as cost:
            status = grpc_export(up.grpc, empty_items(SIZE, *path), signal, timeout=120, compressed=True)
        figures.append(f"{signal} {status} {cost}")
        must(status in {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}, figures[-1])
        must(cost.cpu < CPU and cost.grown_mib < MEMORY, figures[-1])
    _still_serves(up)
    return "; ".join(figures)


def empty_items_in_json_cost_little(bench: Bench) -> str:
    """16 MiB of `{},` as spans, in JSON, gzip."""
    up = bench.up
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"{}," * (SIZE // 3 - 30) + b"{}]}]}]}"
    with up.cost() as cost:
        answer = up.export(packed(body), kind=JSON, encoding="gzip", timeout=120)
    must(400 <= answer.status < 500, f"{answer.status} {answer.text[:80]}")
    must(cost.cpu < 2 * CPU and cost.grown_mib < 2 * MEMORY, f"{answer.status} {cost}")
    _still_serves(up)
    return f"{answer.status} {cost}"


def seven_at_once_share_one_budget(bench: Bench) -> str:
    """Fourteen such bodies at once, half over HTTP, half over gRPC, while an honest sender goes on."""
    up = bench.up
    bomb, small = packed(empty_items(SIZE, 1, 2, 2)), empty_items(SIZE, 1, 2, 2)
    found: list[object] = []
    asks: list[Callable[[], object]] = [lambda: up.export(bomb, encoding="gzip", timeout=200).status] * 7
    asks += [lambda: grpc_export(up.grpc, small, timeout=200, compressed=True)] * 7
    with up.cost() as cost:
        threads = [threading.Thread(target=lambda ask=ask: found.append(ask())) for ask in asks]
        for thread in threads:
            thread.start()
        slowest = 0.0
        while any(thread.is_alive() for thread in threads):
            slowest = max(slowest, up.get("/healthz", timeout=60).seconds)
        for thread in threads:
            thread.join()
    _still_serves(up)
    must(len(found) == len(asks) and 0 not in found, f"unanswered: {found}")
    must(cost.grown_mib < 3 * MEMORY, str(cost))
    must(slowest < 10, f"/healthz took {slowest:.1f} s meanwhile")
    return f"{sorted(set(map(str, found)))}, {cost}, /healthz at most {slowest:.1f} s"


def gzip_of_zeros_costs_no_more_than_the_limit(bench: Bench) -> str:
    """256 KiB of gzip that hold 256 MiB, gzip in gzip, many members, other encodings."""
    up = bench.up
    stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 24)
    bomb = b"".join(stream.compress(zeros) for _ in range(16)) + stream.flush()
    good = spans("x")
    statuses = {}
    with up.cost() as cost:
        for name, body, encoding in (
            ("zeros", bomb, "gzip"),
            ("gzip in gzip", packed(packed(good)), "gzip"),
            ("two members", packed(good) * 2, "gzip"),
            ("a thousand members", packed(b"") * 100_000, "gzip"),
            ("cut off", packed(good)[:-5], "gzip"),
            ("garbage", b"\x1f\x8b" + b"x" * 99, "gzip"),
            ("no zstd", good, "zstd"),
            ("zeros in zstd", bytes(cramjam.zstd.compress(zeros * 16)), "zstd"),
            ("zeros in snappy", bytes(cramjam.snappy.compress(zeros * 2)), "snappy"),
            ("gzip, gzip", packed(packed(good)), "gzip, gzip"),
        ):
            statuses[name] = up.export(body, encoding=encoding).status
    must(statuses.pop("two members") == 200, "two members of gzip are one body")
    must(all(400 <= status < 500 for status in statuses.values()), f"{statuses}")
    must(cost.cpu < 2 * CPU and cost.grown_mib < MEMORY, str(cost))
    _still_serves(up)
    return f"{sorted(set(statuses.values()))}, {cost}"


def nothing_that_is_nested_deep_costs_much(bench: Bench) -> str:
    """JSON and protobuf nested a thousand to three million deep, on OTLP and on every API that reads a body."""
    up = bench.up
    value = field(1, b"x")
    for _ in range(20_000):
        value = field(5, field(1, value))
    deep = field(1, field(1, field(1, field(1, b"a") + field(2, value))))
    statuses = {}
    with up.cost() as cost:
        statuses["protobuf"] = up.export(deep).status
        for size in (1000, 100_000, 3_000_000):
            statuses[f"json {size}"] = up.export(b'{"resourceSpans":' + b"[" * size, kind=JSON).status
            statuses[f"balanced {size}"] = up.export(b"[" * size + b"]" * size, kind=JSON).status
        for path, kind in (("/api/v2/alerts", "application/json"), ("/api/v1/rules/x", "application/yaml")):
            for body in (b"[" * 200_000, b"[" * 100_000 + b"]" * 100_000, b"- " * 100_000, b"{a: " * 50_000):
                status = up.post(path, body, kind, headers=up.authorised).status
                must(400 <= status < 500, f"{path}: {status}")
    must(all(400 <= status < 500 for status in statuses.values()), f"{statuses}")
    must(cost.grown_mib < MEMORY, str(cost))
    _still_serves(up)
    return f"{len(statuses) + 8} bodies, {cost}"


def one_long_text_costs_no_more_than_its_length(bench: Bench) -> str:
    """A span name, a key, a value and a log line of 7 MB each; JSON numbers of a million digits."""
    up = bench.up
    long = "n" * (7 << 20)
    statuses = {
        "name": up.export(spans("long", name=lambda _: long)).status,
        "key": up.export(spans("long", attributes=lambda _: {long: "x"})).status,
        "value": up.export(spans("long", attributes=lambda _: {"x": long})).status,
        "service": up.export(spans(long)).status,
    }
    number = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":' + b"9" * 1_000_000 + b"}]}]}]}"
    with up.cost() as cost:
        statuses["number"] = up.export(number, kind=JSON).status
        text = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "1" * 1_000_000}]}]}]}).encode()
        statuses["number as text"] = up.export(text, kind=JSON).status
    must(all(200 <= status < 500 for status in statuses.values()), f"{statuses}")
    must(cost.cpu < CPU, str(cost))
    _still_serves(up)
    return f"{statuses}, {cost}"


def a_hundred_full_bodies_at_once_stay_within_the_bound(bench: Bench) -> str:
    """100 valid bodies of 7 MB at once, half of few long values, half of 20,000 small spans, compressed."""
    up = bench.up
    few = spans("few", 7, attributes=lambda _: {"x": "y" * 1_000_000})
    many = packed(spans("many", 20_000, attributes=lambda i: {"i": i, "text": "x" * 250}))
    found: list[tuple[int, bool]] = []

    def send(i: int) -> None:
        answer = up.export(few, timeout=200) if i % 2 else up.export(many, encoding="gzip", timeout=200)
        found.append((answer.status, "retry-after" in answer.headers))

    with up.cost() as cost:
        threads = [threading.Thread(target=send, args=(i,)) for i in range(100)]
        for thread in threads:
            thread.start()
        slowest = 0.0
        while any(thread.is_alive() for thread in threads):
            slowest = max(slowest, up.get("/healthz", timeout=60).seconds)
        for thread in threads:
            thread.join()
    _still_serves(up)
    statuses = {status for status, _ in found}
    must(len(found) == 100 and statuses <= {200, 503}, f"{statuses}")
    must(all(again for status, again in found if status == 503), "refused without Retry-After")
    must(cost.peak_mib < 1400, str(cost))
    must(slowest < 15, f"/healthz took {slowest:.1f} s meanwhile")
    accepted = sum(status == 200 for status, _ in found)
    return f"{accepted} accepted, {100 - accepted} told to try again, /healthz at most {slowest:.1f} s, {cost}"


LINES = (
    Line("bombs", a_body_of_empty_items_costs_little, quick=True),
    Line("bombs", empty_items_of_any_field_cost_little),
    Line("bombs", empty_items_over_grpc_cost_little),
    Line("bombs", empty_items_in_json_cost_little, quick=True),
    Line("bombs", seven_at_once_share_one_budget),
    Line("bombs", a_hundred_full_bodies_at_once_stay_within_the_bound),
    Line("bombs", gzip_of_zeros_costs_no_more_than_the_limit, quick=True),
    Line("bombs", nothing_that_is_nested_deep_costs_much),
    Line("bombs", one_long_text_costs_no_more_than_its_length),
)
