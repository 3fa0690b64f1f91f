"""What each role needs to be ready, and who looks whether it is there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from stores.store import Query
from telemetry.documents import Kind
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from components.http.health import Health
    from spanloom.wiring import Log, Pipeline
    from stores.store import Store

log = structlog.get_logger(__name__)

POLL_SECONDS = 5.0
"""Seconds between checks whether the log and the store answer."""

PROBE_SECONDS = 5.0
"""How long they may take to."""

STORE = "the store does not answer"
LOG = "the log does not answer"
CRASHED = "a stage has crashed"
UNASSIGNED = "no partitions are assigned yet"
PAUSED = "a partition is paused: too many of its records are unusable"
REFUSED = "documents wait: the store refuses too many of their kind"
STALLED = "a partition stands still although there is more to read"
FULL = "the collector is full"


class Watched:
    """Something elsewhere that is asked now and then whether it answers.

    Attributes:
        answers: whether it did when it was asked last; true before that.
    """

    def __init__(self, name: str, ask: Callable[[], Awaitable[object]]) -> None:
        self._name, self._ask = name, ask
        self.answers = True

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._ask()
            except (SpanloomError, TimeoutError) as error:
                if self.answers:
                    log.warning("not_ready", waits_for=self._name, reason=str(error) or f"no answer in {PROBE_SECONDS:g} s")
                self.answers = False
            else:
                if not self.answers:
                    log.info("answers_again", name=self._name)
                self.answers = True
            await asyncio.sleep(POLL_SECONDS)


def watch_store(health: Health, store: Store) -> Watched:
    """What has to run so that the health knows of the store."""
    watched = Watched("store", lambda: store.count(Query(Kind.AUDIT)))
    health.ready_while(lambda: watched.answers, STORE)
    return watched


def watch_log(health: Health, of: Log) -> Watched:
    """What has to run so that the health knows of the log; and what the application says of itself."""
    watched = Watched("log", of.check_access)
    health.lives_while(lambda: not of.app.crashed, CRASHED)
    health.ready_while(lambda: watched.answers, LOG)
    return watched


def add_pipeline(health: Health, pipeline: Pipeline) -> None:
    """What stages need."""
    health.ready_while(lambda: pipeline.joined, UNASSIGNED)
    health.ready_while(lambda: not pipeline.writer.availability.down, STORE)
    health.ready_while(lambda: not pipeline.dead.paused, PAUSED)
    health.ready_while(lambda: not pipeline.writer.refused_waiting, REFUSED)
    health.ready_while(lambda: not pipeline.stalls.stalled, STALLED)
