"""What users do: each journey is a few requests to the frontend."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from demo.shop.database import PRODUCTS

Ask = Callable[[str, str, object], Awaitable[bool]]
"""Sends one request (method, path, JSON body) and says whether it succeeded."""

Journey = Callable[[Ask, str, random.Random], Awaitable[None]]
"""One user's way through the shop. It ends at the first request that fails."""


async def browse(ask: Ask, _user: str, _chance: random.Random) -> None:
    """Look at the home page."""
    await ask("GET", "/", None)


async def compare(ask: Ask, _user: str, chance: random.Random) -> None:
    """Look at two products."""
    for product in chance.sample(PRODUCTS, 2):
        if not await ask("GET", f"/products/{product[0]}", None):
            return


async def buy(ask: Ask, user: str, chance: random.Random) -> None:
    """Put one or two products into the cart, then order."""
    for product in chance.sample(PRODUCTS, chance.randint(1, 2)):
        item = {"product": product[0], "quantity": chance.randint(1, 3)}
        if not await ask("POST", f"/carts/{user}/items", item):
            return
    await ask("POST", f"/carts/{user}/order", None)


JOURNEYS: tuple[tuple[Journey, float], ...] = ((browse, 0.3), (compare, 0.3), (buy, 0.4))
"""Each journey and its share of the users."""
