"""cart: what each user has chosen. Flask, carts in memory, prices from catalog."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from flask import Flask, request

from demo.shop.http import HttpClient, HttpServer

if TYPE_CHECKING:
    from demo.shop.process import Surroundings

log = logging.getLogger("shop.cart")

CARTS_KEPT = 10_000
"""Past this many the cart that was left alone longest is evicted."""


def build(around: Surroundings) -> HttpServer:
    """The service."""
    app = Flask("cart")
    catalog = HttpClient(around.directory, "catalog")
    lock = threading.Lock()
    carts: OrderedDict[str, list[dict[str, object]]] = OrderedDict()

    @app.post("/carts/<user>/items")
    def add(user: str) -> dict[str, object]:
        wanted = request.get_json()
        product = catalog.get(f"/products/{wanted['product']}")
        with lock:
            items = carts.setdefault(user, [])
            items.append({"product": product["id"], "price": product["price"], "quantity": wanted["quantity"]})
            carts.move_to_end(user)
            if len(carts) > CARTS_KEPT:
                carts.popitem(last=False)
        log.info("added %s to the cart of %s", product["id"], user)
        return {"items": items}

    @app.get("/carts/<user>")
    def show(user: str) -> dict[str, object]:
        with lock:
            return {"items": list(carts.get(user, ()))}

    @app.delete("/carts/<user>")
    def empty(user: str) -> dict[str, object]:
        with lock:
            carts.pop(user, None)
        return {}

    return HttpServer(app, around)
