"""frontend: what users talk to. Flask; calls catalog, cart and checkout over HTTP, inventory over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask, request

from demo.shop.http import HttpClient, HttpServer
from demo.shop.rpc import RpcClient
from demo.shop.services import inventory

if TYPE_CHECKING:
    from demo.shop.process import Surroundings


def build(around: Surroundings) -> HttpServer:
    """The service."""
    app = Flask("frontend")
    catalog = HttpClient(around.directory, "catalog")
    carts = HttpClient(around.directory, "cart")
    orders = HttpClient(around.directory, "checkout")
    stock = RpcClient(around.directory, "inventory", inventory.SERVICE)

    @app.get("/")
    def home() -> dict[str, object]:
        return {"products": catalog.get("/products")}

    @app.get("/products/<product>")
    def product_page(product: str) -> dict[str, object]:
        shown: dict[str, Any] = catalog.get(f"/products/{product}")
        return shown | {"in_stock": stock.call("Stock", {"product": product})["quantity"]}

    @app.post("/carts/<user>/items")
    def add_to_cart(user: str) -> Any:
        return carts.post(f"/carts/{user}/items", request.get_json())

    @app.post("/carts/<user>/order")
    def buy(user: str) -> Any:
        return orders.post("/orders", {"user": user})

    return HttpServer(app, around)
