from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from prometheus_client import Histogram

from pipeline.delivery import retry
from pipeline.delivery.retry import RevokedError, StoreAvailability
from stores.store import AccessRefusedError
from telemetry.documents import Kind
from telemetry.errors import StoreError
from tests.pipeline.parts import MemoryStore

if TYPE_CHECKING:
    from stores.store import Query


class AwayStore(MemoryStore):
    """A store that does not answer until it is back.

    Attributes:
        asked: requests that were made while it was away.
        probed: set when it was asked often while it was away.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_back = False
        self.asked = 0
        self.counted = 0
        self.probed = asyncio.Event()

    async def request(self) -> str:
        if not self.is_back:
            self.asked += 1
            raise StoreError("away")
        return "here"

    async def count(self, query: Query) -> int:
        if not self.is_back:
            self.counted += 1
            if self.counted == 20 * len(retry.PROBED):
                self.probed.set()
            raise StoreError("away")
        return await super().count(query)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "PROBE_SECONDS", 0.001)
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.001)


async def test_one_prober_asks_for_all_and_its_answer_wakes_them_all() -> None:
    store = AwayStore()
    availability = StoreAvailability(store)
    waiting = [asyncio.create_task(availability.ask("find", store.request)) for _ in range(50)]
    await store.probed.wait()
    assert store.asked == 50, "nobody but the prober asks a store that is down"
    assert availability.down == "away"
    store.is_back = True
    assert await asyncio.gather(*waiting) == ["here"] * 50
    assert not availability.down
    assert store.asked == 50


async def test_each_request_is_timed_by_operation() -> None:
    seconds = Histogram("asked", "", ["operation"], registry=None)
    availability = StoreAvailability(MemoryStore(), seconds)
    failures = [StoreError("busy")]

    async def request() -> str:
        if failures:
            raise failures.pop()
        return "here"

    assert await availability.ask("find", request) == "here"
    (metric,) = seconds.collect()
    assert [each.value for each in metric.samples if each.name == "asked_count"] == [2], "one failed"


async def test_retries_are_counted_by_operation() -> None:
    store = AwayStore()
    availability = StoreAvailability(store)
    waiting = [asyncio.create_task(availability.ask(operation, store.request)) for operation in ("find", "find", "refresh")]
    await store.probed.wait()
    store.is_back = True
    await asyncio.gather(*waiting)
    assert availability.retries == {"find": 2, "refresh": 1}
    assert availability.probes >= 20


async def test_a_request_that_fails_though_the_store_answers_is_made_again_and_the_store_is_not_down() -> None:
    failures = [StoreError("busy")] * 3
    availability = StoreAvailability(MemoryStore())

    async def ask() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert await availability.ask("write", ask) == "done"
    assert availability.retries == {"write": 3}
    assert not availability.down


async def test_what_is_not_wanted_any_more_ends_while_the_store_is_away() -> None:
    store, wanted = AwayStore(), [True]
    availability = StoreAvailability(store)
    waiting = asyncio.create_task(availability.ask("find", store.request, lambda: bool(wanted)))
    await store.probed.wait()
    wanted.clear()
    with pytest.raises(RevokedError):
        await waiting
    await availability.close()


async def test_a_store_that_hangs_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "PROBE_TIMEOUT", 0.01)
    hangs = asyncio.Event()

    class Hanging(AwayStore):
        async def count(self, query: Query) -> int:
            if hangs.is_set():
                return 0
            await asyncio.Event().wait()
            raise AssertionError(query)

    store = Hanging()
    availability = StoreAvailability(store)
    waiting = asyncio.create_task(availability.ask("find", store.request))
    while not availability.down:  # noqa: ASYNC110 - the prober counts and tells nobody
        await asyncio.sleep(0.001)
    assert availability.down == "no answer in 0.01 s"
    store.is_back = True
    hangs.set()
    assert await waiting == "here"


def test_a_probe_looks_at_the_streams_that_are_waited_for() -> None:
    assert {Kind.SPAN, Kind.HOP, Kind.TRACE} <= set(retry.PROBED)


async def test_a_store_that_refuses_us_is_asked_again_for_a_minute_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    class RefusingStore(AwayStore):
        async def request(self) -> str:
            self.asked += 1
            raise AccessRefusedError("who are you?")

        async def count(self, _query: Query) -> int:
            raise AccessRefusedError("who are you?")

    monkeypatch.setattr(retry, "REFUSED_SECONDS", 0.05)
    store = RefusingStore()
    availability = StoreAvailability(store)
    with pytest.raises(AccessRefusedError):
        await availability.ask("write", store.request)
    assert store.asked > 1
    assert not availability.down, "it answers"
    await availability.close()
