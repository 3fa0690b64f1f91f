"""The actions that a configuration allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from alerting.playbooks.actions.command import Command
from alerting.playbooks.actions.http import HttpCall
from alerting.playbooks.actions.process import Isolate, Restart, Restore
from alerting.playbooks.actions.runbook import Runbook
from alerting.playbooks.actions.supervisor import Supervisor, SupervisorConfig

if TYPE_CHECKING:
    from alerting.playbooks.actions.action import Action


class ActionsConfig(BaseModel):
    """What actions may reach. What is left out cannot be named in a playbook's `via`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    supervisor: SupervisorConfig | None = None


def build_actions(config: ActionsConfig) -> dict[str, Action]:
    """Every action by its name. Nothing is connected before an action runs."""
    supervisor = {"supervisor": Supervisor(config.supervisor)} if config.supervisor else {}
    actions: list[Action] = [
        Restart(supervisor),
        Isolate(supervisor),
        Restore(supervisor),
        HttpCall(),
        Command(),
        Runbook(),
    ]
    return {action.name: action for action in actions}
