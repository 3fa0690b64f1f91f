"""The rule of who may import whom covers the whole tree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}


def test_every_top_level_package_is_under_the_import_rule() -> None:
    assert set(SETTINGS["tool"]["importlinter"]["root_packages"]) == PACKAGES


def test_every_top_level_package_is_in_the_wheel_and_tests_are_not() -> None:
    named = {pattern.rstrip("*") for pattern in SETTINGS["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert named == PACKAGES


def test_the_lock_file_has_an_exact_version_and_a_hash_of_each_package_and_names_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    packages = re.findall(r"^[a-z0-9][^\s;]*", lock, flags=re.MULTILINE)
    assert all("==" in package for package in packages), [package for package in packages if "==" not in package]
    assert lock.count("--hash=sha256:") >= len(packages) > 100
    assert "://" not in lock


def test_every_page_that_the_readme_names_is_there() -> None:
    named = re.findall(r"\]\(([a-z/-]+\.md)\)", (ROOT / "README.md").read_text())
    assert named
    assert [page for page in named if not (ROOT / page).exists()] == []
