"""Logins of browsers: a random cookie each, of which only the hash is kept, in memory."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from components.access.identity import Identity

MAX_SESSIONS = 1000
"""Past it the oldest ends."""


class Sessions:
    """Who is logged in.

    Args:
        now: nanoseconds since the epoch.
        seconds: how long a login lasts.
    """

    def __init__(self, now: Callable[[], int], seconds: float) -> None:
        self._now, self.seconds = now, int(seconds)
        self._sessions: OrderedDict[str, tuple[Identity, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, identity: Identity) -> str:
        """Log in; returns the cookie's value."""
        cookie = secrets.token_urlsafe(32)
        self._sessions[_hash(cookie)] = (identity, self._now() + self.seconds * 1_000_000_000)
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return cookie

    def find(self, cookie: str) -> Identity | None:
        """Who has this cookie, if the login still lasts."""
        place = _hash(cookie)
        identity, until = self._sessions.get(place, (None, 0))
        if identity is not None and self._now() >= until:
            del self._sessions[place]
            return None
        return identity

    def end(self, cookie: str) -> None:
        """Log out. Safe twice."""
        self._sessions.pop(_hash(cookie), None)


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
