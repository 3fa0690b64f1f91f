"""The body of an HTTP request, with a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.errors import InputError

if TYPE_CHECKING:
    from starlette.requests import Request


async def read_body(request: Request, most: int, hint: str = "") -> bytes:
    """All of it.

    Args:
        request: what came.
        most: bytes.
        hint: what to do with more.

    Raises:
        InputError: it is larger.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise InputError(f"more than {most} bytes{hint and ': '}{hint}")
    return bytes(body)
