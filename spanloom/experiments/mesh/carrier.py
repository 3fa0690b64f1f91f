"""The policies of the demo: two versions of carrier, and what share of the calls the newer one gets."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import orjson
import yaml

from spanloom.control_client import ControlClient

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from spanloom.experiments.mesh.sidecar import MeshPorts
    from telemetry.json_object import JsonObject

SERVICE: Final = "carrier"
CANARY: Final = "carrier-canary"
"""The instance of its newer version, as the shop's supervisor calls it."""
WATCHED_SECONDS = 300
"""How long a release is watched: longer than rules take to fire."""

BEGIN_SECONDS = WATCHED_SECONDS + 120
"""An agent that an earlier run left is waited for, and what it gets is watched."""
POLL_SECONDS = 0.2


STEPS = (30, 60, 100)
"""Percent of the calls that a release gets which is delivered step by step."""
STEP_CALLS = 15
"""Fewest calls of each version that a step is judged by: the shop makes about two a second."""
STEP_SECONDS = 5


def document(ports: MeshPorts, canary_percent: int, release: str = "") -> str:
    """All policies, as YAML: fixed weights of both versions, or with `release` its delivery, step by step."""
    versions = {"v1": ports.carrier, "v2": ports.canary}
    weights = {"v1": 100 - canary_percent, "v2": canary_percent}
    endpoints = [{"address": "127.0.0.1", "port": port, "labels": {"version": version}} for version, port in versions.items()]
    rule: JsonObject = {"to": [{"labels": {"version": version}, "weight": weight} for version, weight in weights.items()]}
    if release:
        plan = {"steps": [f"{each}%" for each in STEPS], "watch": f"{STEP_SECONDS}s", "calls": STEP_CALLS, "release": release}
        rule = {"deliver": {"old": {"version": "v1"}, "new": {"version": "v2"}, **plan}}
    policies = {
        "services": [{"name": SERVICE, "endpoints": endpoints}],
        "routes": [{"name": "carrier-versions", "service": SERVICE, "rules": [rule]}],
    }
    return yaml.safe_dump(policies, sort_keys=False)


def settings(ports: MeshPorts, folder: Path, watched_seconds: float = WATCHED_SECONDS) -> dict[str, str]:
    """What `spanloom up` needs in its environment.

    The playbooks are those that ship, but for carrier: a restart of the instance that is well would help nobody.
    """
    default = yaml.safe_load((files("alerting") / "playbooks" / "default.yml").read_text("utf-8"))
    for playbook in default["playbooks"]:
        playbook["trigger"]["alert"].append(f'service!="{SERVICE}"')
    path = folder / "playbooks.yml"
    path.write_text(yaml.safe_dump(default, sort_keys=False))
    return {
        "SPANLOOM_CONTROL__PORT": str(ports.xds),
        "SPANLOOM_CONTROL__ROLLOUT": orjson.dumps({"waves": [{"soak_seconds": watched_seconds}]}).decode(),
        "SPANLOOM_ALERTING__PLAYBOOKS": orjson.dumps([str(path)]).decode(),
    }


class Releases:
    """Releases of carrier through the control plane at `url`, from entering to leaving.

    Args:
        url: of the console.
        headers: the proof of who asks.
        ports: where the instances are.
    """

    def __init__(self, url: str, headers: dict[str, str], ports: MeshPorts) -> None:
        self._client, self._ports = ControlClient(url, headers), ports

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    async def begin(self) -> None:
        """All calls go to v1; what an earlier run left on its way is taken back."""
        await self.take_back("a new run of the demo")
        await self._client.publish(document(self._ports, 0), "demo.yml", "all calls to v1")
        async with asyncio.timeout(BEGIN_SECONDS):
            while await self._on_its_way():  # noqa: ASYNC110 - the API has no events
                await asyncio.sleep(POLL_SECONDS)

    async def has_reached(self, node: str) -> bool:
        """Whether an agent has acknowledged the policies: its Envoy may be ready before, and serves nobody then."""
        found = await self._client.fleet()
        agents = (each for each in found["agents"] if each["id"] == node and each["connected"])
        return any(each["revision"] == found["stable"] for each in agents)

    async def canary(self, percent: int) -> str:
        """Give v2 a share of the calls; the number of the revision."""
        text = document(self._ports, percent)
        return str((await self._client.publish(text, "demo.yml", f"{percent} % of the calls to v2"))["number"])

    async def deliver(self, release: str) -> str:
        """Have the calls move to v2 in steps; the number of the revision. Another `release` begins again."""
        text = document(self._ports, 0, release)
        return str((await self._client.publish(text, "demo.yml", f"release {release}, step by step"))["number"])

    async def resume(self, why: str) -> None:
        """Begin again with a delivery that went back."""
        await self._client.deliver(SERVICE, "resume", why)

    async def deliveries(self) -> list[JsonObject]:
        """Where each delivery is."""
        found: list[JsonObject] = (await self._client.fleet())["deliveries"]
        return found

    async def take_back(self, why: str) -> None:
        """Take back what is on its way, if anything is."""
        if await self._on_its_way():
            await self._client.roll_back(None, why)

    async def _on_its_way(self) -> bool:
        rollout = await self.rollout()
        return rollout is not None and rollout["state"] in {"applying", "soaking"}

    async def rollout(self) -> JsonObject | None:
        """The release that is on its way, or was last."""
        found: JsonObject | None = (await self._client.fleet())["rollout"]
        return found
