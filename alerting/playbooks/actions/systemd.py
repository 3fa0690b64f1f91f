"""Units of the local systemd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from alerting.playbooks.actions.action import ActionError, RunnerComponent
from alerting.playbooks.actions.command import Command, CommandArguments
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.playbooks.actions.action import Action


class SystemdConfig(BaseModel):
    """Which systemd, and which of its units playbooks may touch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: bool = Field(default=False, description="The user's own systemd instead of the system's.")
    units: tuple[str, ...] = Field(min_length=1, description="Units that may be restarted, by their full names.")
    systemctl: str = Field(default="systemctl", description="The program.")


class Systemd:
    """Speaks `systemctl`, as an operator would."""

    def __init__(self, config: SystemdConfig, command: Action | None = None) -> None:
        self._config = config
        self._command = command or Command()

    async def restart(self, name: str, key: str) -> Mapping[str, str]:
        """Restart a unit; return when its start job is done."""
        if name not in self._config.units:
            raise ActionError(f"systemd unit {name!r} may not be restarted; the configuration allows {self._config.units}")
        return await self._systemctl("restart", "--no-ask-password", "--", name, key=key)

    async def restarted(self, name: str, key: str, since: int) -> bool:
        """Whether the unit became active since; systemd knows no keys, but the second."""
        shown = await self._systemctl("show", "--timestamp=unix", "--property=ActiveEnterTimestamp", "--", name, key=key)
        entered = shown["output"].partition("=@")[2]
        return entered.isdecimal() and int(entered) >= since // 10**9

    async def _systemctl(self, *arguments: str, key: str) -> Mapping[str, str]:
        scope = ("--user",) if self._config.user else ()
        return await self._command.run(CommandArguments(command=(self._config.systemctl, *scope, *arguments)), key)


SYSTEMD = RunnerComponent(
    kind=ComponentKind.RUNNER,
    name="systemd",
    config=SystemdConfig,
    build=Systemd,
    summary="Units of the local systemd.",
    stability=Stability.BETA,
    example={"units": ["cart.service"]},
    required=True,
)
