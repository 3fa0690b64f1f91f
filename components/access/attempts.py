"""How many failed logins of an address are answered before it has to wait."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from components.access.proxies import address_of

if TYPE_CHECKING:
    from collections.abc import Callable

BURST = 10
"""Wrong logins that an address may try at once."""

SECONDS_EACH = 6.0
"""After so many seconds it may try another: a scraper with an old token is refused for that, not for trying."""

MAX_ADDRESSES = 10_000


class Attempts:
    """Counts wrong logins by address; of IPv6 by network of 64 bits, which one customer has.

    Args:
        now: nanoseconds since any moment.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._spent: OrderedDict[str, tuple[float, int]] = OrderedDict()  # wrong logins left to forgive, at which time

    def __len__(self) -> int:
        return len(self._spent)

    def wait(self, address: str) -> float:
        """Seconds until an address may try again; 0 if it may now."""
        spent = self._left(_client(address))
        return 0.0 if spent <= BURST - 1 else (spent - (BURST - 1)) * SECONDS_EACH

    def failed(self, address: str) -> None:
        """Count a wrong login."""
        client = _client(address)
        self._spent[client] = (min(self._left(client) + 1, float(BURST)), self._now())
        self._spent.move_to_end(client)
        if len(self._spent) > MAX_ADDRESSES:
            self._spent.popitem(last=False)

    def _left(self, client: str) -> float:
        spent, at = self._spent.get(client, (0.0, 0))
        return max(0.0, spent - (self._now() - at) / 1e9 / SECONDS_EACH) if spent else 0.0


def _client(address: str) -> str:
    found = address_of(address)
    if found is None or found.version == 4:
        return str(found or address)
    return found.exploded[:19]
