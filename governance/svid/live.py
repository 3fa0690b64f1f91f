"""The authority as its file says that it is: a step of a rotation takes effect while the control plane runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from governance.svid.authority import Authority
from governance.svid.rotation import acknowledge
from telemetry.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from governance.svid.authority import Svid
    from governance.svid.shared import SharedAuthority

log = structlog.get_logger(__name__)

FOLLOW_SECONDS = 0.5
"""Between two looks at the file."""


class LiveAuthority:
    """Issues for the root that the file has now. Implements `governance.svid.secrets.Issuer`.

    Args:
        path: of the authority's file; made at its first use.
        trust_domain: as in `Authority`.
        ttl: as there.
        now: nanoseconds since the epoch.

    Raises:
        ConfigError: the file cannot be used.
        OSError: it cannot be read or written.
    """

    def __init__(self, path: Path, trust_domain: str, ttl: int, now: int) -> None:
        self._path, self._trust_domain, self._ttl = path, trust_domain, ttl
        self._current = Authority(path, trust_domain, ttl, now)
        self._seen = _stamp(path)
        self._acknowledged = self._failed = ""

    @property
    def bundle(self) -> str:
        """The certificates that peers are checked against, as PEM: first that of the root which issues."""
        return self._current.bundle

    def issue(self, service: str, now: int) -> Svid:
        """A new key and certificate for a service."""
        return self._current.issue(service, now)

    def refresh(self, now: int) -> None:
        """Read the file if it has changed. One that cannot be used, or is gone, leaves what there was."""
        if (stamp := _stamp(self._path)) == self._seen:
            return
        self._seen = stamp
        if stamp is None:
            log.error("authority_gone", path=str(self._path), hint="put it back, or `spanloom control rotate-root replace`")
            return
        try:
            self._current = Authority(self._path, self._trust_domain, self._ttl, now)
        except (ConfigError, OSError) as error:
            log.error("authority_unusable", reason=str(error), hint="the one before stays in use")  # noqa: TRY400 - it says all
        else:
            log.info("authority_read", path=str(self._path), roots=self.bundle.count("-----BEGIN"))

    def acknowledged(self) -> None:
        """All have what it says: the next step of a rotation may be done.

        Raises:
            OSError: that cannot be noted.
        """
        if self._acknowledged != self.bundle:
            self._acknowledged = self.bundle
            acknowledge(self._path.parent, self.bundle)

    async def follow(self, reached: Callable[[], bool], now: Callable[[], int], shared: SharedAuthority | None = None) -> None:
        """Refresh it until cancelled.

        Args:
            reached: whether all have what is issued now.
            now: nanoseconds since the epoch.
            shared: what other control planes have of it.
        """
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            try:
                await self._follow_once(reached, now, shared)
            except (OSError, StoreError, ConfigError) as error:
                if str(error) != self._failed:
                    log.error("authority_not_followed", reason=str(error))  # noqa: TRY400 - it is tried again, and steps wait
                self._failed = str(error)
            else:
                self._failed = ""

    async def _follow_once(self, reached: Callable[[], bool], now: Callable[[], int], shared: SharedAuthority | None) -> None:
        if shared is not None:
            await shared.sync(now())
        self.refresh(now())
        waits = self._acknowledged != self.bundle and reached()
        if waits and (shared is None or await shared.reached_by_all(self.bundle)):
            self.acknowledged()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
