"""What every component declares: settings with a place in the configuration, and refusals that name it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from components.component import Component, ComponentKind, Stability
from spanloom.components import NOTIFIERS, _declared, components
from spanloom.config import load_config
from spanloom.reference.components import section
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from components.component import AnyComponent

ALL = {f"{one.kind}/{one.name}": one for one in components()}
EXTRAS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.fixture(params=ALL)
def component(request: pytest.FixtureRequest) -> AnyComponent:
    return ALL[request.param]


def test_it_has_a_name_a_line_that_says_what_it_is_for_and_extras_that_there_are(component: AnyComponent) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_-]*", component.name)
    assert re.fullmatch(r"[A-Z].{10,98}\.", component.summary)
    assert set(component.extras) <= EXTRAS.keys()


def test_its_settings_cannot_change_and_its_example_is_valid(component: AnyComponent) -> None:
    assert component.config.model_config.get("frozen")
    assert component.config.model_config.get("extra") == "forbid"
    assert json.loads(json.dumps(component.example)) == component.example, "it is shown as YAML and as JSON"
    component.example_config()


def test_a_setting_that_it_does_not_have_is_refused(component: AnyComponent) -> None:
    with pytest.raises(ValidationError, match="no_such_setting"):
        component.config.model_validate({**component.example, "no_such_setting": 1})


# Notifiers have a file of their own: test_notifiers.py
@pytest.mark.parametrize("name", [n for n, one in ALL.items() if section(one) and one.kind is not ComponentKind.NOTIFIER])
def test_a_wrong_setting_in_the_file_is_refused_with_its_path(name: str, tmp_path: Path) -> None:
    component, where = ALL[name], section(ALL[name])
    nested: object = {**component.example, "no_such_setting": 1}
    for step in reversed(where.split(".")):
        nested = {step: nested}
    file = tmp_path / "spanloom.json"
    file.write_text(json.dumps(nested))
    with pytest.raises(
        ConfigError, match=rf"{re.escape(str(file))}:1:\d+: {re.escape(where)}.no_such_setting: there is no such setting"
    ):
        load_config(file)


def test_two_of_one_name_are_refused_and_so_is_what_is_no_component() -> None:
    place = "alerting.notify.webhook:WEBHOOK"
    assert _declared(ComponentKind.NOTIFIER, place) == NOTIFIERS[:1]
    with pytest.raises(TypeError, match="another notifier has the name 'webhook'"):
        _declared(ComponentKind.NOTIFIER, place, place)
    for wrong in ("alerting.notify.webhook:Webhook", "alerting.notify.webhook:NOTHING"):
        with pytest.raises(TypeError, match=f"{wrong} is no notifier component"):
            _declared(ComponentKind.NOTIFIER, wrong)
    with pytest.raises(TypeError, match="is no store component"):
        _declared(ComponentKind.STORE, place)


def test_settings_that_hold_a_secret_are_named_wherever_they_are() -> None:
    secrets = {name: one.secrets for name, one in ALL.items() if one.secrets}
    assert secrets["notifier/apprise"] == ("urls",)
    assert "http_config.basic_auth.password" in secrets["notifier/webhook"]
    assert secrets["store/elasticsearch"] == ("api_key", "password")
    made: AnyComponent = Component(
        kind=ComponentKind.STORE, name="x", build=lambda _, __: None, summary="X.", stability=Stability.BETA
    )
    assert made.secrets == ()
