"""What every action does alike, and every way through which some of them act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from alerting.playbooks.actions.action import Action, ActionError
from alerting.playbooks.actions.command import Command
from alerting.playbooks.actions.process import Isolates, Restarts
from alerting.playbooks.actions.scale import Scales
from spanloom.components import ACTIONS, RUNNERS
from tests.alerting.playbooks.actions.test_local import Control
from tests.alerting.playbooks.all_actions import all_actions
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

NOWHERE = f"http://127.0.0.1:{free_port()}"
REACH = {
    "supervisor": {"url": NOWHERE},
    "systemd": {"units": ["cart.service"], "systemctl": "/nowhere/systemctl"},
    "docker": {"url": "tcp" + NOWHERE.removeprefix("http"), "network": "shop"},
    "kubernetes": {"kubeconfig": "/nowhere/kubeconfig"},
}
"""How each runner is configured so that what it reaches is not there."""

CART = {"via": "supervisor", "name": "cart"}
CASES: dict[str, tuple[Mapping[str, Any], bool]] = {
    "restart": (CART, True),
    "isolate": (CART, True),
    "restore": (CART, True),
    "scale": ({"via": "kubernetes", "name": "deployment/cart", "replicas": 2}, True),
    "http": ({"url": NOWHERE}, True),
    "command": ({"command": ["/nowhere/program"]}, True),
    "runbook": ({"url": "https://example.com/cart"}, False),
    "route-weights": ({"service": "cart", "weights": "a=1"}, False),
    "rate-limit": ({"service": "cart", "per_second": 5}, False),
    "migrate": ({"service": "cart", "source": "a", "to": "b"}, False),
    "config-rollback": ({"scope": "cart"}, False),
}
"""The arguments of each, and whether it fails with them: its target is not there."""


@pytest.fixture
def actions() -> dict[str, Action]:
    sections = {one.name: one.config.model_validate(REACH[one.name]) for one in RUNNERS}
    return all_actions(Control(), **sections)


@pytest.fixture(params=[one.name for one in ACTIONS])
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_every_action_and_every_runner_has_a_case() -> None:
    assert CASES.keys() == {one.name for one in ACTIONS}
    assert REACH.keys() == {one.name for one in RUNNERS}


def test_playbooks_call_it_as_the_list_does_and_know_whether_it_may_be_repeated(name: str, actions: dict[str, Action]) -> None:
    assert actions[name].name == name
    assert isinstance(actions[name].idempotent, bool)


async def test_it_is_done_or_fails_with_a_reason(name: str, actions: dict[str, Action]) -> None:
    action, (arguments, fails) = actions[name], CASES[name]
    checked = action.arguments.model_validate(arguments)
    if fails:
        with pytest.raises(ActionError) as failed:
            await action.run(checked, "i1/step/do")
        assert str(failed.value)
    else:
        result = await action.run(checked, "i1/step/do")
        assert all(isinstance(text, str) for pair in result.items() for text in pair), "an inverse names them as text"


def test_an_argument_that_it_does_not_have_is_refused(name: str, actions: dict[str, Action]) -> None:
    with pytest.raises(ValidationError, match="no_such_argument"):
        actions[name].arguments.model_validate({**CASES[name][0], "no_such_argument": 1})


def test_what_steers_is_not_there_without_a_control_plane_and_no_way_without_its_section() -> None:
    without = all_actions()
    assert {one.name for one in ACTIONS} - without.keys() == {"route-weights", "rate-limit", "migrate", "config-rollback"}
    with pytest.raises(ValidationError, match="none is configured"):
        without["restart"].arguments.model_validate(CART)


@pytest.mark.parametrize("runner", [one.name for one in RUNNERS])
async def test_a_runner_whose_target_is_not_there_fails_each_thing_that_it_can_do(runner: str) -> None:
    (component,) = (one for one in RUNNERS if one.name == runner)
    made = component.build(component.config.model_validate(REACH[runner]), Command())
    name = {"kubernetes": "deployment/cart", "systemd": "cart.service"}.get(runner, "cart")
    assert isinstance(made, Restarts | Isolates | Scales), "it can do something"
    if isinstance(made, Restarts):
        with pytest.raises(ActionError):
            await made.restart(name, "i1/step/do")
        with pytest.raises(ActionError):
            await made.restarted(name, "i1/step/do", 0)
    if isinstance(made, Isolates):
        pod = name.replace("deployment/", "pod/")
        for act in (made.isolate, made.restore):
            with pytest.raises(ActionError):
                await act(pod, "i1/step/do")
    if isinstance(made, Scales):
        with pytest.raises(ActionError):
            await made.scale(name, 2, "i1/step/do")
