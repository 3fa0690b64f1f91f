"""catalog: which products there are and what they cost. Flask over SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, abort

from demo.shop.database import opened
from demo.shop.http import HttpServer

if TYPE_CHECKING:
    from demo.shop.process import Surroundings


def build(around: Surroundings) -> HttpServer:
    """The service."""
    app = Flask("catalog")

    @app.get("/products")
    def products() -> list[dict[str, object]]:
        with opened(around.database) as cursor:
            rows = cursor.execute("SELECT id, name, price FROM product ORDER BY name").fetchall()
        return [{"id": product, "name": name, "price": price} for product, name, price in rows]

    @app.get("/products/<product>")
    def one(product: str) -> dict[str, object]:
        with opened(around.database) as cursor:
            row = cursor.execute("SELECT name, price FROM product WHERE id = ?", (product,)).fetchone()
        if row is None:
            abort(404)
        return {"id": product, "name": row[0], "price": row[1]}

    return HttpServer(app, around)
