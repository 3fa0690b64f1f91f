from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

import pytest

from telemetry import attributes

semconv = pytest.importorskip("opentelemetry.semconv._incubating.attributes")
FORMER = "opentelemetry.semconv.trace"  # as of version 1.21; it is read, not imported, for that warns


NAMES = {
    name: value
    for name, value in vars(attributes).items()
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value)
}


def documented() -> dict[str, str]:
    """Every attribute of the conventions and what is written of it; of those that are gone, what was written last."""
    former = find_spec(FORMER)
    assert former is not None
    assert former.origin is not None
    sources = [Path(former.origin)]
    sources += [Path(place, f"{module.name}.py") for place in semconv.__path__ for module in iter_modules([place])]
    found = (
        re.findall(r'^ *\w+(?:: Final)? = "([^"]+)"\n *"""(.*?)"""', path.read_text(), re.DOTALL | re.MULTILINE)
        for path in sources
    )
    return {name: note.strip() for pairs in found for name, note in pairs}


@pytest.mark.parametrize("group", NAMES)
def test_the_first_name_is_todays_and_the_others_were_replaced_by_it(group: str) -> None:
    notes = documented()
    today, *before = NAMES[group]
    assert today in notes
    assert not notes[today].startswith("Deprecated: ")
    for old in before:
        assert notes[old].startswith("Deprecated")
        assert f"`{today}`" in notes[old]


def test_the_first_name_that_has_a_value_wins() -> None:
    assert attributes.text({"db.system": "mysql", "db.system.name": "postgresql"}, attributes.DB_SYSTEM) == "postgresql"
    assert attributes.text({"db.system": "mysql", "db.system.name": ""}, attributes.DB_SYSTEM) == "mysql"
    assert attributes.text({"server.port": 0}, attributes.SERVER_PORT) == "0"
    assert attributes.text({}, attributes.SERVER_PORT) == ""
