"""carrier: what a parcel costs. Flask; it runs in two versions, between which the proxy of its caller chooses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flask import Flask

from demo.shop.http import HttpServer

if TYPE_CHECKING:
    from demo.shop.process import Surroundings

LOOK_UP_SECONDS = 0.004


def build(around: Surroundings) -> HttpServer:
    """The service."""
    app = Flask("carrier")

    @app.get("/rates")
    def rate() -> dict[str, object]:
        time.sleep(LOOK_UP_SECONDS)
        return {"cents": 490, "days": 2}

    return HttpServer(app, around)
