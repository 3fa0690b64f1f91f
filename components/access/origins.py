"""Which names this server answers to, and which pages may talk to it.

A page of another site can make a browser send requests here. Its own name, rebound to our address, comes as the Host; a
request across sites has an Origin, or says so in Sec-Fetch-Site.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from components.access.proxies import address_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.datastructures import Headers
    from starlette.types import Scope

_AUTHORITY = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{0,5})?", re.ASCII)

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def host_of(authority: str) -> str | None:
    """The host of `host[:port]`, in small letters and without brackets; None if it is none.

    Written out, because readers of URLs drop tabs, and what follows a bracket.
    """
    found = _AUTHORITY.fullmatch(authority)
    host = (found["six"] or found["name"]).lower().rstrip(".") if found else ""
    return host or None


class Origins:
    """The names and origins that are answered.

    Args:
        hosts: names in a Host header beside those of loopback and the address at which a connection came in.
        origins: of pages elsewhere that may send requests here, such as `https://ops.example.com`.
        own_pages: whether there are pages here, which then may send requests too.
    """

    def __init__(self, hosts: Iterable[str] = (), origins: Iterable[str] = (), *, own_pages: bool = True) -> None:
        self._hosts = LOOPBACK_NAMES | {host.lower().strip("[]") for host in hosts}
        self._origins = {origin.lower().rstrip("/") for origin in origins}
        self._own_pages = own_pages
        self._sites = {"none", "same-origin"} if own_pages else {"none"}

    def knows_host(self, scope: Scope, headers: Headers) -> bool:
        """Whether a request names one of our hosts, and one only."""
        named = headers.getlist("host")
        host = host_of(named[0]) if len(named) == 1 else None
        if host is None or host in self._hosts:
            return host is not None
        # A page whose origin is the address itself came from here: no name was rebound.
        address = address_of(host)
        return address is not None and address == address_of((scope.get("server") or ("",))[0] or "")

    def allows(self, scope: Scope, headers: Headers) -> bool:
        """Whether a request comes from a page of ours, one that is allowed, or no page at all."""
        origins = headers.getlist("origin")
        if origins:
            return len(origins) == 1 and self._is_ours(origins[0].lower(), scope, headers)
        if headers.get("sec-fetch-site", "none") in self._sites:
            return True
        # Following a link is all that a browser does for a page of another site.
        return (
            scope.get("method") in {"GET", "HEAD"}
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
        )

    def _is_ours(self, origin: str, scope: Scope, headers: Headers) -> bool:
        if origin in self._origins:
            return True
        if not self._own_pages:
            return False
        scheme, separator, authority = origin.partition("://")
        secure = scope.get("scheme") in {"https", "wss"}
        known = scheme == "https" or (scheme == "http" and not secure)
        return bool(separator) and known and authority == headers.get("host", "").lower()
