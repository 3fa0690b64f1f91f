"""payment: charges a card. gRPC; the card network is a wait of a few milliseconds."""

from __future__ import annotations

import logging
import time
import zlib
from typing import TYPE_CHECKING

from opentelemetry import metrics

from demo.shop.rpc import RpcServer

if TYPE_CHECKING:
    from demo.shop.process import Surroundings
    from demo.shop.rpc import Message

log = logging.getLogger("shop.payment")

SERVICE = "shop.Payment"


def build(around: Surroundings) -> RpcServer:
    """The service."""
    charged = metrics.get_meter("shop").create_histogram("shop.payment.amount", "EUR", "What was charged to cards.")

    def charge(request: Message) -> Message:
        order, cents = request["order"], request["amount"]
        time.sleep(0.008 + zlib.crc32(order.encode()) % 8 / 1000)  # differs by order, is the same in every run
        charged.record(cents / 100, {"currency": "EUR"})
        log.info("charged %d cents for order %s", cents, order)
        return {"receipt": f"receipt-{order}"}

    return RpcServer(SERVICE, {"Charge": charge}, around)
