"""The actions that a configuration allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from alerting.playbooks.actions.command import Command, CommandConfig
from alerting.playbooks.actions.docker import Docker, DockerConfig
from alerting.playbooks.actions.http import HttpCall
from alerting.playbooks.actions.kubernetes import Kubernetes, KubernetesConfig
from alerting.playbooks.actions.process import Isolate, Restart, Restore
from alerting.playbooks.actions.runbook import Runbook
from alerting.playbooks.actions.scale import Scale
from alerting.playbooks.actions.steer import ConfigRollback, Migrate, RateLimit, RouteWeights
from alerting.playbooks.actions.supervisor import Supervisor, SupervisorConfig
from alerting.playbooks.actions.systemd import Systemd, SystemdConfig

if TYPE_CHECKING:
    from alerting.playbooks.actions.action import Action
    from alerting.playbooks.actions.process import Isolates, Restarts
    from alerting.playbooks.actions.scale import Scales
    from alerting.playbooks.actions.steer import Steering


class ActionsConfig(BaseModel):
    """What actions may reach. What is left out cannot be named in a playbook's `via`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: CommandConfig = CommandConfig()
    supervisor: SupervisorConfig | None = None
    systemd: SystemdConfig | None = None
    docker: DockerConfig | None = None
    kubernetes: KubernetesConfig | None = None


def build_actions(config: ActionsConfig, steering: Steering | None = None) -> dict[str, Action]:
    """Every action by its name. Nothing is connected before an action runs.

    Args:
        config: what may be reached.
        steering: the control plane, where there is one; without it, playbooks that steer are refused at load.
    """
    command = Command(config.command)
    restarts: dict[str, Restarts] = {}
    isolates: dict[str, Isolates] = {}
    scales: dict[str, Scales] = {}
    if config.supervisor:
        restarts["supervisor"] = isolates["supervisor"] = Supervisor(config.supervisor)
    if config.systemd:
        restarts["systemd"] = Systemd(config.systemd, command)
    if config.docker:
        restarts["docker"] = isolates["docker"] = Docker(config.docker)
    if config.kubernetes:
        restarts["kubernetes"] = isolates["kubernetes"] = scales["kubernetes"] = Kubernetes(config.kubernetes)
    actions: list[Action] = [
        Restart(restarts),
        Isolate(isolates),
        Restore(isolates),
        Scale(scales),
        HttpCall(),
        command,
        Runbook(),
    ]
    if steering is not None:
        actions += [RouteWeights(steering), RateLimit(steering), Migrate(steering), ConfigRollback(steering)]
    return {action.name: action for action in actions}
