"""Fixtures of all tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from components.secrets import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["tests.services", "tests.postgresql"]

# A loaded machine is no fault of the product: how long something takes is a question for tests/benchmarks.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _secrets_of_this_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process masks what it has seen of secrets, for good: what one test calls a secret another may expect to read."""
    for attribute, empty in (("_texts", set()), ("_rotating", {}), ("_pattern", None), ("dropped", 0)):
        monkeypatch.setattr(SECRETS, attribute, empty)


@pytest.fixture(autouse=True)
def _settings_of_this_test_alone() -> Iterator[None]:
    """A command names its file in SPANLOOM_CONFIG, which a process that a later test starts would read."""
    before = _settings()
    yield
    for name in _settings().keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("SPANLOOM_")}
