"""The actions as a process has them, with what their configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.playbooks.actions.build import actions_config, build_actions
from spanloom.components import ACTIONS, RUNNERS

if TYPE_CHECKING:
    from pydantic import BaseModel

    from alerting.playbooks.actions.action import Action
    from alerting.playbooks.actions.steering import Steering


def all_actions(steering: Steering | None = None, **sections: BaseModel) -> dict[str, Action]:
    """All of them, by name."""
    return build_actions(ACTIONS, RUNNERS, actions_config((*ACTIONS, *RUNNERS))(**sections), steering)
