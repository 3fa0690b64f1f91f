"""The deployment on Kafka and Elasticsearch: records that nobody should write, and documents that do not fit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2

from tests.attack.cluster_target import STORED_SECONDS, export, producer, restarts, stored, tail, traces_closed
from tests.attack.line import Line, must
from tests.attack.telemetry import gauge, logs, one, spans
from tests.attack.values import metrics_at_the_ends

if TYPE_CHECKING:
    from tests.attack.bench import Bench
    from tests.attack.target import Product

DEFAULT_PORT = 8080
BATCH = "spanloom.batch"
UNREADABLE: tuple[tuple[str, bytes, bytes | None], ...] = (
    ("spanloom-traced", b"spans", b"\xff" * 50),
    ("spanloom-traced", b"no-such-batch", b"x"),
    ("spanloom-traced", b"", b"x"),
    ("spanloom-traced", b"log-references", b"[[1,2,3]]"),
    ("spanloom-traced", b"receipts", b"null"),
    ("spanloom-traced", b"origins", b'[["zz"]]'),
    ("spanloom-traced", b"spans", None),
    ("spanloom-series", b"points", b'{"series":[],"points":[[5,1,1]]}'),
    ("spanloom-series", b"edges", b'[{"window":"x"}]'),
    ("spanloom-series", b"logs", b"[[null]]"),
    ("spanloom-series", b"spans", b"\x0a\xff"),
    ("spanloom-series", b"\xff\xfe", b"x"),
    ("spanloom-signals", b"anomalies", b'[{"id":1}]'),
    ("spanloom-signals", b"answers", b"[{}]"),
    ("spanloom-signals", b"edges", b"[[]]"),
    ("spanloom-signals", b"points", b""),
)


def records_with_holes_before_them_are_read(bench: Bench) -> str:
    """Transactions on each partition of otlp_spans: a marker's hole, and three records behind it in one fetch."""
    cluster = bench.cluster
    traces = [os.urandom(16) for _ in range(4 * 4)]

    async def produce() -> None:
        for partition in range(4):
            own = traces[partition * 4 : partition * 4 + 4]
            transactional = producer(cluster, transactional_id=f"attack-{partition}-{os.getpid()}")
            async with transactional, transactional.transaction():
                await transactional.send_and_wait("otlp_spans", spans("hole", 1, trace=own[0]), partition=partition)
            async with producer(cluster, linger_ms=200) as plain:
                sent = [await plain.send("otlp_spans", spans("hole", 1, trace=trace), partition=partition) for trace in own[1:]]
                await asyncio.gather(*sent)

    asyncio.run(produce())
    seconds = stored(cluster, traces)
    return f"{len(traces)} traces on 4 partitions stored after {seconds:.0f} s"


def an_unreadable_record_between_stages_is_a_dead_letter(bench: Bench) -> str:
    """Sixteen records on the topics between stages that no stage of ours could have written."""
    cluster = bench.cluster
    before = restarts(cluster)

    async def produce() -> None:
        async with producer(cluster) as sender:
            for topic, batch, value in UNREADABLE:
                headers = [(BATCH, batch)] if batch else []
                await sender.send_and_wait(topic, value, key=b"attack", partition=0, headers=headers)

    asyncio.run(produce())
    trace = [os.urandom(16) for _ in range(8)]
    export(cluster, b"".join(spans("after", 1, trace=each) for each in trace))
    seconds = stored(cluster, trace)
    traces_closed(cluster, trace)
    must(restarts(cluster) == before, f"a worker was started again {restarts(cluster) - before} times")
    return f"{len(UNREADABLE)} records; traces behind them stored after {seconds:.0f} s, no worker ended"


def a_record_of_odd_bytes_on_an_open_topic_is_a_dead_letter(bench: Bench) -> str:
    """Random bytes, nothing, nulls and headers of odd encodings on the topics that anyone may write."""
    cluster = bench.cluster
    before = restarts(cluster)

    async def produce() -> None:
        async with producer(cluster) as sender:
            for topic in ("otlp_spans", "otlp_logs", "otlp_metrics", "jaeger_spans", "zipkin_spans"):
                for value in (None, b"", b"\xff" * 100, b"{", b"[[]]", b"null", b"\x0a\x02\x12\x00"):
                    for headers in (
                        [],
                        [("content-type", b"application/json")],
                        [("spanloom.sender", b"\xff\x00")],
                        [("x", None)],
                    ):
                        await sender.send(topic, value, key=b"attack", headers=headers)
            await sender.flush()

    asyncio.run(produce())
    trace = [os.urandom(16) for _ in range(4)]
    export(cluster, b"".join(spans("after", 1, trace=each) for each in trace))
    seconds = stored(cluster, trace)
    must(restarts(cluster) == before, "a worker was started again")
    return f"140 records; the next spans stored after {seconds:.0f} s"


