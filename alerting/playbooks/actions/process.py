"""Restart a process, take it out of traffic, and give it traffic again, `via` whatever runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from alerting.playbooks.actions.action import ActionComponent, no_dots
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    from collections.abc import Mapping


class ProcessArguments(BaseModel):
    """Which process. `via` names what runs it: one of those that are configured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    via: str
    name: Annotated[str, Field(min_length=1), AfterValidator(no_dots)]


@runtime_checkable
class Restarts(Protocol):
    """Something that can restart what it runs."""

    async def restart(self, name: str, key: str) -> Mapping[str, str]:
        """Restart it; return when the new one is ready.

        Raises:
            ActionError: it failed, or may have.
        """
        ...

    async def restarted(self, name: str, key: str, since: int) -> bool:
        """Whether that restart is done; see `action.Report`."""
        ...


@runtime_checkable
class Isolates(Protocol):
    """Something that can take what it runs out of traffic. Both are idempotent."""

    async def isolate(self, name: str, key: str) -> Mapping[str, str]:
        """No new call reaches it when this returns.

        Raises:
            ActionError: it failed, or may have.
        """
        ...

    async def restore(self, name: str, key: str) -> Mapping[str, str]:
        """Calls may reach it again.

        Raises:
            ActionError: it failed, or may have.
        """
        ...


def via(base: type[BaseModel], runners: Mapping[str, object]) -> type[BaseModel]:
    """The arguments, with `via` limited to the runners that are configured."""
    choice: Any = Literal[tuple(sorted(runners))] if runners else Literal["(none is configured)"]
    return create_model(base.__name__, __base__=base, via=(choice, ...))


class Restart:
    """Replace a process by a new one. Not idempotent: a second restart interrupts again."""

    name = "restart"
    idempotent = False

    def __init__(self, runners: Mapping[str, Restarts]) -> None:
        self._runners = runners
        self.arguments = via(ProcessArguments, runners)

    async def run(self, arguments: ProcessArguments, key: str) -> Mapping[str, str]:
        """Restart it."""
        return await self._runners[arguments.via].restart(arguments.name, key)

    async def took_effect(self, arguments: ProcessArguments, key: str, since: int) -> bool:
        """Ask what runs it."""
        return await self._runners[arguments.via].restarted(arguments.name, key, since)


class Isolate:
    """Take a process out of traffic."""

    name = "isolate"
    idempotent = True

    def __init__(self, runners: Mapping[str, Isolates]) -> None:
        self._runners = runners
        self.arguments = via(ProcessArguments, runners)

    async def run(self, arguments: ProcessArguments, key: str) -> Mapping[str, str]:
        """Isolate it."""
        return await self._runners[arguments.via].isolate(arguments.name, key)


class Restore:
    """Give an isolated process its traffic again."""

    name = "restore"
    idempotent = True

    def __init__(self, runners: Mapping[str, Isolates]) -> None:
        self._runners = runners
        self.arguments = via(ProcessArguments, runners)

    async def run(self, arguments: ProcessArguments, key: str) -> Mapping[str, str]:
        """Restore it."""
        return await self._runners[arguments.via].restore(arguments.name, key)


RESTART = ActionComponent(
    kind=ComponentKind.ACTION,
    name=Restart.name,
    build=lambda _, context: Restart({name: one for name, one in context.runners.items() if isinstance(one, Restarts)}),
    summary="Replace a process by a new one.",
    stability=Stability.STABLE,
)

ISOLATE = ActionComponent(
    kind=ComponentKind.ACTION,
    name=Isolate.name,
    build=lambda _, context: Isolate({name: one for name, one in context.runners.items() if isinstance(one, Isolates)}),
    summary="Take a process out of traffic.",
    stability=Stability.STABLE,
)

RESTORE = ActionComponent(
    kind=ComponentKind.ACTION,
    name=Restore.name,
    build=lambda _, context: Restore({name: one for name, one in context.runners.items() if isinstance(one, Isolates)}),
    summary="Give an isolated process its traffic again.",
    stability=Stability.STABLE,
)
