from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from spanloom.cli import main
from spanloom.config import Config
from spanloom.reference import documents, metrics, settings
from spanloom.reference.field_meanings import ABOUT, MEANINGS, meaning
from spanloom.reference.pages import FOLDER, PAGES
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PRODUCT = ("agent", "alerting", "collectors", "components", "dashboards", "governance", "pipeline", "spanloom", "stores")
CONSTRUCTORS = {"Counter", "Gauge", "Histogram", "CounterMetricFamily", "GaugeMetricFamily", "HistogramMetricFamily"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_declarations_say(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == PAGES[name](), "run `make docs`"


def test_every_setting_has_a_meaning() -> None:
    assert [one.path for one in settings.listed() if not one.description] == []


def test_a_variable_on_the_page_is_one_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "`SPANLOOM_TOPICS__RETENTION_HOURS`" in settings.page()
    monkeypatch.setenv("SPANLOOM_TOPICS__RETENTION_HOURS", "7")
    assert Config().topics.retention_hours == 7


def test_every_field_of_a_document_has_a_meaning_and_no_meaning_is_of_a_field_that_went() -> None:
    assert [(kind, name) for kind in Kind for name, _ in documents.fields(kind) if not meaning(kind, name)] == []
    assert set(ABOUT) == set(MEANINGS) == set(Kind)
    assert [(kind, name) for kind in Kind for name in MEANINGS[kind] if name not in dict(documents.fields(kind))] == []


def test_every_metric_that_the_source_names_is_on_the_page() -> None:
    shown = {metric.name for metric in metrics.registered()}
    assert set(_named()) - shown == set(), "spanloom/reference/metrics.py registers those of all roles"


def _named() -> Iterator[str]:
    for folder in PRODUCT:
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name)
                    and node.func.id in CONSTRUCTORS
                    and node.args
                ):
                    match node.args[0]:
                        case ast.Constant(value=str(name)) if name.startswith("spanloom_"):
                            yield name.removesuffix("_total")


def test_every_command_is_on_the_page_about_the_terminal() -> None:
    page = (ROOT / "docs" / "on-a-terminal.md").read_text("utf-8").replace("\\|", "|")
    written = re.findall(r"^spanloom ([a-z][a-z -]*)", page, re.MULTILINE) + re.findall(r"`([a-z][a-z |-]*)`", page)
    shown: set[str] = set()
    for first, *rest in (each.split() for each in written):
        # `policy check|push` is two commands of a group, and `replay FILE` is one.
        shown |= {first} | {f"{first} {each}" for each in (rest[0].split("|") if rest else ())}
    commands = set(_commands(main, ""))
    assert {"up", "policy push", "audit verify"} <= commands
    assert sorted(commands - shown) == []


def _commands(group: click.Group, before: str) -> Iterator[str]:
    """All that do something by themselves."""
    context = click.Context(group)
    for name in group.list_commands(context):  # they are loaded one by one
        command = group.get_command(context, name)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{before}{name}"
        if isinstance(command, click.Group):
            yield from _commands(command, f"{before}{name} ")
