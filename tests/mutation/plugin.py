"""What pytest does differently while mutmut runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings

if TYPE_CHECKING:
    import pytest

EXAMPLES = 30
"""Of a property: it is tried for every mutant of the functions that it calls."""


def pytest_collection() -> None:
    """Give properties fewer examples, before they are read."""
    settings.register_profile(
        "mutation", settings.get_profile("untimed"), max_examples=EXAMPLES, derandomize=True, database=None
    )
    settings.load_profile("mutation")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its id under the name before pytest 9.2 too, for mutmut 3.7; 3.8 needs a newer click than Faust's."""
    for item in items:
        item._nodeid = item.nodeid  # type: ignore[attr-defined]
