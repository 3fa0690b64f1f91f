"""Calls each port of the server over each address given, and prints what came back."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from typing import Any

import grpc
import grpc.aio
from websockets.asyncio.client import connect

from tests.agent.intercept.server import BINARY, FIRST, GRPC, HTTP, TLS


async def http(host: str) -> Any:
    reader, writer = await asyncio.open_connection(host.strip("[]"), HTTP)
    answers = []
    for path in ("/one", "/two"):  # on one connection
        writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        answers.append(json.loads(await reader.readexactly(length)))
        if b"connection: close" in head.lower():  # a server that keeps none
            writer.close()
            reader, writer = await asyncio.open_connection(host.strip("[]"), HTTP)
    writer.close()
    return answers


async def websocket(host: str) -> Any:
    async with connect(f"ws://{host}:{HTTP}/ws", compression=None, proxy=None) as connection:
        await connection.send("hello")
        return await connection.recv()


async def grpc_call(host: str) -> Any:
    async with grpc.aio.insecure_channel(f"{host}:{GRPC}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        return (await channel.unary_unary("/test.Echo/Call")(b"abc", timeout=60)).decode()


async def tls(host: str) -> Any:
    context = ssl.create_default_context(cafile=sys.argv[1])
    reader, writer = await asyncio.open_connection(host.strip("[]"), TLS, ssl=context, server_hostname="server.test")
    writer.write(b"secret")
    answer = await reader.readexactly(6)
    writer.close()
    return answer.decode()


async def server_first(host: str) -> Any:
    reader, writer = await asyncio.open_connection(host.strip("[]"), FIRST)
    greeting = await reader.readline()
    writer.write(b"HELO me\r\n")
    answer = await reader.read()
    writer.close()
    return (greeting + answer).decode()


async def binary(host: str) -> Any:
    reader, writer = await asyncio.open_connection(host.strip("[]"), BINARY)
    writer.write(bytes(range(256)))
    answer = await reader.readexactly(256)
    writer.close()
    return answer.hex()


KINDS = {"http": http, "websocket": websocket, "grpc": grpc_call, "tls": tls, "server_first": server_first, "binary": binary}


async def main() -> None:
    found = {}
    for host in sys.argv[2:]:
        for kind, call in KINDS.items():
            found[f"{kind} {host}"] = await asyncio.wait_for(call(host), 60)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
