"""The rule of who may import whom covers the whole tree; folders are small, and no modules import each other."""

from __future__ import annotations

import ast
import re
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import grimp

if TYPE_CHECKING:
    from collections.abc import Iterator

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


MAX_ANY = 200
"""Lines of the product on which `Any` stands, imports among them: JSON, and what packages without types hand out."""

BANNED_WORDS = {
    "told", "tells", "taken", "takes", "outlet", "inlet", "patience", "patiently", "disown", "manieth", "kin", "desk", "anew",
    "mend", "mended", "board", "forgotten", "receipt", "receipts",
}  # fmt: skip
"""Words that docs/glossary.md replaces, as part of an identifier."""

KEPT = {
    "RECEIPT",  # a kind of documents
    "receipt",  # of the demo's shop: of a payment
    "told",  # a field of stored incidents
    "taken_over",  # of traffic, by another instance
    "traffic_taken_over",
}


def product() -> dict[Path, ast.Module]:
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {path: ast.parse(path.read_text()) for path in files}


def test_a_class_name_stands_in_at_most_two_files() -> None:
    homes: dict[str, list[str]] = {}
    for path, tree in product().items():
        for name in {node.name for node in tree.body if isinstance(node, ast.ClassDef)}:
            homes.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert {name: files for name, files in homes.items() if len(files) > 2} == {}


def test_any_stands_on_few_lines() -> None:
    lines = [line for path in product() for line in path.read_text().splitlines() if re.search(r"\bAny\b", line)]
    assert len(lines) < MAX_ANY, len(lines)


def identifiers(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name) | ast.Attribute(attr=name):
                yield name


def test_identifiers_use_the_words_of_the_field() -> None:
    wrong = {
        (str(path.relative_to(ROOT)), name)
        for path, tree in product().items()
        for name in identifiers(tree)
        if BANNED_WORDS & set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())) and name not in KEPT
    }
    assert sorted(wrong) == []


def test_log_events_are_constants_in_snake_case() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in product().items()
        if ROOT / "demo" not in path.parents  # an application like any other, with the standard library's logging
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
        and node.func.attr in {"debug", "info", "warning", "error", "exception", "critical"}
        and not (
            isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
            and re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", node.args[0].value)
        )
    ]
    assert wrong == []


def test_what_documents_name_by_its_file_is_there() -> None:
    pages = [page for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"] if "decisions" not in page.parts]
    named = [(page.name, *found) for page in pages for found in re.findall(r"`(\w+/[\w/]+\.py):\s+(\w+)", page.read_text())]
    assert len(named) > 5
    wrong = [
        one for one in named if not re.search(rf"\b{one[2]}\b", (ROOT / one[1]).read_text() if (ROOT / one[1]).exists() else "")
    ]
    assert wrong == []
