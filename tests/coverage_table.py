"""`make coverage`: what the tests ran of the product, folder by folder; fails below LEAST of its lines."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coverage import Coverage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LEAST = 90.0
"""Per cent of lines of the whole product that have to be run."""

LOWEST = 12
"""Files that are named where that is missed."""


@dataclass(frozen=True, slots=True)
class Share:
    """Lines and branches, and how many of them were run."""

    lines: int
    lines_run: int
    branches: int
    branches_run: int

    @staticmethod
    def of(files: Iterable[Mapping[str, Any]]) -> Share:
        """The sum over files of coverage's report in JSON."""
        keys = ("num_statements", "covered_lines", "num_branches", "covered_branches")
        found = list(files)
        return Share(*(sum(file["summary"][key] for file in found) for key in keys))

    @property
    def of_lines(self) -> float:
        """Per cent of lines; of none, all."""
        return 100 * self.lines_run / self.lines if self.lines else 100.0

    @property
    def of_branches(self) -> float:
        """Per cent of branches; of none, all."""
        return 100 * self.branches_run / self.branches if self.branches else 100.0

    def row(self, name: str) -> str:
        """A line of the table."""
        return f"{name:<28} {self.lines:>7} {self.of_lines:>7.1f} {self.branches:>9} {self.of_branches:>7.1f}"


def table(files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A row for each folder of the product, its packages with one for each folder in them, and one for all."""
    folders: dict[str, list[Mapping[str, Any]]] = {}
    for path, file in files.items():
        parts = Path(path).parts[:-1]
        for depth in range(1, min(len(parts), 2) + 1):
            folders.setdefault("/".join(parts[:depth]), []).append(file)
    head = f"{'folder':<28} {'lines':>7} {'%':>7} {'branches':>9} {'%':>7}"
    rows = [Share.of(folders[folder]).row(folder if "/" not in folder else f"  {folder}") for folder in sorted(folders)]
    return [head, *rows, Share.of(files.values()).row("all")]


def verdict(files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Nothing where enough lines are run, else by how much they miss and which files have the most lines that no test runs."""
    share = Share.of(files.values())
    if share.of_lines >= LEAST:
        return []
    missed = {path: Share.of([file]) for path, file in files.items()}
    most = sorted(missed, key=lambda path: missed[path].lines_run - missed[path].lines)[:LOWEST]
    named = [f"  {path}: {missed[path].lines - missed[path].lines_run} of {missed[path].lines}" for path in most]
    return [f"{share.of_lines:.1f} % of lines are run by tests, {LEAST:.0f} % have to be. Most lines that none runs:", *named]


def main() -> None:
    """Join what the processes wrote, print the table, and fail where it is too little."""
    coverage = Coverage()
    coverage.combine(keep=False)
    coverage.save()
    report = Path(coverage.config.data_file).with_name("report.json")
    coverage.json_report(outfile=str(report))
    files = json.loads(report.read_text("utf-8"))["files"]
    failed = verdict(files)
    sys.stdout.write("\n".join([*table(files), *failed]) + "\n")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
