"""Fixtures of all tests."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.services"]

SERVICES = {"kafka", "elasticsearch"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run beside each other, one process has those that need Kafka or Elasticsearch: each is started once."""
    for item in items:
        if SERVICES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group("services"))
