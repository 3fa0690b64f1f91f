"""HTTP/1.1 as no client should write it, and pages and sessions by the thousand."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from typing import TYPE_CHECKING

from tests.attack.line import Line, must
from tests.attack.telemetry import spans

if TYPE_CHECKING:
    from tests.attack.bench import Bench
    from tests.attack.target import Product

PLAIN = b"content-type: application/x-protobuf\r\n"


def _answer(port: int, data: bytes, seconds: float = 15) -> bytes:
    """What comes back until the other side closes, or nothing more comes."""
    found = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(data)
        connection.settimeout(2)
        while len(found) < 1 << 20 and (more := connection.recv(65536)):
            found += more
    return found


def _serves(up: Product) -> None:
    must(up.export(spans("honest"), timeout=30).status == 200, "an honest export is not accepted")
    must(up.get("/healthz").status == 200, "the console does not answer")


def no_odd_request_is_taken_for_another(bench: Bench) -> str:
    """Two lengths, a length beside chunks, negative and huge ones, bare line ends, nulls, HTTP/2 and TLS on a plain port."""
    up = bench.up
    path = b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\n" + PLAIN
    secret = b"GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    asks = {
        "two lengths": path + b"content-length: 0\r\ncontent-length: %d\r\n\r\n" % len(secret) + secret,
        "length and chunks": path + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + secret,
        "chunks twice": path + b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "odd encoding": path + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "negative": path + b"content-length: -1\r\n\r\n",
        "plus": path + b"content-length: +5\r\n\r\nabcde",
        "huge": path + b"content-length: 99999999999999999999999\r\n\r\n",
        "chunk size": path + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nx",
        "chunk extension": path + b"transfer-encoding: chunked\r\n\r\n1;" + b"a" * 100_000 + b"\r\nx\r\n0\r\n\r\n",
        "trailer": path + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * 20_000 + b"\r\n",
        "line ends": path.replace(b"\r\n", b"\n") + b"content-length: 0\n\n",
        "null": b"GET /healthz\0 HTTP/1.1\r\nHost: 127.0.0.1\r\nx\0y: z\r\n\r\n",
        "0.9": b"GET /healthz\r\n",
        "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
        "two hosts": b"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        "method": b"A" * 70_000 + b" / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 9,
        "TLS": bytes.fromhex("16030100c8010000c40303") + b"\0" * 200,
        "websocket": b"GET /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        "connect": b"CONNECT 127.0.0.1:9 HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n",
        "expect": path + b"content-length: 5\r\nexpect: 200-maybe\r\n\r\n",
    }
    taken = []
    with up.cost() as cost:
        for name, data in asks.items():
            for port in (up.http, up.console):
                found = _answer(port, data)
                statuses = [line.split(b" ")[1] for line in found.split(b"\r\n") if line.startswith(b"HTTP/1")]
                if b"101" in statuses or (name in {"two lengths", "length and chunks"} and len(statuses) > 1):
                    taken.append((name, statuses))
                must(not any(status.startswith(b"5") and status != b"505" for status in statuses), f"{name}: {statuses}")
    _serves(up)
    must(not taken, f"{taken}")
    return f"{len(asks)} requests on two ports, {cost}"


def a_body_in_the_smallest_pieces_costs_little(bench: Bench) -> str:
    """300,000 chunks of one byte each, over HTTP; and 1,000 requests in one piece."""
    up = bench.up
    head = b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n" + PLAIN + b"\r\n"
    with up.cost() as cost:
        started = time.monotonic()
        found = _answer(up.http, head + b"1\r\na\r\n" * 300_000 + b"0\r\n\r\n", 60)
        many = _answer(up.console, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 1000, 60)
        slowest = up.get("/healthz", timeout=60).seconds
        seconds = time.monotonic() - started
    _serves(up)
    must(cost.cpu < 15 and cost.grown_mib < 300, f"{cost}")
    answers = f"{found[9:12].decode() or 'closed'}, {many.count(b'HTTP/1.1 ')} answers in a row"
    return f"{answers}, {seconds:.0f} s, /healthz then {slowest:.1f} s, {cost}"


def pages_asked_for_by_the_thousand_hold_little_memory(bench: Bench) -> str:
    """600 pages of the console, and 150 of the questions that each asks."""
    up = bench.up
    with up.cost() as cost:
        connection = http.client.HTTPConnection("127.0.0.1", up.console, timeout=60)
        statuses: dict[int, int] = {}
        for path, count in (
            ("/", 300),
            ("/map", 150),
            ("/traces", 150),
            ("/api/v1/environments", 150),
        ):
            for _ in range(count):
                connection.request("GET", path)
                response = connection.getresponse()
                response.read()
                statuses[response.status] = statuses.get(response.status, 0) + 1
                if response.will_close:
                    connection.close()
        connection.close()
    _serves(up)
    must(cost.grown_mib < 400, f"{statuses} {cost}")
    return f"{statuses}, {cost}"


LINES = (
    Line("http1", no_odd_request_is_taken_for_another),
    Line("http1", a_body_in_the_smallest_pieces_costs_little),
    Line("http1", pages_asked_for_by_the_thousand_hold_little_memory),
)
