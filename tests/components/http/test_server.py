from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import trustme
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect

from components.http.protocol import HttpLimits
from components.http.server import HttpServer
from components.sockets.connections import ConnectionMetrics
from components.tls import TlsConfig

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.websockets import WebSocket

HEAD = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"


async def echo(request: Request) -> Response:
    return PlainTextResponse(await request.body())


async def subject(request: Request) -> Response:
    return PlainTextResponse(str(getattr(request.state, "tls_subject", None)))


async def large(_: Request) -> Response:
    return PlainTextResponse(b"x" * 50_000_000)


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text.upper())


class Server:
    """A server, and what it counted."""

    def __init__(self, tls: TlsConfig | None = None, max_body_bytes: int | None = None, **limits: Any) -> None:
        self.registry = CollectorRegistry()
        self.let_go = asyncio.Event()
        self.arrived = asyncio.Event()
        app = Starlette(
            routes=[
                Route("/echo", echo, methods=["POST"]),
                Route("/subject", subject),
                Route("/large", large),
                Route("/wait", self.wait),
                WebSocketRoute("/talk", talk),
            ]
        )
        metrics = ConnectionMetrics(self.registry)
        self.server = HttpServer(
            app,
            "test",
            "127.0.0.1",
            0,
            limits=HttpLimits(**limits),
            tls=tls,
            metrics=metrics,
            max_body_bytes=max_body_bytes,
        )

    async def wait(self, _: Request) -> Response:
        self.arrived.set()
        await self.let_go.wait()
        return PlainTextResponse("done")

    def closed(self, reason: str) -> float:
        return self.registry.get_sample_value("spanloom_connections_closed_total", {"port": "test", "reason": reason}) or 0.0

    def open(self) -> float:
        return self.registry.get_sample_value("spanloom_connections", {"port": "test"}) or 0.0

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.server.port)

    async def echoes(self) -> bool:
        async with httpx2.AsyncClient(trust_env=False) as client:
            return (await client.post(f"{self.server.url}/echo", content=b"hello")).text == "hello"


