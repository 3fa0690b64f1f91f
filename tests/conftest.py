"""Fixtures of all tests."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
import structlog
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


@pytest.fixture(autouse=True)
def _logging_of_this_test_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command sets up the logging of its process, and loggers keep what they first used: others may hear nothing."""
    for module, hook in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(module, hook, getattr(module, hook))
    configure: Any = structlog.configure
    monkeypatch.setattr(structlog, "configure", lambda **chosen: configure(**chosen | {"cache_logger_on_first_use": False}))
    root, chosen = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.configure(**chosen)
