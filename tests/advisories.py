"""Whether a known advisory names a version of the lock files, asked of PyPI with pip-audit.

Run: `make audit`. Ends with 0 where each version was looked up and none is named, with 1 where one is, and with 2 where not all
could be looked up: an answer of nobody is no answer. `--if-reachable` makes 0 of the last, for machines without a way to PyPI's
advisories, and says so as loudly.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "deploy/requirements.lock")
SECONDS = 600.0
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out; `named` and `unknown` are sentences."""

    checked: int
    named: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def code(self) -> int:
        """The exit code."""
        return 1 if self.named else 2 if self.unknown or not self.checked else 0

    def lines(self, lock: str) -> list[str]:
        """What to print of a lock file."""
        said = [f"{lock}: {line}" for line in self.named]
        if self.code == 2:
            several = f"{len(self.unknown)} of {self.checked + len(self.unknown)} versions" if self.checked else "no version"
            could = "could not" if self.checked else "could"
            said.append(f"{lock}: NOT CHECKED FOR ADVISORIES: {several} {could} be looked up")
            said += [f"  {line}" for line in self.unknown[:SHOWN]]
        elif not self.named:
            said.append(f"{lock}: {self.checked} versions looked up, no advisory names any")
        return said


def verdict(answer: dict[str, Any] | None, trouble: str = "") -> Verdict:
    """What pip-audit's answer says; None if it gave none."""
    if answer is None:
        return Verdict(0, (), (trouble or "pip-audit gave no answer",))
    named, unknown, checked = [], [], 0
    for item in answer["dependencies"]:
        if "skip_reason" in item:
            unknown.append(item["skip_reason"])
            continue
        checked += 1
        for advisory in item["vulns"]:
            fixed = ", ".join(advisory["fix_versions"]) or "no version"
            named.append(f"{item['name']} {item['version']}: {advisory['id']}, fixed in {fixed}")
    return Verdict(checked, tuple(named), tuple(unknown))


def ask(lock: Path) -> Verdict:
    """What PyPI knows of the versions of a lock file."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--requirement", str(lock)]
    options = ["--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return verdict(None, f"pip-audit had not ended after {SECONDS:.0f} s")
    last = done.stderr.strip().splitlines()[-1:]
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = None
    return verdict(answer, "".join(last))


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask for each lock file; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--if-reachable", action="store_true", help="0 where not all could be looked up")
    asked = parser.parse_args(arguments)
    codes = []
    for lock in LOCKS:
        found = ask(ROOT / lock)
        print("\n".join(found.lines(lock)), flush=True)  # noqa: T201 - its output
        codes.append(found.code)
    if 1 in codes:
        return 1
    return 2 if 2 in codes and not asked.if_reachable else 0


if __name__ == "__main__":
    sys.exit(main())
