"""Actions on traffic and configuration, done by the traffic agent and the control plane behind one protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, field_validator

from alerting.playbooks.actions.action import ActionComponent
from components.component import ComponentKind, NoConfig, Stability

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alerting.playbooks.actions.action import Action, ActionContext
    from alerting.playbooks.actions.steering import Steering


class _SteeringModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Weights(_SteeringModel):
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


class Limit(_SteeringModel):
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


class Move(_SteeringModel):
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


class Revision(_SteeringModel):
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


def _steered(make: Callable[[Steering], Action]) -> Callable[[NoConfig, ActionContext], Action | None]:
    return lambda _, context: None if context.steering is None else make(context.steering)


ROUTE_WEIGHTS = ActionComponent(
    kind=ComponentKind.ACTION,
    name=RouteWeights.name,
    build=_steered(RouteWeights),
    summary="Share the calls of a service among its instances.",
    stability=Stability.EXPERIMENTAL,
)

RATE_LIMIT = ActionComponent(
    kind=ComponentKind.ACTION,
    name=RateLimit.name,
    build=_steered(RateLimit),
    summary="Limit the calls that a service gets.",
    stability=Stability.EXPERIMENTAL,
)

MIGRATE = ActionComponent(
    kind=ComponentKind.ACTION,
    name=Migrate.name,
    build=_steered(Migrate),
    summary="Drain an instance and move its traffic to another.",
    stability=Stability.EXPERIMENTAL,
)

CONFIG_ROLLBACK = ActionComponent(
    kind=ComponentKind.ACTION,
    name=ConfigRollback.name,
    build=_steered(ConfigRollback),
    summary="Make an earlier revision of a configuration the active one.",
    stability=Stability.EXPERIMENTAL,
)
