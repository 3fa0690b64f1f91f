"""checkout: turns a cart into a paid order. Flask; calls cart, inventory and payment, queues for shipping."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

from flask import Flask, abort, request
from opentelemetry import metrics

from demo.shop.http import HttpClient, HttpServer
from demo.shop.queue import EXPIRES_SECONDS, SHIP, queue
from demo.shop.rpc import RpcClient
from demo.shop.services import inventory, payment

if TYPE_CHECKING:
    from demo.shop.process import Surroundings

log = logging.getLogger("shop.checkout")


def build(around: Surroundings) -> HttpServer:
    """The service."""
    app = Flask("checkout")
    carts = HttpClient(around.directory, "cart")
    stock = RpcClient(around.directory, "inventory", inventory.SERVICE)
    cards = RpcClient(around.directory, "payment", payment.SERVICE)
    tasks = queue(around.queue)
    orders = metrics.get_meter("shop").create_counter("shop.orders", "{order}", "Orders paid.")

    @app.post("/orders")
    def order() -> dict[str, object]:
        user = request.get_json()["user"]
        items = carts.get(f"/carts/{user}")["items"]
        if not items:
            abort(409, "the cart is empty")
        number = uuid.uuid4().hex[:12]
        for item in items:
            stock.call("Reserve", {"product": item["product"], "quantity": item["quantity"]})
        total = sum(item["price"] * item["quantity"] for item in items)
        receipt = cards.call("Charge", {"order": number, "amount": total})["receipt"]
        tasks.send_task(SHIP, (number, items), expires=EXPIRES_SECONDS)
        carts.delete(f"/carts/{user}")
        orders.add(1)
        log.info("order %s of %s paid: %d cents", number, user, total)
        return {"order": number, "total": total, "receipt": receipt}

    return HttpServer(app, around)
