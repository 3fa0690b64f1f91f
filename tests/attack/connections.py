"""Connections held open, slow, and by the thousand. Attackers come from 127.0.0.2 and above, honest senders from 127.0.0.1."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from typing import TYPE_CHECKING

from tests.attack.grpc_client import export as grpc_export
from tests.attack.line import Line, must
from tests.attack.telemetry import spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.attack.bench import Bench
    from tests.attack.target import Product

FILES = 1024
CUT_OFF_SECONDS = 30.0
"""In which a connection that breaks a bound must end: what refuses it reads on for a second, so that the answer arrives."""
HONEST_SECONDS = 15.0
"""In which an honest request must be answered while an attack goes on: on two busy cores it takes up to 5."""


@contextlib.contextmanager
def held(port: int, count: int, first: bytes = b"", addresses: int = 1) -> Iterator[list[socket.socket]]:
    """So many connections, each with its first bytes sent; closed at the end. Those that are refused are left out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    opened: list[socket.socket] = []
    try:
        for i in range(count):
            made = socket.socket()
            made.settimeout(5)
            try:
                made.bind((f"127.0.0.{2 + i % addresses}", 0))
                made.connect(("127.0.0.1", port))
                if first:
                    made.sendall(first)
            except OSError:
                made.close()
                continue
            opened.append(made)
        yield opened
    finally:
        for each in opened:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _honest(up: Product) -> dict[str, float]:
    """Seconds of an export over HTTP and over gRPC and of a look at the console; all must succeed."""
    body = spans("honest")
    found = {}
    asks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("http", lambda: up.export(body, timeout=HONEST_SECONDS).status == 200),
        ("grpc", lambda: grpc_export(up.grpc, body, timeout=HONEST_SECONDS) == "OK"),
        ("console", lambda: up.get("/healthz", timeout=HONEST_SECONDS).status == 200),
    )
    for name, ask in asks:
        started = time.monotonic()
        # What is refused with "try again" may be tried again: a sender does.
        while not ask():
            must(time.monotonic() - started < HONEST_SECONDS, f"an honest sender was not served over {name}")
            time.sleep(0.5)
        found[name] = round(time.monotonic() - started, 1)
    return found


def eleven_hundred_silent_connections_end_nothing(bench: Bench) -> str:
    """1,100 connections that send nothing, on each port in turn, at a limit of 1,024 open files."""
    slowest: dict[str, float] = {}
    with bench.product(files=FILES) as own:
        pid = own.pid
        for port in (own.http, own.grpc, own.console):
            with held(port, 1100, addresses=5) as opened:
                time.sleep(2)
                for name, seconds in _honest(own).items():
                    slowest[name] = max(seconds, slowest.get(name, 0))
                count = len(opened)
        _honest(own)
        must(own.pid == pid, "the process was ended")
        must("Too many open files" not in own.log or own.pid == pid, "it ran out of files")
    return f"{count} opened; slowest answers {slowest} s"


def silent_connections_of_one_address_leave_room_for_others(bench: Bench) -> str:
    """600 half-sent headers from one address on OTLP/HTTP."""
    up = bench.up
    with up.cost() as cost, held(up.http, 600, b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n") as opened:
        time.sleep(1)
        seconds = _honest(up)
        alive = sum(_is_open(each) for each in opened)
    return f"{alive} of 600 kept, honest {seconds} s, {cost}"


def slow_bodies_take_no_room_of_honest_senders(bench: Bench) -> str:
    """3,000 requests that announce 8 MB and send three bytes, from 50 addresses."""
    up = bench.up
    head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 8000000\r\n\r\nabc"
    with up.cost() as cost, held(up.http, 3000, head, addresses=50) as opened:
        seconds = _honest(up)
        time.sleep(25)
        alive = sum(_is_open(each) for each in opened)
        must(alive < len(opened) / 10, f"{alive} of {len(opened)} slow bodies are still waited for")
        seconds = {name: max(value, seconds[name]) for name, value in _honest(up).items()}
    return f"{len(opened)} sent, {alive} left after 25 s, honest {seconds} s, {cost}"


def a_header_without_end_is_cut_off(bench: Bench) -> str:
    """Headers that go on until the connection ends, on both HTTP ports."""
    up = bench.up
    sent = []
    with up.cost() as cost:
        for port in (up.http, up.console):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
                size, until = 0, time.monotonic() + CUT_OFF_SECONDS
                with contextlib.suppress(OSError):
                    while True:
                        must(time.monotonic() < until, f"a header of {size >> 20} MiB is still read")
                        connection.sendall(b"x-a: " + b"b" * 16_000 + b"\r\n")
                        size += 16_000
                sent.append(size)
        _honest(up)
    must(cost.grown_mib < 100 and cost.cpu < 10, f"{cost}")
    return f"cut off after {[f'{size >> 20} MiB' for size in sent]}, {cost}"


def who_reads_no_answer_holds_no_memory(bench: Bench) -> str:
    """50 connections that ask for /metrics 200 times each and read nothing."""
    up = bench.up
    ask = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 200
    with up.cost() as cost, held(up.console, 50, ask):
        time.sleep(3)
        _honest(up)
    must(cost.grown_mib < 300, f"{cost}")
    return str(cost)


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while connection.recv(4096):
            pass  # an answer that was sent before it was closed
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


LINES = (
    Line("connections", eleven_hundred_silent_connections_end_nothing),
    Line("connections", silent_connections_of_one_address_leave_room_for_others, quick=True),
    Line("connections", slow_bodies_take_no_room_of_honest_senders),
    Line("connections", a_header_without_end_is_cut_off, quick=True),
    Line("connections", who_reads_no_answer_holds_no_memory),
)
