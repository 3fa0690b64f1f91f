"""Actions on traffic and configuration, done by the traffic agent and the control plane behind one protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ConfigDict, Field, field_validator

if TYPE_CHECKING:
    from collections.abc import Mapping


class Steering(Protocol):
    """What can steer calls and roll configuration back.

    Every call gives the state before it. A crash may repeat one under its key: then it changes nothing, and gives the state
    before the first, for an inverse must not be told what the call itself has done.
    """

    async def set_weights(self, service: str, weights: Mapping[str, int], key: str) -> Mapping[str, int]:
        """Share the calls of a service among its instances; gives the weights before.

        Raises:
            ActionError: it failed, or may have.
        """
        ...

    async def set_rate_limit(self, service: str, per_second: float | None, key: str) -> float | None:
        """Limit the calls that a service gets, None: without limit; gives the limit before.

        Raises:
            ActionError: it failed, or may have.
        """
        ...

    async def roll_back(self, scope: str, revision: str, key: str) -> str:
        """Make a revision of the configuration the active one, empty: the one before; gives the active one before.

        Raises:
            ActionError: it failed, or may have.
        """
        ...


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Weights(_Strict):
    """Instances and their weights, as `a=90,b=10`, so that an inverse can say `$result_weights`."""

    service: str = Field(min_length=1)
    weights: dict[str, int] = Field(min_length=1)

    @field_validator("weights", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return dict(part.split("=", 1) for part in value.split(",") if "=" in part)

    @field_validator("weights")
    @classmethod
    def _some_traffic(cls, value: dict[str, int]) -> dict[str, int]:
        if min(value.values()) < 0 or not any(value.values()):
            raise ValueError("weights are 0 or more, and one at least is more")
        return value


class RouteWeights:
    """Share the calls of a service among its instances."""

    name = "route-weights"
    idempotent = True
    arguments = Weights

    def __init__(self, steering: Steering) -> None:
        self._steering = steering

    async def run(self, arguments: Weights, key: str) -> Mapping[str, str]:
        """Set the weights; the result has those before, as `weights`."""
        return {"weights": _text(await self._steering.set_weights(arguments.service, arguments.weights, key))}


class Limit(_Strict):
    """Calls a second; 0 takes the limit away."""

    service: str = Field(min_length=1)
    per_second: float = Field(ge=0)


class RateLimit:
    """Limit the calls that a service gets."""

    name = "rate-limit"
    idempotent = True
    arguments = Limit

    def __init__(self, steering: Steering) -> None:
        self._steering = steering

    async def run(self, arguments: Limit, key: str) -> Mapping[str, str]:
        """Set the limit; the result has the one before, as `per_second`."""
        before = await self._steering.set_rate_limit(arguments.service, arguments.per_second or None, key)
        return {"per_second": f"{before or 0:g}"}


class Move(_Strict):
    """All calls of a service go from one instance to another."""

    service: str = Field(min_length=1)
    source: str = Field(min_length=1)
    to: str = Field(min_length=1)


class Migrate:
    """Drain an instance and move its traffic to another. Its inverse is `route-weights` with `$result_weights`."""

    name = "migrate"
    idempotent = True
    arguments = Move

    def __init__(self, steering: Steering) -> None:
        self._steering = steering

    async def run(self, arguments: Move, key: str) -> Mapping[str, str]:
        """Move it; the result has the weights before."""
        before = await self._steering.set_weights(arguments.service, {arguments.source: 0, arguments.to: 100}, key)
        return {"weights": _text(before)}


class Revision(_Strict):
    """Which revision of which configuration; without a revision, the one before the active one."""

    scope: str = Field(min_length=1)
    revision: str = ""


class ConfigRollback:
    """Make an earlier revision of a configuration the active one. Not idempotent where it says "the one before"."""

    name = "config-rollback"
    idempotent = False
    arguments = Revision

    def __init__(self, steering: Steering) -> None:
        self._steering = steering

    async def run(self, arguments: Revision, key: str) -> Mapping[str, str]:
        """Roll back; the result has the revision that was active, as `revision`."""
        return {"revision": await self._steering.roll_back(arguments.scope, arguments.revision, key)}


def _text(weights: Mapping[str, int]) -> str:
    return ",".join(f"{name}={weight}" for name, weight in sorted(weights.items()))
