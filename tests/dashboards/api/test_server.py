from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from components.http.server import NotStartedError
from components.sockets.acceptor import ListenError
from dashboards.api.server import ConsoleServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def app() -> Starlette:
    return Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))])


async def test_it_answers_from_start_to_stop_on_a_port_that_it_tells_and_starts_again() -> None:
    server = ConsoleServer(app(), port=0)
    await server.stop()
    for _ in range(2):
        await server.start()
        assert server.url == f"http://127.0.0.1:{server.port}"
        async with httpx2.AsyncClient() as client:
            assert (await client.get(server.url)).text == "here"
            await server.stop()
            await server.stop()
            with pytest.raises(httpx2.TransportError):
                await client.get(server.url)
    assert {task.get_name() for task in asyncio.all_tasks()} & {"console"} == set()


async def test_a_port_that_is_taken_is_named() -> None:
    first = ConsoleServer(app(), port=0)
    await first.start()
    second = ConsoleServer(app(), port=first.port)
    with pytest.raises(ListenError, match=rf"console cannot listen on 127.0.0.1:{first.port}: .*is the port in use"):
        await second.start()
    await second.stop()
    await first.stop()


async def test_an_app_that_does_not_start_leaves_nothing_behind() -> None:
    @asynccontextmanager
    async def broken(_: Starlette) -> AsyncIterator[None]:
        raise RuntimeError("no")
        yield

    server = ConsoleServer(Starlette(lifespan=broken), port=0)
    with pytest.raises(NotStartedError, match="did not start"):
        await server.start()
    again = ConsoleServer(app(), port=server.port)
    await again.start()
    await again.stop()


async def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert ConsoleServer(app(), "::1", 8080).url == "http://[::1]:8080"
