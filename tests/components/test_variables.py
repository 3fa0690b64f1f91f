from __future__ import annotations

import pytest

from components.variables import misspelt
from spanloom.config import Config, load_config
from telemetry.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SPANLOOM_CONSOL", "SPANLOOM_CONSOLE"),
        ("SPANLOOM_DATADIR", "SPANLOOM_DATA_DIR"),
        ("SPANLOOM_KAFKA_PASSWORD", "SPANLOOM_KAFKA__PASSWORD"),
        ("SPANLOOM_TOPIC__PARTITIONS", "SPANLOOM_TOPICS__PARTITIONS"),
        ("SPANLOOM_TOKENS", "SPANLOOM_TOKEN"),
    ],
)
def test_a_typo_is_named_with_what_was_meant(name: str, meant: str) -> None:
    assert misspelt({name: "x"}, Config) == [f"{name}: there is no such setting; did you mean {meant}?"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SPANLOOM_TOKEN", "x"),
        ("SPANLOOM_ALERTING__ACTIONS__COMMAND__PROGRAMS", "{}"),
        ("SPANLOOM_SERVICES_REQUIRED", "1"),
        ("SPANLOOM_CONSOLE_SERVICE_HOST", "10.0.0.1"),  # Kubernetes, for a service of the name spanloom-console
        ("SPANLOOM_CONSOLE_PORT", "tcp://10.0.0.1:8080"),
        ("SPANLOOM_CONSOLE_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("HOME", "/"),
    ],
)
def test_other_variables_are_left_alone(name: str, value: str) -> None:
    assert misspelt({name: value}, Config) == []


def test_a_typo_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLOOM_NAMESPCE", "prod")
    with pytest.raises(ConfigError, match=r"SPANLOOM_NAMESPCE: .*did you mean SPANLOOM_NAMESPACE"):
        load_config()
