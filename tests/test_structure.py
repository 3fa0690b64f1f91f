"""The rule of who may import whom covers the whole tree; folders are small, and no modules import each other."""

from __future__ import annotations

import re
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

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


MOST_FILES = 15
"""Files that a reader takes in at a glance; past that a folder holds two things."""

OF_LIKE_COMPONENTS = {
    "alerting/notify",
    "alerting/playbooks/actions",
    "collectors/receivers",
    "dashboards/console/pages",
    "spanloom/commands",
}
"""One component a file, each behind the same interface: many are no harder to read than few."""


def test_no_folder_has_more_files_than_a_reader_takes_in_but_those_of_like_components() -> None:
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    counted = {
        str(folder.relative_to(ROOT)): sum(path.name != "__init__.py" for path in folder.glob("*.py")) for folder in folders
    }
    large = {folder: count for folder, count in counted.items() if count > MOST_FILES}
    assert large.keys() <= OF_LIKE_COMPONENTS, large
    assert counted.keys() >= OF_LIKE_COMPONENTS


def test_no_modules_import_each_other_by_whatever_way() -> None:
    graph = grimp.build_graph(*sorted(PACKAGES), cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # a CycleError names the circle
