"""Streams of secrets of workloads that are not agents: who is connected, and what each has."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telemetry.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from governance.svid.secrets import Secrets
    from governance.xds.snapshot import Resource

RETRY_SECONDS = 30.0
"""After which one that found no room may come again."""


@dataclass(slots=True, eq=False)
class SecretStream:
    """One stream. `wake` is set when what it is to have has changed; `has` is what it has acknowledged."""

    holder: str
    service: str
    resources: Mapping[str, Resource]
    has: Mapping[str, Resource] | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class SecretStreams:
    """All that are open.

    Args:
        secrets: of their holders alone.
        now: returns the time.
        most: streams at a time.
    """

    def __init__(self, secrets: Secrets, now: Callable[[], int], most: int) -> None:
        self._secrets, self._now, self._most = secrets, now, most
        self._streams: set[SecretStream] = set()
        self._numbers = itertools.count()

    def open(self, service: str) -> SecretStream:
        """A stream begins.

        Raises:
            OverloadedError: as many are open as may be.
        """
        if len(self._streams) >= self._most:
            raise OverloadedError(f"{self._most} streams of secrets are open; allow more by control.max_agents", RETRY_SECONDS)
        holder = str(next(self._numbers))
        stream = SecretStream(holder, service, self._secrets.of(holder, service, self._now()))
        self._streams.add(stream)
        return stream

    def close(self, stream: SecretStream) -> None:
        """A stream has ended."""
        self._streams.discard(stream)
        self._secrets.keep_only([each.holder for each in self._streams])

    def renew(self) -> None:
        """Give streams what they are to have now."""
        if not self._secrets.due(self._now()):
            return
        for stream in self._streams:
            resources = self._secrets.of(stream.holder, stream.service, self._now())
            if resources is not stream.resources:
                stream.resources = resources
                stream.wake.set()

    @property
    def acknowledged(self) -> bool:
        """Whether each has what it is to have."""
        return not self._secrets.due(self._now()) and all(each.has is each.resources for each in self._streams)