@asynccontextmanager
async def serving(tls: TlsConfig | None = None, **limits: Any) -> AsyncIterator[Server]:
    served = Server(tls, **limits)
    await served.server.start()
    try:
        yield served
    finally:
        served.let_go.set()
        await served.server.stop()


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):  # that is how the server ended it
        await writer.wait_closed()


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - what it waits for is another's state
        await asyncio.sleep(0.01)


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What came until the server ended the connection, which it may do with a reset."""
    came = b""
    with contextlib.suppress(OSError):
        while more := await reader.read(1_000_000):
            came += more
    return came


async def test_silent_connections_make_room_for_those_that_come_after_them() -> None:
    async with serving(max_connections=10) as served, AsyncExitStack() as stack:
        silent = []
        for _ in range(50):
            reader, writer = await served.connect()
            stack.push_async_callback(close, writer)
            silent.append(reader)
        assert await served.echoes()
        assert await ended(silent[0]) == b""
        assert served.closed("evicted") >= 40
        assert served.open() <= 10


@pytest.mark.parametrize("first", [b"", b"POST /echo HTTP/1.1\r\nhost: x\r\n", HEAD + b"abc"], ids=["silent", "header", "body"])
async def test_a_port_full_of_slow_clients_serves_others(first: bytes) -> None:
    async with serving(max_connections=5) as served, AsyncExitStack() as stack:
        for _ in range(20):
            _, writer = await served.connect()
            stack.push_async_callback(close, writer)
            writer.write(first)
        for _ in range(5):
            assert await served.echoes()


async def test_a_request_that_is_being_answered_is_not_ended_to_make_room() -> None:
    async with serving(max_connections=2) as served, AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False))
        asking = asyncio.create_task(client.get(f"{served.server.url}/wait"))
        await served.arrived.wait()
        for _ in range(10):
            _, writer = await served.connect()
            stack.push_async_callback(close, writer)
        assert await served.echoes()
        served.let_go.set()
        assert (await asking).text == "done"


async def test_a_newcomer_is_turned_away_at_once_and_counted_when_all_are_being_answered() -> None:
    async with serving(max_connections=1) as served, AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False))
        asking = asyncio.create_task(client.get(f"{served.server.url}/wait"))
        await served.arrived.wait()
        reader, writer = await served.connect()
        stack.push_async_callback(close, writer)
        assert await ended(reader) == b""
        assert served.closed("address_full") == 1
        served.let_go.set()
        assert (await asking).text == "done"
    assert served.open() == 0


async def test_one_address_may_not_have_all_connections() -> None:
    async with serving(max_connections=10, max_connections_per_address=2) as served, AsyncExitStack() as stack:
        readers = []
        for _ in range(3):
            reader, writer = await served.connect()
            stack.push_async_callback(close, writer)
            readers.append(reader)
        assert await ended(readers[0]) == b""
        assert served.open() <= 2


@pytest.mark.parametrize("sent", [b"", b"POST /echo HT"], ids=["silent", "half a line"])
async def test_a_header_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    async with serving(header_seconds=0.1) as served:
        reader, writer = await served.connect()
        writer.write(sent)
        answer = await reader.read()
        assert answer == b"" if not sent else b" 408 " in answer.partition(b"\r\n")[0]
        assert served.closed("slow_header") == 1
        await close(writer)


async def test_a_second_request_whose_header_does_not_come_ends_the_connection() -> None:
    async with serving(header_seconds=0.1) as served:
        reader, writer = await served.connect()
        writer.write(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhiPOST ")
        answer = await reader.read()
        assert b"200 OK" in answer
        assert served.closed("slow_header") == 1
        await close(writer)


async def test_a_connection_that_has_nothing_more_to_say_is_closed() -> None:
    async with serving(idle_seconds=1, header_seconds=0.1) as served:
        reader, writer = await served.connect()
        writer.write(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi")
        assert b"200 OK" in await reader.read()
        assert served.closed("slow_header") == 0
        await close(writer)


async def test_a_body_slower_than_the_least_rate_ends_the_connection() -> None:
    async with serving(min_body_rate=100, body_window_seconds=0.2) as served:
        reader, writer = await served.connect()
        writer.write(HEAD)

        async def trickle() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        await ended(reader)
        trickling.cancel()
        assert served.closed("slow_body") == 1
        await close(writer)


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 500,
        b"GET / HTTP/1.1\r\nx: " + b"y" * 3000,
        b"GET /" + b"y" * 3000,
        b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 500,
    ],
    ids=["many", "one header", "target", "trailer"],
)
async def test_a_header_larger_than_the_limit_is_refused(head: bytes) -> None:
    async with serving(max_header_bytes=1024) as served:
        reader, writer = await served.connect()
        writer.write(head)
        assert b" 431 " in (await reader.read()).partition(b"\r\n")[0]
        assert served.closed("large_header") == 1
        await close(writer)
        assert await served.echoes()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_larger_than_the_limit_is_refused(chunked: bool) -> None:  # noqa: FBT001
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    async with serving(max_body_bytes=1000) as served:
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{served.server.url}/echo", content=chunks() if chunked else b"x" * 1001)
            assert answer.status_code == 413
        assert served.closed("large_body") == 1
        assert await served.echoes()


async def test_running_out_of_descriptors_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as served, AsyncExitStack() as stack:
        readers = []
        for _ in range(8):
            reader, writer = await served.connect()
            stack.push_async_callback(close, writer)
            readers.append(reader)
        await until(lambda: served.open() == 8)
        loop = asyncio.get_running_loop()
        accept, failures = loop.sock_accept, iter([errno.EMFILE, errno.ENFILE, errno.ECONNABORTED])

        async def fail_first(listener: socket.socket) -> tuple[socket.socket, Any]:
            for number in failures:
                raise OSError(number, os.strerror(number))
            return await accept(listener)

        monkeypatch.setattr(loop, "sock_accept", fail_first)
        assert await served.echoes()  # it is the last to be accepted before
        assert await served.echoes()
        for reader in readers[:3]:  # a quarter each time
            assert await ended(reader) == b""
        assert served.closed("accept_failed") == 2


async def test_requests_one_behind_the_other_are_answered_and_too_many_end_the_connection() -> None:
    one = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi"
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(one * 9 + one.replace(b"host: x", b"host: x\r\nconnection: close"))
        assert (await reader.read()).count(b"200 OK") == 10
        await close(writer)
        reader, writer = await served.connect()
        writer.write(one * 1000)
        assert (await reader.read()).count(b"200 OK") < 100
        await close(writer)
        assert await served.echoes()


async def test_a_client_that_does_not_read_its_answer_is_let_go() -> None:
    async with serving(send_seconds=0.2) as served:
        reader, writer = await served.connect()
        writer.write(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        await until(lambda: served.closed("slow_reader") == 1)
        assert len(await ended(reader)) < 50_000_000
        await close(writer)


async def test_a_websocket_outlives_every_limit_of_a_body_and_gives_its_place_back() -> None:
    async with serving(header_seconds=0.05, min_body_rate=1_000_000, body_window_seconds=0.05, idle_seconds=1) as served:
        async with connect(served.server.url.replace("http", "ws") + "/talk", proxy=None) as socket:
            for _ in range(3):
                await asyncio.sleep(0.1)
                await socket.send("hello")
                assert await socket.recv() == "HELLO"
            assert served.open() == 1
        await until(lambda: not served.open())


@pytest.fixture
def tls(tmp_path: Path) -> tuple[TlsConfig, ssl.SSLContext]:
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    client = ssl.create_default_context()
    authority.configure_trust(client)
    authority.issue_cert("shop@example.org", common_name="shop").configure_cert(client)
    config = TlsConfig(certificate=tmp_path / "server.pem", key=tmp_path / "server.pem", client_ca=tmp_path / "ca.pem")
    return config, client


async def test_the_application_learns_who_a_client_certificate_is_of(tls: tuple[TlsConfig, ssl.SSLContext]) -> None:
    config, trusting = tls
    async with serving(config) as served, httpx2.AsyncClient(verify=trusting, trust_env=False) as client:
        assert (await client.get(f"{served.server.url}/subject")).text == "shop"


async def test_a_handshake_that_does_not_come_makes_room_and_ends(tls: tuple[TlsConfig, ssl.SSLContext]) -> None:
    config, trusting = tls
    async with serving(config, max_connections=3, header_seconds=0.3) as served, AsyncExitStack() as stack:
        for _ in range(10):
            _, writer = await served.connect()
            stack.push_async_callback(close, writer)
        client = await stack.enter_async_context(httpx2.AsyncClient(verify=trusting, trust_env=False))
        assert (await client.get(f"{served.server.url}/subject")).text == "shop"
        await until(lambda: served.open() <= 1)
        assert served.closed("handshake") >= 1
        assert (await client.get(f"{served.server.url}/subject")).text == "shop"
