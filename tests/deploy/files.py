"""What the deployment is made of, and the commands that it runs."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
import yaml

from spanloom.cli import COMMANDS, main
from spanloom.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
KUBERNETES = ROOT / "deploy" / "kubernetes"
IMAGE = ROOT / "deploy" / "Dockerfile"


def compose() -> dict[str, Any]:
    """The compose file, its anchors resolved."""
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return found


def manifests() -> list[dict[str, Any]]:
    """Every Kubernetes object that kustomization.yaml names."""
    named = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    assert {*named, "kustomization.yaml"} == {path.name for path in KUBERNETES.iterdir()}
    return [item for name in named for item in yaml.safe_load_all((KUBERNETES / name).read_text())]


def check_spanloom(words: Sequence[str]) -> None:
    """Fail where `spanloom` would refuse these words; skip where the command is not in this checkout."""
    assert words[0] in COMMANDS
    context = click.Context(main)
    command = main.get_command(context, words[0])
    if command is None:
        pytest.skip(f"NO COMMAND: spanloom {words[0]} is not in this checkout")
    rest = list(words[1:])
    while isinstance(command, click.Group):
        inner = command.get_command(context, rest.pop(0))
        assert inner is not None, words
        command = inner
    command.make_context(words[0], rest)


@functools.cache
def options_of(module: str) -> str:
    """`python -m MODULE --help`."""
    asked = subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    return asked.stdout


def check_variables(names: Iterable[str]) -> None:
    """Fail where the configuration does not know a `SPANLOOM_` variable."""
    for name in names:
        if not name.startswith("SPANLOOM_"):
            continue
        model: Any = Config
        for part in name.removeprefix("SPANLOOM_").lower().split("__"):
            assert part in model.model_fields, f"{name}: {model.__name__} has no {part}"
            model = model.model_fields[part].annotation


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what a developer's shell may have set for Spanloom."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SPANLOOM_")} | more
