"""The quick lines of the attack suite, on one running product; `make attack` runs all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.attack.all_lines import LINES
from tests.attack.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.attack.line import Line

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("attack")]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("attack")) as made:
        yield made


@pytest.mark.parametrize("line", [line for line in LINES if line.quick], ids=lambda line: f"{line.kind}:{line.run.__name__}")
def test_what_an_attacker_tries_holds(line: Line, bench: Bench) -> None:
    assert line.run(bench)


def test_lines_have_names_of_their_own_and_say_what_is_attempted() -> None:
    assert len({line.name for line in LINES}) == len(LINES)
    assert [line.name for line in LINES if not line.attempted] == []
