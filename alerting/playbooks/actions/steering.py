"""What can steer traffic and configuration: the traffic agent and the control plane, behind one protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Steering(Protocol):
    """What can steer calls and roll configuration back.

    Every call returns the state before it. A crash may repeat one under its key: then it changes nothing, and returns the state
    before the first, for an inverse must not be given what the call itself has done.
    """

    async def set_weights(self, service: str, weights: Mapping[str, int], key: str) -> Mapping[str, int]:
        """Share the calls of a service among its instances; returns the weights before.

        Raises:
            ActionError: it failed, or may have.
        """
        ...

    async def set_rate_limit(self, service: str, per_second: float | None, key: str) -> float | None:
        """Limit the calls that a service gets, None: without limit; returns the limit before.

        Raises:
            ActionError: it failed, or may have.
        """
        ...

    async def roll_back(self, scope: str, revision: str, key: str) -> str:
        """Make a revision of the configuration the active one, empty: the one before; returns the active one before.

        Raises:
            ActionError: it failed, or may have.
        """
        ...
