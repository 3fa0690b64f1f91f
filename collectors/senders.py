"""Who sends: the token or certificate that a request shows, and how much its sender may send."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field

from collectors.errors import ForbiddenError, ThrottledError, UnauthenticatedError
from components.access.roles import Right
from components.access.tokens import Tokens, bearer
from components.sender import certificate_sender, sender_of_peer, token_sender
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client import Counter

    from components.access.tokens import TokenConfig

BURST_SECONDS: Final = 5.0
"""A sender that was idle may send so many seconds' worth at once."""

MAX_NAMES: Final = 100
"""Names of tokens in metrics; those beyond are `other`."""


class SenderLimits(BaseModel):
    """What one token may send. What is not named is bounded by the collector's own bounds alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_second: float | None = Field(default=None, gt=0, description="Requests a second.")
    bytes_per_second: float | None = Field(default=None, gt=0, description="Bytes of requests a second, decompressed.")
    max_items: int | None = Field(default=None, gt=0, description="Spans, log records or data points of a request.")


class Sender:
    """Who sent a request, and what it may send."""

    def __init__(self, text: str, limits: SenderLimits, name: str, throttled: Counter, now: Callable[[], float]) -> None:
        self.text = text
        self.max_items = limits.max_items
        self._name = name
        self._throttled = throttled
        self._buckets: dict[str, _TokenBucket] = {}
        for what, rate in (("requests", limits.requests_per_second), ("bytes", limits.bytes_per_second)):
            if rate is not None:
                self._buckets[what] = _TokenBucket(rate, now)

    def begin(self) -> None:
        """Count a request, before its body is read.

        Raises:
            ThrottledError: it is one too many, or the bytes of those before it were.
        """
        for what, bucket in self._buckets.items():
            wait = bucket.wait()
            if wait > 0:
                self._throttled.labels(self._name, what).inc()
                raise ThrottledError(f"{self.text} may send {bucket.rate:g} {what} a second; wait {wait:.1f} s", wait)
        if "requests" in self._buckets:
            self._buckets["requests"].spend(1)

    def spend(self, size: int) -> None:
        """Count the bytes of a request; what is over is what the next ones wait for."""
        if "bytes" in self._buckets:
            self._buckets["bytes"].spend(size)


class Senders:
    """Knows senders by what they show.

    Args:
        tokens: those that are accepted.
        default: limits of a token that has none of its own.
        limits: limits of tokens by name.
        throttled: counts by name and limit what is refused.
        required: whether a request without a token is refused.
        now: seconds of a clock that never goes back.

    Raises:
        ConfigError: a token is required and none may send, or limits name a token that is not there.
    """

    def __init__(
        self,
        tokens: Iterable[TokenConfig],
        default: SenderLimits,
        limits: Mapping[str, SenderLimits],
        throttled: Counter,
        *,
        required: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        entries = tuple(tokens)
        sending = [token.name for token in entries if token.role.has(Right.INGEST)]
        if required and not sending:
            raise ConfigError(
                "ingest.require_token: no token of access.tokens may send telemetry; "
                "make one with: spanloom token new --role ingest"
            )
        for name in limits:
            if name not in sending:
                raise ConfigError(f"ingest.limits_by_token: {name}: no token of this name in access.tokens may send telemetry")
        self._tokens = Tokens(entries)
        self._required = required
        self._unlimited = SenderLimits()
        self._throttled = throttled
        self._now = now
        self._by_token = {
            name: Sender(token_sender(name), limits.get(name, default), name if i < MAX_NAMES else "other", throttled, now)
            for i, name in enumerate(sending)
        }

    def of_request(self, host: str | None, headers: Mapping[str, str], subject: str | None) -> Sender:
        """Who sent a request.

        Args:
            host: the address at the other end of the connection.
            headers: of the request, names in lower case.
            subject: who the client certificate was issued to, if there is one.

        Raises:
            UnauthenticatedError: it shows a token that is not accepted, or none where one is required.
            ForbiddenError: its token may not send telemetry.
        """
        authorization = headers.get("authorization")
        token = bearer(authorization) if authorization else None
        # Without tokens of ours, a header may be meant for a proxy before us.
        if token is not None and self._tokens:
            entry = self._tokens.find(token)
            if entry is None:
                raise UnauthenticatedError("the bearer token is none of access.tokens")
            sender = self._by_token.get(entry.name)
            if sender is None:
                raise ForbiddenError(
                    f"the token {entry.name} has the role {entry.role}: sending telemetry requires ingest or admin"
                )
            return sender
        if self._required:
            raise UnauthenticatedError("a token is required: send Authorization: Bearer TOKEN")
        text = certificate_sender(subject) if subject else sender_of_peer(host, headers)
        return Sender(text, self._unlimited, text, self._throttled, self._now)


class _TokenBucket:
    """A rate with bursts: what is spent beyond it is owed."""

    def __init__(self, rate: float, now: Callable[[], float]) -> None:
        self.rate = rate
        self._now = now
        self._most = max(rate * BURST_SECONDS, 1.0)
        self._left = self._most
        self._at = now()

    def _fill(self) -> None:
        now = self._now()
        self._left = min(self._most, self._left + (now - self._at) * self.rate)
        self._at = now

    def wait(self) -> float:
        """Seconds until there is one to spend, 0 if there is."""
        self._fill()
        return max(0.0, (1.0 - self._left) / self.rate)

    def spend(self, amount: float) -> None:
        """Spend it, whether it is there or not."""
        self._fill()
        self._left -= amount
