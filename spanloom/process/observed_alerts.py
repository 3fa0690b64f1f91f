"""Alerts as the store has them: what a control plane judges releases by where another process evaluates the rules."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from alerting.alert_state import AlertState
from alerting.alerts import StoredAlert
from dashboards.read_models.alerts import standing
from stores.store import Query
from telemetry.documents import Kind
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stores.store import Store
    from telemetry.documents import Body

log = structlog.get_logger(__name__)

EVERY_SECONDS = 2.0
MAX_CHANGES = 2000
"""Changes of alerts that are read, the newest."""


class ObservedAlerts:
    """The alerts that fire, as of the last reading. The same when the store does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._firing: tuple[StoredAlert, ...] = ()

    def __call__(self) -> Iterator[StoredAlert]:
        """Those of all environments."""
        return iter(self._firing)

    async def run(self, wanted: Callable[[], bool]) -> None:
        """Read until cancelled, while they are wanted."""
        while True:
            try:
                if wanted():
                    await self.read()
            except StoreError as error:
                log.warning("alerts_unread", reason=str(error), hint="releases are judged by those read before")
            await asyncio.sleep(EVERY_SECONDS)

    async def read(self) -> None:
        """Read once.

        Raises:
            StoreError: the store does not answer.
        """
        changes = await self._store.find(Query(Kind.ALERT, descending=True, limit=MAX_CHANGES))
        self._firing = tuple(_alert(body) for body in standing(changes) if body["state"] == AlertState.FIRING)


def _alert(body: Body) -> StoredAlert:
    return StoredAlert(
        body["labels"], body["annotations"], body["starts_at"], body["ends_at"], body["time"], fingerprint=body["fingerprint"]
    )
