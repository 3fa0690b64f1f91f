"""What `make bench-check` says of made figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from tests.benchmarks import check
from tests.benchmarks.compared import Compared, paired, shares, table
from tests.benchmarks.instructions import total_of


@pytest.mark.parametrize(
    ("head", "dearer"),
    [
        ([100.0], False),
        ([114.9], False),
        ([115.1], True),
        ([60.0], False),
        ([116.0, 300.0, 116.0, 117.0, 120.0], True),
        ([100.0, 300.0, 200.0, 130.0, 140.0], False),  # one undisturbed run shows that it is the machine
        ([100.0, 101.0, 102.0, 400.0, 500.0], False),
    ],
)
def test_work_is_dearer_where_the_median_and_the_least_have_grown_beyond_the_limit(head: list[float], dearer: bool) -> None:  # noqa: FBT001
    assert Compared("work", "s", [100.0, 100.0, 100.0, 104.0, 180.0], head).is_dearer(0.15) is dearer


def test_what_one_side_lacks_is_named_and_no_failure() -> None:
    new, gone = paired("s", {"gone": [1.0]}, {"new": [9.0]})
    assert (new.name, new.ratio, new.is_dearer()) == ("new", None, False)
    assert (gone.name, gone.ratio, gone.is_dearer()) == ("gone", None, False)
    console = Console(width=120)
    with console.capture() as printed:
        console.print(table([new, gone, Compared("same", "s", [2.0], [4.0])]))
    assert printed.get().count("not compared") == 2
    assert "DEARER" in printed.get()


def test_each_round_is_compared_with_parsing_in_the_same_round() -> None:
    """The second round ran on a machine three times as slow."""
    assert shares({"parse": [0.5, 1.5], "index": [2.0, 6.0]}, "parse") == {"index": [4.0, 4.0]}


def test_instructions_are_read_from_callgrinds_output() -> None:
    assert total_of("version: 1\nevents: Ir\nfn=(1) a\n5 7\n\ntotals: 45661204\n") == 45_661_204
    with pytest.raises(ValueError, match="totals"):
        total_of("version: 1\n")


@pytest.mark.parametrize(("head", "status"), [(115.0, 0), (116.0, 1)])
def test_the_check_fails_beyond_its_limit_and_names_what_has_become_dearer(
    head: float, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "unpacked", lambda _: Path())
    monkeypatch.setattr(check, "available", lambda: True)
    monkeypatch.setattr(check, "instructions", lambda _: [Compared("unpack", "instructions a span", [100.0], [head])])
    ran = CliRunner().invoke(check.main, ["--only", "instructions", "--base", "HEAD"])
    assert ran.exit_code == status, ran.output
    assert ("more than 15% dearer than HEAD: unpack" in ran.output) == bool(status)


def test_without_valgrind_it_says_what_it_does_not_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "unpacked", lambda _: Path())
    monkeypatch.setattr(check, "available", lambda: False)
    ran = CliRunner().invoke(check.main, ["--only", "instructions", "--base", "HEAD"])
    assert ran.exit_code == 0
    assert "NOT COMPARED" in ran.output
