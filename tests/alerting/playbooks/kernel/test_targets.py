"""What telemetry chooses to be acted upon is seen by a human, unless the playbook's trigger or an admin names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from alerting.playbooks.kernel.targets import chosen_by_telemetry
from alerting.playbooks.model.incident import IncidentState
from alerting.playbooks.model.plan import Playbook
from tests.alerting.playbooks.world import START, Alert, Processes, healer, playbooks

if TYPE_CHECKING:
    from pathlib import Path

RESTART: dict[str, Any] = {"command": ["systemctl", "restart", "--", "$service"]}
LABELS = {"alertname": "X", "service": "sshd", "unit": "cart.service"}


def playbook(*matchers: str, action: str = "command", inverse: Any = "none", **arguments: Any) -> Playbook:
    """One of a single step, whose trigger has these matchers beside an alert's name."""
    step = {"name": "a", "action": action, "with": arguments, "timeout": "10s", "inverse": inverse}
    return Playbook.model_validate(
        {
            "name": "one",
            "trigger": {"alert": ['alertname="X"', *matchers]},
            "approve": "automatic",
            "cooldown": "1m",
            "steps": [step],
            "verify": {"expr": "up > 0", "for": "15s", "within": "2m"},
        }
    )


@pytest.mark.parametrize(
    ("program", "action", "arguments"),
    [
        ("systemctl", "command", RESTART),
        ("systemctl", "command", {"command": ["sudo", "-n", "--", "/usr/bin/systemctl", "stop", "--", "a", "$service"]}),
        ("docker", "command", {"command": ["docker", "restart", "--", "$service"]}),
        ("podman", "command", {"command": ["podman", "kill", "--", "$service"]}),
        ("kubectl", "command", {"command": ["kubectl", "delete", "pod", "--", "$service"]}),
        ("docker", "restart", {"via": "docker", "name": "$service"}),
        ("docker", "isolate", {"via": "docker", "name": "shop-$service"}),
    ],
)
def test_a_unit_that_only_the_telemetry_names_is_seen_by_a_human(program: str, action: str, arguments: dict[str, Any]) -> None:
    why = chosen_by_telemetry(playbook(action=action, **arguments), LABELS, ())
    assert f"chooses that {program} acts on " in why
    assert "sshd" in why
    assert "alerting.safety.targets" in why


@pytest.mark.parametrize(
    "matcher", ['service="cart"', 'service=~"cart|pay"', 'service=~"(cart|pay)"', r'service=~"cart\\.service"']
)
def test_what_the_trigger_names_needs_nobody(matcher: str) -> None:
    assert not chosen_by_telemetry(playbook(matcher, **RESTART), LABELS, ())


@pytest.mark.parametrize(
    "matcher", ['service!=""', 'service=~".+"', 'service=~"cart.*|pay"', 'service!~"sshd"', 'service=~"cart|"', 'unit="a"']
)
def test_a_trigger_that_any_value_could_meet_names_none(matcher: str) -> None:
    assert chosen_by_telemetry(playbook(matcher, **RESTART), LABELS, ())


def test_what_an_admin_allows_needs_nobody_and_everything_else_does() -> None:
    assert not chosen_by_telemetry(playbook(**RESTART), {**LABELS, "service": "cart"}, ("cart", "pay"))
    assert chosen_by_telemetry(playbook(**RESTART), LABELS, ("cart", "pay"))
    docker = playbook(action="restart", via="docker", name="shop-$service")
    assert not chosen_by_telemetry(docker, {"service": "cart"}, ("shop-cart",))


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("command", {"command": ["systemctl", "restart", "--", "cart.service"]}),
        ("command", {"command": ["logger", "--", "$service"]}),
        ("command", {"command": ["/opt/runbooks/restart.sh", "--", "$service"]}),
        ("restart", {"via": "supervisor", "name": "$service"}),
        ("restart", {"via": "systemd", "name": "$service"}),
        ("http", {"url": "https://ops.example/$service"}),
    ],
)
def test_what_has_a_list_of_its_own_or_acts_on_nothing_needs_nobody(action: str, arguments: dict[str, Any]) -> None:
    assert not chosen_by_telemetry(playbook(action=action, **arguments), LABELS, ())


def test_an_inverse_is_looked_at_as_well_and_what_the_step_found_is_no_label() -> None:
    undo: dict[str, Any] = {
        "action": "command",
        "with": {"command": ["systemctl", "start", "--", "$service"]},
        "idempotent": True,
    }
    fixed: dict[str, Any] = {"command": ["systemctl", "stop", "--", "cart"]}
    assert "'sshd'" in chosen_by_telemetry(playbook(inverse=undo, **fixed), LABELS, ())
    undo["with"] = {"command": ["systemctl", "start", "--", "$result_output"]}
    assert not chosen_by_telemetry(playbook(inverse=undo, **fixed), LABELS, ())


def test_an_incident_whose_unit_the_telemetry_chose_waits_for_a_human(tmp_path: Path) -> None:
    processes = Processes(sick={"cart/a"})
    (plan, *_) = playbooks(tmp_path)
    step = plan.steps[0].model_copy(update={"arguments": {"via": "docker", "name": "$service"}})
    plan = plan.model_copy(update={"steps": (step, *plan.steps[1:])})
    for allowed, waits in (((), True), (("cart",), False)):
        made = healer([plan], processes, targets=allowed)
        made.on_alert(Alert("cart"), START)
        made.advance(START)
        (incident,) = made.incidents.values()
        assert (incident.state is IncidentState.APPROVING) is waits
