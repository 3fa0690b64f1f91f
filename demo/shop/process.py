"""One instance of one service as a process: telemetry, the line to the supervisor, and the service itself."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from demo.shop.control import Control
from demo.shop.directory import Directory
from demo.shop.faults import Fault, FaultPoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

SERVICES = ("frontend", "catalog", "cart", "checkout", "payment", "inventory", "shipping", "delivery", "carrier")
WITHOUT_SDK = ("delivery",)
"""What the proxy beside them sees is all that is known of them. They run where there is one."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a service finds around it.

    `folder` holds the directory file, the database and the queue. It listens on `host`, at a free port where `port` is 0.
    `report` gets counts of telemetry.
    """

    folder: Path
    directory: Directory
    host: str
    port: int = 0
    report: Callable[[dict[str, int]], None] = field(default=lambda _: None)
    faults: FaultPoint = field(default_factory=FaultPoint)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "shop.db"

    @property
    def queue(self) -> Path:
        """The folder of the message queue."""
        return self.folder / "queue"


class Server(Protocol):
    """What each service module's `build` gives."""

    def serve(self, ready: Callable[[str], None]) -> None:
        """Serve until SIGTERM; call `ready` with the own address once requests are accepted."""
        ...


def run(service: str, folder: Path) -> None:
    """Be one instance of a service until SIGTERM or until the parent is gone."""
    signal.signal(signal.SIGTERM, _leave)
    control = Control()
    host, port = os.environ.get("SHOP_HOST", "127.0.0.1"), int(os.environ.get("SHOP_PORT", "0"))

    def report(counts: dict[str, int]) -> None:
        control.say({"sent": counts})

    around = Surroundings(folder, Directory(folder / "addresses.json"), host, port, report)

    def hear(message: dict[str, object]) -> None:
        around.faults.put(Fault.of(message["fault"]))
        control.say(message)

    control.listen(hear)
    # Imported late: the line to the parent must stand before anything slow begins, and telemetry before what it instruments.
    without = service in WITHOUT_SDK
    telemetry = None if without else importlib.import_module("demo.shop.telemetry").Telemetry(report)
    server: Server = importlib.import_module(f"demo.shop.services.{service}").build(around)
    try:
        server.serve(lambda address: control.say({"ready": address}))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if telemetry is not None:
            telemetry.close()


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
