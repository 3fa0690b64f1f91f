"""shipping: packs what was paid. A Celery worker."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from celery.signals import setup_logging, worker_ready
from opentelemetry import metrics

from demo.shop.queue import SHIP, queue

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.shop.process import Surroundings

log = logging.getLogger("shop.shipping")


class Worker:
    """Runs tasks of the queue one at a time."""

    def __init__(self, around: Surroundings) -> None:
        self._app = queue(around.queue)
        shipped = metrics.get_meter("shop").create_counter("shop.shipments", "{shipment}", "Orders packed and sent off.")

        @self._app.task(name=SHIP)  # type: ignore[untyped-decorator]  # Celery has no types
        def ship(order: str, items: list[dict[str, object]]) -> None:
            around.faults.cross()
            time.sleep(0.003 * len(items))
            shipped.add(1)
            log.info("shipped order %s: %d items", order, len(items))

    def serve(self, ready: Callable[[str], None]) -> None:
        """Work until SIGTERM, then finish the running task."""

        def ignore(**_: object) -> None:
            ready("")

        worker_ready.connect(ignore, weak=False)
        setup_logging.connect(_keep_logging, weak=False)
        # Without these three a worker talks to other workers, of which there are none.
        self._app.Worker(pool="solo", without_gossip=True, without_mingle=True, without_heartbeat=True).start()


def _keep_logging(**_: object) -> None:
    """Being connected is enough: Celery then leaves logging as `telemetry` has set it up."""


def build(around: Surroundings) -> Worker:
    """The service."""
    return Worker(around)
