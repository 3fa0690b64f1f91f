"""What `make bench` prints and keeps, of made figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from tests.benchmarks.alone import Input, Measured
from tests.benchmarks.report import Run

if TYPE_CHECKING:
    from pathlib import Path


def run(given: Input, together: float) -> Run:
    found = Run.of(given)
    found.add("parse", Measured(100_000, 1.0, 0.2))
    found.add("together", Measured(100_000, 1.0, together))
    return found


@pytest.mark.parametrize(("given", "asked"), [(Input(12, 10, 960), ("0.05 (80% of it)", "0.1")), (Input(12), ("", ""))])
def test_what_is_asked_of_a_stage_is_beside_its_share_where_the_input_is_that_one(given: Input, asked: tuple[str, str]) -> None:
    assert run(given, 5.0).asked("together") == asked
    assert run(given, 5.0).asked("parse") == ("", "")


def test_a_run_is_kept_and_the_next_of_its_input_is_beside_it(tmp_path: Path) -> None:
    given = Input(12, 10, 960)
    assert run(given, 4.0).save(tmp_path) is None
    assert run(Input(12), 9.0).save(tmp_path) is None  # another input
    before = run(given, 5.0).save(tmp_path)
    assert before is not None
    assert before.share("together") == pytest.approx(0.05)
    console = Console(width=200)
    with console.capture() as printed:
        console.print(run(given, 5.0).table(before))
    assert "0.0400" in printed.get()
    assert "0.0500" in printed.get()
