"""Headers that keep browsers from doing with our answers what pages elsewhere want."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

from components.access.policy import Page

if TYPE_CHECKING:
    from starlette.types import Message, Scope, Send

NONCE = "csp_nonce"
"""Where `scope["state"]` has the mark of the scripts that a page may run."""

# What NiceGUI needs: Vue compiles templates in the browser and handlers come as text, both by eval; elements have styles of
# their own. Scripts within the page run only with the mark of this answer.
PAGE = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Of the built console: files of ours, and nothing else. <base> says where a proxy has put it.
BUILT = (
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


def guarded(scope: Scope, send: Send, *, page: Page | None, cached: bool) -> Send:
    """A `send` that adds the headers to an answer.

    Args:
        scope: of the request; gets the nonce.
        send: sends the answer.
        page: which kind of page of the console it is, if it is one.
        cached: whether it holds nothing that anybody could not have.
    """
    policy = PLAIN
    if page is Page.BUILT:
        policy = BUILT
    elif page is Page.RENDERED:
        nonce = secrets.token_urlsafe(16)
        scope["state"] = {**(scope.get("state") or {}), NONCE: nonce}
        policy = PAGE.format(nonce=nonce)

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
