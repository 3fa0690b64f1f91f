"""All that an agent serves to Envoy of its own: proxies or interception, and the file of resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from agent.own.proxies import proxies
from agent.own.transparent import transparent
from agent.relay.messages import RUNTIME, pack
from components.xds.contract import RUNTIME_LAYER
from telemetry.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agent.config import AgentConfig

MAX_FILE_BYTES = 8 << 20
"""Largest file of resources."""


def own_resources(config: AgentConfig) -> dict[str, dict[str, bytes]]:
    """Serialized resources by type and name.

    Raises:
        ConfigError: the file of resources cannot be used.
    """
    found: list[Mapping[str, object]] = [{"@type": RUNTIME, "name": RUNTIME_LAYER, "layer": {}}]
    if config.control is None:
        found += transparent(config, config.intercept) if config.intercept is not None else proxies(config)
    if config.resources is not None:
        found += read_resources(config.resources)
    packed: dict[str, dict[str, bytes]] = {}
    for one in found:
        try:
            type_url, name, value = pack(one)
        except InputError as error:
            raise ConfigError(f"{config.resources or 'agent'}: {one.get('name', '')}: {error}") from error
        packed.setdefault(type_url, {})[name] = value
    return packed


def read_resources(path: Path) -> list[Mapping[str, object]]:
    """The list in a YAML file.

    Raises:
        ConfigError: it cannot be read, or is no list of mappings.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"{path}: more than {MAX_FILE_BYTES} bytes")
        read = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(read, list) or not all(isinstance(one, dict) for one in read):
        raise ConfigError(f"{path}: a list of resources is expected, each a mapping with its @type")
    return read
