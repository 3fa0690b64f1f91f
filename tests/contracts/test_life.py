"""Everything that starts also stops: before it started, twice, after work that failed, and with nothing left over.

A wrong configuration is refused with its place in test_declarations.py and test_notifiers.py, over the same lists.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import httpx2
import pytest
from prometheus_client import CollectorRegistry

from alerting.notify.build import NotifierContext
from alerting.notify.notification import DeliveryError
from alerting.notify.text import compile_texts
from alerting.playbooks.actions.action import ActionError
from collectors.ingest import Ingest, IngestConfig
from collectors.metrics import CollectorMetrics
from collectors.receiver import ReceiverContext
from collectors.shipper import Shipper, ShipperConfig
from components.component import ComponentKind
from dashboards.api.server import ConsoleServer
from processors.detectors.detector import DetectorContext
from processors.detectors.log_windows import LogWindows
from spanloom.components import DETECTORS, NOTIFIERS, RECEIVERS, RUNNERS, STORES, components
from stores.component import StoreContext
from stores.store import Query
from telemetry.documents import Kind
from telemetry.errors import StoreError
from tests.alerting.notify.test_receivers import FIRING
from tests.alerting.playbooks.actions.test_local import Control
from tests.alerting.playbooks.all_actions import all_actions
from tests.contracts import test_actions, test_notifiers
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOWHERE = f"127.0.0.1:{free_port()}"


class Part(Protocol):
    """What the suite drives."""

    async def start(self) -> None: ...

    async def work(self) -> None: ...

    async def stop(self) -> None: ...


class Nowhere:
    """A log that takes everything."""

    async def produce(self, topic: str, value: bytes, headers: Mapping[str, bytes]) -> None:
        """Take it."""


async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """An application that answers nobody."""


class Console:
    def __init__(self) -> None:
        self._server = ConsoleServer(nothing, port=0)

    async def start(self) -> None:
        await self._server.start()

    async def work(self) -> None:
        """Nobody asks."""

    async def stop(self) -> None:
        await self._server.stop()


class Receiving:
    """A receiver, to which a client connects that says nothing."""

    def __init__(self, name: str, _folder: Path) -> None:
        (component,) = (one for one in RECEIVERS if one.name == name)
        metrics = CollectorMetrics(CollectorRegistry())
        context = ReceiverContext(Shipper(Nowhere(), ShipperConfig(), metrics), metrics, Ingest(IngestConfig(), metrics))
        self._receiver = component.build(component.config(**component.example, port=0, stop_seconds=0), context)
        self.start, self.stop = self._receiver.start, self._receiver.stop

    async def work(self) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", self._receiver.port)
        writer.close()
        await writer.wait_closed()


class Notifying:
    """A notifier that reaches nobody."""

    def __init__(self, name: str, _folder: Path) -> None:
        (component,) = (one for one in NOTIFIERS if one.name == name)
        config: Any = component.config(**test_notifiers.CASES[name](NOWHERE, NOWHERE))
        self._client = httpx2.AsyncClient()
        self._notifier = component.build(config, NotifierContext(self._client, compile_texts(config.texts(), "")))

    async def start(self) -> None:
        """It is there once it is built."""

    async def work(self) -> None:
        with suppress(DeliveryError):
            await self._notifier.send(FIRING)

    async def stop(self) -> None:
        await self._notifier.close()
        await self._client.aclose()


class Storing:
    """A store: in a file, or at a place where no server is."""

    def __init__(self, name: str, folder: Path) -> None:
        (self._component,) = (one for one in STORES if one.name == name)
        place = f"//{NOWHERE}" if self._component.many_processes else f"//{folder / f'{name}-{free_port()}'}"
        self._context = StoreContext(f"{self._component.schemes[0]}:{place}", "default")
        self._store: Any = None

    async def start(self) -> None:
        self._store = self._component.build(self._component.example_config(), self._context)

    async def work(self) -> None:
        with suppress(StoreError):
            await self._store.find(Query(Kind.SPAN))

    async def stop(self) -> None:
        if self._store is not None:
            await self._store.close()


class Detecting:
    """A detector to which nothing comes."""

    def __init__(self, name: str, _folder: Path) -> None:
        (component,) = (one for one in DETECTORS if one.name == name)
        self._detector = component.build(component.example_config(), DetectorContext(LogWindows()))

    async def start(self) -> None:
        """It is there once it is built."""

    async def work(self) -> None:
        assert self._detector.consume([], 0) == self._detector.advance(0) == []

    async def stop(self) -> None:
        assert self._detector.close() == []


class Acting:
    """An action, with what it acts through; its target is not there."""

    def __init__(self, name: str, _folder: Path) -> None:
        sections = {one.name: one.config.model_validate(test_actions.REACH[one.name]) for one in RUNNERS}
        self._action, self._arguments = all_actions(Control(), **sections)[name], test_actions.CASES[name][0]

    async def start(self) -> None:
        """Nothing is connected before it runs."""

    async def work(self) -> None:
        with suppress(ActionError):
            await self._action.run(self._action.arguments.model_validate(self._arguments), "i1/step/do")

    async def stop(self) -> None:
        """Nothing stays connected after it ran."""


class Running(Acting):
    """A runner, by the action that it can do."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__("restart", folder)
        what = {"kubernetes": "deployment/cart", "systemd": "cart.service"}.get(name, "cart")
        self._arguments = {"via": name, "name": what}


OF_KIND: dict[ComponentKind, Callable[[str, Path], Part]] = {
    ComponentKind.RECEIVER: Receiving,
    ComponentKind.DETECTOR: Detecting,
    ComponentKind.NOTIFIER: Notifying,
    ComponentKind.ACTION: Acting,
    ComponentKind.RUNNER: Running,
    ComponentKind.STORE: Storing,
}
PARTS: dict[str, Callable[[Path], Part]] = {
    "console": lambda _: Console(),
    **{f"{one.kind}/{one.name}": partial(OF_KIND[one.kind], one.name) for one in components()},
}


def handles() -> set[str]:
    """What file descriptors of this process lead to, with their numbers."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one by which the folder is read
            found.add(f"{descriptor.name} {descriptor.readlink()}")
    return found


def test_every_kind_of_component_has_a_life_here() -> None:
    assert OF_KIND.keys() == set(ComponentKind)
    assert {one.kind for one in components()} == set(ComponentKind)


@pytest.mark.parametrize("part", PARTS)
async def test_it_can_be_stopped_before_it_was_started(part: str, tmp_path: Path) -> None:
    await PARTS[part](tmp_path).stop()


@pytest.mark.parametrize("part", PARTS)
async def test_it_starts_works_and_stops_twice_and_leaves_no_task_no_thread_and_no_file(part: str, tmp_path: Path) -> None:
    async def live() -> None:
        made = PARTS[part](tmp_path)
        await made.start()
        await made.work()
        await made.stop()
        await made.stop()

    await live()  # the first of a kind in a process may start what is kept for all: threads of gRPC, the loop's executor
    gc.collect()
    tasks, threads, files = asyncio.all_tasks(), set(threading.enumerate()), handles()
    await live()
    await asyncio.sleep(0)
    gc.collect()
    assert asyncio.all_tasks() == tasks
    # Those of the loop's executor stay for its next work.
    assert {one for one in threading.enumerate() if not one.daemon and not one.name.startswith("asyncio_")} <= threads
    assert {one.partition(" ")[2].partition(":")[0] for one in handles() - files} == set()
