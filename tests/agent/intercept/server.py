"""What clients of the matrix call: a port for each protocol, on every address of the namespace."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.http11 import Response

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request

HTTP, GRPC, TLS, FIRST, BINARY = 8080, 9090, 8443, 2525, 7777


def web(_: ServerConnection, request: Request) -> Response | None:
    """Plain requests get what they sent; others become WebSockets."""
    if "upgrade" in request.headers:
        return None
    body = json.dumps({"path": request.path, "headers": sorted(name.lower() for name in request.headers)}).encode()
    return Response(200, "OK", Headers([("content-length", str(len(body))), ("connection", "close")]), body)


async def echo_messages(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(f"ws {message!r}")


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail ready\r\n")
    writer.write(b"250 " + await reader.readline())
    await writer.drain()
    writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data[::-1])
        await writer.drain()
    writer.close()


async def call(request: bytes, context: Any) -> bytes:
    del context
    return request[::-1]


async def main() -> None:
    certificate = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.load_cert_chain(sys.argv[1])
    service = {"Call": grpc.unary_unary_rpc_method_handler(call)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", service),))
    server.add_insecure_port(f"[::]:{GRPC}")
    await server.start()
    every = None  # both families
    async with (
        serve(echo_messages, every, HTTP, process_request=web, compression=None),
        await asyncio.start_server(greet, every, FIRST),
        await asyncio.start_server(echo, every, BINARY),
        await asyncio.start_server(echo, every, TLS, ssl=certificate),
    ):
        sys.stdout.write("up\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
