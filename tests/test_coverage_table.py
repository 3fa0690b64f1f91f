"""The table of `make coverage` counts what it says, and names what is missed."""

from __future__ import annotations

from tests.coverage_table import table, verdict


def file(lines: int, run: int, branches: int = 0, branches_run: int = 0) -> dict[str, dict[str, int]]:
    keys = ("num_statements", "covered_lines", "num_branches", "covered_branches")
    return {"summary": dict(zip(keys, (lines, run, branches, branches_run), strict=True))}


def test_a_folder_is_the_sum_of_its_files_and_not_the_mean_of_their_shares() -> None:
    rows = table({"a/one.py": file(90, 90), "a/b/two.py": file(10, 0, 4, 1), "a/b/c/three.py": file(100, 100, 4, 3)})
    assert [row.split() for row in rows[1:]] == [
        ["a", "200", "95.0", "8", "50.0"],
        ["a/b", "110", "90.9", "8", "50.0"],
        ["all", "200", "95.0", "8", "50.0"],
    ]


def test_nine_lines_in_ten_are_enough() -> None:
    assert verdict({"a/one.py": file(10, 9, 10, 0)}) == []


def test_fewer_name_the_files_with_the_most_lines_that_no_test_runs() -> None:
    said = verdict({"a/small.py": file(2, 0), "a/large.py": file(100, 90), "a/whole.py": file(10, 10)})
    assert said[:3] == [
        "89.3 % of lines are run by tests, 90 % have to be. Most lines that none runs:",
        "  a/large.py: 10 of 100",
        "  a/small.py: 2 of 2",
    ]
