"""Envoy itself reads a snapshot before any agent gets it: configuration on which it would refuse, or panic, stays here."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from components.private_files import write_private
from components.xds.pool import message_class, to_dict
from components.xds.program import envoy_program
from components.xds.telemetry import COLLECTOR
from governance.xds.snapshot import MESSAGES, Kind
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from governance.xds.snapshot import Snapshot
    from telemetry.json_object import JsonObject

SECONDS = 60.0
"""How long Envoy may read; usual is half a second."""
_LAST = 1500
"""Characters of what Envoy says that are kept: the reason stands at the end."""


def can_check() -> bool:
    """Whether there is an Envoy here."""
    return envoy_program() is not None


async def preflight(snapshot: Snapshot) -> None:
    """Have Envoy read a snapshot as a static configuration.

    Endpoints, routes and runtime are put where they are named, so that what they mean together is checked too.

    Raises:
        ConfigError: Envoy refuses it, and says why; or it did not end.
    """
    program = envoy_program()
    if program is None:
        return
    with tempfile.TemporaryDirectory(prefix="spanloom-preflight-") as folder:
        path = Path(folder) / "bootstrap.json"
        write_private(path, json.dumps(static(snapshot)).encode())
        process = await asyncio.create_subprocess_exec(
            *(str(program), "--mode", "validate", "-c", str(path), "--log-level", "error"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(SECONDS):
                output, _ = await process.communicate()
        except TimeoutError:
            raise ConfigError(f"Envoy has not checked revision {snapshot.revision} within {SECONDS:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode:
        lines = [line for line in output.decode(errors="replace").splitlines() if "[backtrace]" not in line]
        reason = "\n".join(lines).strip()[-_LAST:]
        raise ConfigError(f"Envoy refuses revision {snapshot.revision}: {reason}")


def static(snapshot: Snapshot) -> JsonObject:
    """The snapshot as a bootstrap that names nothing outside it."""
    found = {kind: [_json(kind, each.body) for each in snapshot[kind].items.values()] for kind in Kind}
    routes = {each["name"]: each for each in found[Kind.ROUTES]}
    for listener in found[Kind.LISTENER]:
        for chain in [*listener.get("filter_chains", ()), listener.get("default_filter_chain", {})]:
            for each in chain.get("filters", ()):
                if rds := each["typed_config"].pop("rds", None):
                    each["typed_config"]["route_config"] = routes.get(rds["route_config_name"], {"name": "none"})
    endpoints = {each["cluster_name"]: each for each in found[Kind.ENDPOINTS]}
    for cluster in found[Kind.CLUSTER]:
        if cluster.pop("eds_cluster_config", None) is not None:
            cluster["type"] = "STATIC"
            cluster["load_assignment"] = endpoints.get(cluster["name"], {"cluster_name": cluster["name"]})
    layers = [{"name": each["name"], "static_layer": each.get("layer", {})} for each in found[Kind.RUNTIME]]
    bootstrapped = {"name": COLLECTOR, "type": "STATIC", "load_assignment": {"cluster_name": COLLECTOR}}
    clusters, secrets = [*_held(found[Kind.CLUSTER]), bootstrapped], found[Kind.SECRET]
    resources = {"clusters": clusters, "listeners": _held(found[Kind.LISTENER]), "secrets": secrets}
    return {
        "node": {"id": "preflight", "cluster": "preflight"},
        "static_resources": resources,
        "layered_runtime": {"layers": layers},
    }


def _held(found: list[JsonObject]) -> list[JsonObject]:
    """The same with secrets by their names alone: those of the bootstrap. A validating Envoy dies of secrets by ADS."""

    def without(value: object) -> object:
        if isinstance(value, dict):
            return {key: without(each) for key, each in value.items() if key != "sds_config"}
        return [without(each) for each in value] if isinstance(value, list) else value

    return [{key: without(each) for key, each in one.items()} for one in found]


def _json(kind: Kind, body: bytes) -> JsonObject:
    return to_dict(message_class(MESSAGES[kind]).FromString(body))
