"""HTTP/2 abused on OTLP/gRPC, frame by frame."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING

from tests.attack.grpc_client import (
    CONTINUATION,
    DATA,
    HEADERS,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    export,
    frame,
    header,
    request_headers,
)
from tests.attack.line import Line, must
from tests.attack.telemetry import spans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.attack.bench import Bench
    from tests.attack.target import Product


@contextlib.contextmanager
def _connection(up: Product) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", up.grpc), timeout=10) as connection:
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0))
        yield connection


def _sent(connection: socket.socket, pieces: Iterator[bytes]) -> int:
    """How many pieces went out before the other side ended it."""
    count = 0
    with contextlib.suppress(OSError):
        for piece in pieces:
            connection.sendall(piece)
            count += 1
    return count


def _serves(up: Product) -> None:
    must(export(up.grpc, spans("honest"), timeout=30) == "OK", "an honest export over gRPC is not accepted")


def streams_opened_and_reset_cost_little(bench: Bench) -> str:
    """50,000 streams, each reset at once."""
    up = bench.up
    headers = request_headers()
    with up.cost() as cost, _connection(up) as connection:
        count = _sent(
            connection,
            (
                b"".join(
                    frame(HEADERS, 4, 1 + 2 * i, headers) + frame(RESET, 0, 1 + 2 * i, struct.pack(">I", 8))
                    for i in range(n, n + 500)
                )
                for n in range(0, 50_000, 500)
            ),
        )
        _serves(up)
    must(cost.grown_mib < 300, str(cost))
    return f"{count * 500} streams, {cost}"


def headers_without_end_are_cut_off(bench: Bench) -> str:
    """8 MB of headers, and CONTINUATION frames that never end, 64 MB of them."""
    up = bench.up
    with up.cost() as cost:
        with _connection(up) as connection:
            connection.sendall(frame(HEADERS, 0, 1, request_headers()))
            many = _sent(connection, (frame(CONTINUATION, 0, 1, header(b"a%d" % i, b"b" * 8000)) for i in range(8000)))
        _serves(up)
    must(cost.grown_mib < 300, str(cost))
    return f"{many} of 8000 frames, {cost}"


def a_flood_of_pings_costs_little(bench: Bench) -> str:
    """200,000 PING frames and 20,000 SETTINGS."""
    up = bench.up
    with up.cost() as cost, _connection(up) as connection:
        pings = _sent(connection, (frame(PING, 0, 0, b"12345678") * 500 for _ in range(400)))
        settings = _sent(connection, (frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)) * 500 for _ in range(40)))
        _serves(up)
    must(cost.cpu < 20 and cost.grown_mib < 300, str(cost))
    return f"{pings * 500} pings, {settings * 500} settings, {cost}"


def half_messages_on_many_streams_hold_little_memory(bench: Bench) -> str:
    """20 connections of 100 streams, each announcing 8 MiB and sending as much as flow control lets it."""
    up = bench.up
    with contextlib.ExitStack() as stack, up.cost() as cost:
        opened = [stack.enter_context(_connection(up)) for _ in range(20)]
        sent = 0
        for connection in opened:
            connection.settimeout(1)
            with contextlib.suppress(OSError):
                connection.sendall(b"".join(frame(HEADERS, 4, 1 + 2 * i, request_headers()) for i in range(100)))
                begin = b"\0" + struct.pack(">I", 8 << 20)
                for n in range(40):
                    data = b"".join(frame(DATA, 0, 1 + 2 * i, (b"" if n else begin) + b"z" * 600) for i in range(100))
                    connection.sendall(data)
                    sent += len(data)
        _serves(up)
    must(cost.grown_mib < 600, f"{sent >> 20} MB sent: {cost}")
    return f"{sent >> 20} MB sent, {cost}"


LINES = (
    Line("http2", streams_opened_and_reset_cost_little, quick=True),
    Line("http2", headers_without_end_are_cut_off),
    Line("http2", a_flood_of_pings_costs_little),
    Line("http2", half_messages_on_many_streams_hold_little_memory),
)
