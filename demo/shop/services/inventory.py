"""inventory: how much of a product there is, and reserving it. gRPC over SQLite."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from demo.shop.database import STOCKED, opened
from demo.shop.rpc import RpcServer

if TYPE_CHECKING:
    from demo.shop.process import Surroundings
    from demo.shop.rpc import Message

log = logging.getLogger("shop.inventory")

SERVICE = "shop.Inventory"


def build(around: Surroundings) -> RpcServer:
    """The service."""

    def stock(request: Message) -> Message:
        with opened(around.database) as cursor:
            row = cursor.execute("SELECT quantity FROM stock WHERE product = ?", (request["product"],)).fetchone()
        return {"quantity": row[0] if row else 0}

    def reserve(request: Message) -> Message:
        product, quantity = request["product"], request["quantity"]
        with opened(around.database) as cursor:
            updated = cursor.execute(
                "UPDATE stock SET quantity = quantity - ? WHERE product = ? AND quantity >= ?", (quantity, product, quantity)
            ).rowcount
            if not updated:
                log.warning("out of stock: %s; ordering %d", product, STOCKED)
                cursor.execute("UPDATE stock SET quantity = ? WHERE product = ?", (STOCKED - quantity, product))
        log.info("reserved %d of %s", quantity, product)
        return {"reserved": quantity}

    return RpcServer(SERVICE, {"Stock": stock, "Reserve": reserve}, around)
