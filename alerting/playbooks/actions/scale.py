"""Change how many instances run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pydantic import Field

from alerting.playbooks.actions import process
from alerting.playbooks.actions.action import ActionComponent
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    from collections.abc import Mapping


class ScaleArguments(process.ProcessArguments):
    """What, and how many. Its inverse asks for `$result_replicas`: how many there were."""

    replicas: int = Field(ge=0, le=1000)


@runtime_checkable
class Scales(Protocol):
    """Something that can run more or fewer instances."""

    async def scale(self, name: str, replicas: int, key: str) -> Mapping[str, str]:
        """Run so many; returns `replicas`, how many there were: before the first try, when it is repeated under its key.

        Raises:
            ActionError: it failed, or may have.
        """
        ...


class Scale:
    """Run so many instances."""

    name = "scale"
    idempotent = True

    def __init__(self, runners: Mapping[str, Scales]) -> None:
        self._runners = runners
        self.arguments = process.via(ScaleArguments, runners)

    async def run(self, arguments: ScaleArguments, key: str) -> Mapping[str, str]:
        """Scale it."""
        return await self._runners[arguments.via].scale(arguments.name, arguments.replicas, key)


SCALE = ActionComponent(
    kind=ComponentKind.ACTION,
    name=Scale.name,
    build=lambda _, context: Scale({name: one for name, one in context.runners.items() if isinstance(one, Scales)}),
    summary="Change how many instances run.",
    stability=Stability.BETA,
)