def one_services_attributes_refuse_no_other_services_documents(bench: Bench) -> str:
    """Maps, lists, numbers, empty and dotted names for one key, then plain values of it from another service."""
    cluster = bench.cluster
    values: tuple[Any, ...] = (
        {"a": {"b": 1}},
        "text",
        1,
        1.5,
        True,
        ["a", 1],
        [{"x": 1}],
        b"\x00\xff",
        "",
        2**63 - 1,
        {"": "x"},
    )
    traces = []
    for i, first in enumerate(values):
        for second in values:
            trace = os.urandom(16)
            traces.append(trace)
            key = f"clash{i}"
            left = spans("first", 1, trace=trace, attributes=partial(one, key, first), resource={f"r{key}": first})
            right = spans("second", 1, trace=trace, attributes=partial(one, key, second), resource={f"r{key}": second})
            export(cluster, left + right)
    for key in ("", ".", "a.", ".a", "a..b", "_id", "@timestamp", "x" * 3000, "body", "attributes"):
        trace = os.urandom(16)
        traces.append(trace)
        export(cluster, spans("names", 1, trace=trace, attributes=partial(one, key, "v"), resource={key: "v"}))
    for body in values:
        export(cluster, logs("bodies", 1, body), "logs")
    seconds = stored(cluster, traces)
    return f"{len(traces)} traces of clashing attributes, all stored after {seconds:.0f} s"


def no_number_is_too_large_for_elasticsearch(bench: Bench) -> str:
    """Metric values at both ends of 64 bits and of doubles, of every type, then an ordinary one."""
    cluster = bench.cluster
    for body in metrics_at_the_ends():
        export(cluster, body, "metrics")
    name = f"honest_{os.urandom(4).hex()}"
    export(cluster, gauge(name, {name: 1.5}), "metrics")
    started = time.monotonic()
    url = f"http://127.0.0.1:{cluster.elasticsearch.port}/metrics-*/_search?ignore_unavailable=true&q=resource.attributes.service.name:{name}"
    while not httpx2.get(url, timeout=30).json().get("hits", {}).get("hits"):
        must(time.monotonic() - started < STORED_SECONDS, f"an ordinary metric is not stored: {tail(cluster)}")
        httpx2.post(f"http://127.0.0.1:{cluster.elasticsearch.port}/_refresh", timeout=30)
        time.sleep(0.5)
    return f"the ordinary metric stored after {time.monotonic() - started:.0f} s"


def new_attribute_names_stop_nobody_else_on_elasticsearch(bench: Bench) -> str:
    """1,500 spans with three attribute names each that nobody had before, then an honest span."""
    cluster = bench.cluster
    for begin in range(0, 1500, 100):
        export(cluster, spans("names", 100, attributes=partial(_new_names, begin)))
    trace = [os.urandom(16)]
    export(cluster, spans("honest", 1, trace=trace[0]))
    seconds = stored(cluster, trace)
    must(seconds < 30, f"the honest span was stored after {seconds:.0f} s")
    return f"the honest span stored after {seconds:.0f} s"


def workers_on_one_host_do_not_fight_for_a_port(bench: Bench) -> str:
    """Two workers whose health port is the default one, which another process has: each says which it has instead."""
    cluster = bench.cluster
    first, second = bench.product("worker"), bench.product("worker")
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # somebody has it already
            stack.enter_context(socket.create_server(("127.0.0.1", DEFAULT_PORT)))
        for worker in (first, second):
            worker.environment.update(cluster.settings)
            del worker.environment["SPANLOOM_CONSOLE"]
            worker.start()
        ports = [
            int(worker.wait_for(partial(_own_port, worker), 120, "it does not say which port it has")[1])
            for worker in (first, second)
        ]
        for worker, port in zip((first, second), ports, strict=True):
            must(worker.get("/healthz", port=port).status == 200, f"no health at the port that it names: {port}")
            must("restarting" not in worker.log, f"it was started again: {worker.log[-300:]}")
            worker.stop()
    must(len({*ports, DEFAULT_PORT}) == 3, f"ports {ports}")
    return f"ports {ports} instead of {DEFAULT_PORT}, neither was started again"


def _own_port(worker: Product) -> re.Match[str] | None:
    return re.search(r"ready .*http=http://127\.0\.0\.1:(\d+)", worker.log)


def _new_names(begin: int, i: int) -> dict[str, str]:
    return {f"name{begin + i}.{k}": "v" for k in range(3)}


LINES = (
    Line("distributed", records_with_holes_before_them_are_read),
    Line("distributed", an_unreadable_record_between_stages_is_a_dead_letter),
    Line("distributed", a_record_of_odd_bytes_on_an_open_topic_is_a_dead_letter),
    Line("distributed", one_services_attributes_refuse_no_other_services_documents),
    Line("distributed", no_number_is_too_large_for_elasticsearch),
    Line("distributed", new_attribute_names_stop_nobody_else_on_elasticsearch),
    Line("distributed", workers_on_one_host_do_not_fight_for_a_port),
)
