"""The actions that a configuration allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, create_model

from alerting.playbooks.actions.action import ActionContext
from alerting.playbooks.actions.command import Command
from components.component import NoConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerting.playbooks.actions.action import Action, ActionComponent, RunnerComponent
    from alerting.playbooks.actions.steering import Steering
    from telemetry.json_object import JsonObject


class ActionsConfig(BaseModel):
    """What actions may reach. A way that is not configured cannot be named in a playbook's `via`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def section(self, name: str) -> object:
        """The configuration of an action or runner; None where it has to be written and is not."""
        return getattr(self, name, NoConfig())


def actions_config(components: Iterable[ActionComponent | RunnerComponent]) -> type[ActionsConfig]:
    """The model of `alerting.actions`: a section for each component that can be configured."""
    sections: JsonObject = {
        one.name: (one.config | None, Field(default=None, description=one.summary))
        if one.required
        else (one.config, Field(default=one.config(), description=one.summary))
        for one in components
        if one.config is not NoConfig
    }
    return create_model("ActionsConfig", __base__=ActionsConfig, __doc__=ActionsConfig.__doc__, **sections)


def build_actions(
    components: Iterable[ActionComponent],
    runners: Iterable[RunnerComponent],
    config: ActionsConfig,
    steering: Steering | None = None,
) -> dict[str, Action]:
    """Every action by its name. Nothing is connected before an action runs.

    Args:
        components: of the actions.
        runners: what they may act through.
        config: what may be reached.
        steering: the control plane, where there is one; without it, playbooks that steer are refused at load.
    """
    command = Command(getattr(config, Command.name, None))
    configured = {one.name: settings for one in runners if (settings := config.section(one.name)) is not None}
    built = {one.name: one.build(configured[one.name], command) for one in runners if one.name in configured}
    context = ActionContext(command, built, steering)
    actions: dict[str, Action] = {}
    for one in components:
        settings = config.section(one.name)
        action = None if settings is None else one.build(settings, context)
        if action is not None:
            actions[one.name] = action
    return actions
