"""frontend: what users talk to. Flask; calls catalog, cart, checkout and delivery over HTTP, inventory over gRPC."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flask import Flask, request

from demo.shop.directory import NoInstanceError
from demo.shop.http import HttpClient, HttpServer
from demo.shop.rpc import RpcClient
from demo.shop.services import inventory

if TYPE_CHECKING:
    from demo.shop.process import Surroundings


log = logging.getLogger("shop.frontend")


def build(around: Surroundings) -> HttpServer:
    """The service."""
    app = Flask("frontend")
    catalog = HttpClient(around.directory, "catalog")
    carts = HttpClient(around.directory, "cart")
    orders = HttpClient(around.directory, "checkout")
    delivery = HttpClient(around.directory, "delivery")
    stock = RpcClient(around.directory, "inventory", inventory.SERVICE)

    @app.get("/")
    def home() -> dict[str, object]:
        return {"products": catalog.get("/products")}

    @app.get("/products/<product>")
    def product_page(product: str) -> dict[str, object]:
        shown: dict[str, Any] = catalog.get(f"/products/{product}")
        shown |= {"in_stock": stock.call("Stock", {"product": product})["quantity"]}
        try:
            shown |= delivery.get(f"/quotes?product={product}")
        except NoInstanceError:
            log.debug("no delivery: it runs only where a proxy can stand beside it")
        return shown

    @app.post("/carts/<user>/items")
    def add_to_cart(user: str) -> Any:
        return carts.post(f"/carts/{user}/items", request.get_json())

    @app.post("/carts/<user>/order")
    def buy(user: str) -> Any:
        return orders.post("/orders", {"user": user})

    return HttpServer(app, around)
