"""delivery: when a product would arrive, and for how much. Without an SDK: the standard library, behind a proxy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from demo.shop.plain import PlainServer, ProxyCalls, get_through

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.shop.plain import Answer
    from demo.shop.process import Surroundings

OK, BAD_GATEWAY = 200, 502


def build(around: Surroundings) -> PlainServer:
    """The service. Its proxy for calls is `SHOP_PROXY`."""
    proxy, count = os.environ.get("SHOP_PROXY", ""), ProxyCalls(around.report)

    def quote(path: str, headers: Mapping[str, str]) -> Answer:
        try:
            status, rate = get_through(proxy, "carrier", path.replace("/quotes", "/rates", 1), headers)
        except ConnectionRefusedError as error:  # there was no proxy to see it
            return BAD_GATEWAY, {"error": f"carrier: {error}"}
        except OSError as error:
            count.add()
            return BAD_GATEWAY, {"error": f"carrier: {error}"}
        count.add()
        return (OK, {"quote": rate}) if status == OK else (BAD_GATEWAY, {"error": f"carrier answered {status}"})

    return PlainServer(around, quote, count)
