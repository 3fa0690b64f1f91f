"""Headers that keep browsers from doing with our answers what pages elsewhere want."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import Message, Send

# Files of ours, and nothing else. <base> says where a proxy has put it.
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'self'; frame-ancestors 'none'"
)
PLAIN = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

# With no-referrer a browser would send `Origin: null` for our own forms.
FIXED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def guarded(send: Send, *, page: bool, cached: bool) -> Send:
    """A `send` that adds the headers to an answer.

    Args:
        send: sends the answer.
        page: whether it is a page of the console.
        cached: whether it holds nothing that anybody could not have.
    """
    policy = PAGE if page else PLAIN

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in FIXED.items():
                headers[name] = value
            headers["content-security-policy"] = policy
            if not cached:
                headers["cache-control"] = "no-store"
        await send(message)

    return sending
