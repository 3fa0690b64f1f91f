"""Whether a process lives, and whether it is ready: two questions with two answers.

One that does not live is started again by whoever supervises it. One that is not ready gets no requests until it is, and is
left to itself: what it waits for does not come sooner by a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.json_object import JsonObject

    Check = Callable[[], bool]


class Verdict(NamedTuple):
    """An answer over HTTP."""

    status: int
    body: JsonObject


class Health:
    """The checks of a process, each with the reason that is given where it fails.

    Anybody may ask, so a reason is a constant: it names no address and no content. That it is answered at all shows that the
    event loop turns. Checks are asked on it, so they only look at what is known.
    """

    def __init__(self) -> None:
        self._live: list[tuple[str, Check]] = []
        self._ready: list[tuple[str, Check]] = []

    def lives_while(self, check: Check, otherwise: str) -> None:
        """Add what a living process has; a process without it is not ready either."""
        self._live.append((otherwise, check))

    def ready_while(self, check: Check, otherwise: str) -> None:
        """Add what a ready process has."""
        self._ready.append((otherwise, check))

    def healthz(self) -> Verdict:
        """Whether it lives: 200, or 503 with the reasons why not."""
        return _verdict(self._live)

    def readyz(self) -> Verdict:
        """Whether it is ready: 200, or 503 with the reasons why not."""
        return _verdict([*self._live, *self._ready])


def _verdict(checks: list[tuple[str, Check]]) -> Verdict:
    reasons = [reason for reason, check in checks if not check()]
    return Verdict(503 if reasons else 200, {"status": "failed" if reasons else "ok", "reasons": reasons})
