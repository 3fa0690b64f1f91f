"""An HTTP service for the tests of receivers."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Service:
    """An HTTP service: keeps requests, answers by `answers` (path to JSON; a number is a status) or with an empty object."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.answers: dict[str, Any] = {}
        self.base = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Service]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:] if line}
            content = await reader.readexactly(int(headers.get("content-length", 0)))
            method, path, _ = lines[0].split()
            body = json.loads(content) if content[:1] == b"{" else dict(parse_qsl(content.decode()))
            self.requests.append((method, path, headers, body))
            said = self.answers.get(path.partition("?")[0], {})
            said = said.pop(0) if isinstance(said, list) else said
            status, text = (said, b"") if isinstance(said, int) else (200, said if isinstance(said, bytes) else _json(said))
            writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(text)) + text)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            self.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self

    @property
    def lines(self) -> list[str]:
        return [f"{method} {path}" for method, path, _, _ in self.requests]


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
