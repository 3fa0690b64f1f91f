"""The whole shop: all instances, and who takes the traffic of each service."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING

from demo.shop import database
from demo.supervisor.instance import Instance, InstanceState
from demo.supervisor.roster import environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from demo.supervisor.roster import Role


class UnknownInstanceError(LookupError):
    """There is no instance of this name."""


class LastInstanceError(RuntimeError):
    """Without this instance the service would have none that takes traffic."""


class Shop:
    """Owns the instances. `folder` holds the address file, the database and the queue."""

    def __init__(self, folder: Path, otlp_grpc: str, otlp_http: str, roster: Sequence[Role]) -> None:
        self._folder = folder
        self._instances = {
            role.name: Instance(role, folder, environment(role, otlp_grpc, otlp_http), self._publish) for role in roster
        }

    def instance(self, name: str) -> Instance:
        """The instance of a name. A service's name is also that of its first instance.

        Raises:
            UnknownInstanceError: there is none; the message lists those that are.
        """
        try:
            return self._instances[name]
        except KeyError:
            raise UnknownInstanceError(f"no instance {name!r}; there are {', '.join(self._instances)}") from None

    async def start(self) -> None:
        """Start all and wait until all are ready.

        Raises:
            InstanceError: one does not become ready.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        database.create(self._folder / "shop.db")
        for instance in self._instances.values():
            instance.start()
        await asyncio.gather(*(instance.ready() for instance in self._instances.values()))

    async def stop(self) -> None:
        """End all. Safe before start and twice."""
        await asyncio.gather(*(instance.stop() for instance in self._instances.values()))

    def isolate(self, name: str) -> None:
        """Take an instance out of traffic; requests in flight end as they would. Safe twice.

        Raises:
            UnknownInstanceError: there is no such instance.
            LastInstanceError: nobody else is ready to take its traffic.
        """
        instance = self.instance(name)
        others = [
            other
            for other in self._instances.values()
            if other.role.service == instance.role.service and other is not instance and other.accepts_traffic and other.address
        ]
        if not others and not instance.isolated:
            raise LastInstanceError(f"{name} cannot be isolated: no other instance of {instance.role.service} takes traffic")
        instance.isolated = True
        self._publish()

    def restore(self, name: str) -> None:
        """Let an instance have traffic again. Safe twice."""
        self.instance(name).isolated = False
        self._publish()

    def services(self) -> list[dict[str, object]]:
        """Every instance and how it is."""
        directed = self._directed()
        return [
            {
                "name": instance.role.name,
                "service": instance.role.service,
                "pid": instance.pid,
                "state": instance.state.value,
                "url": instance.address or None,
                "restarts": instance.restarts,
                "restarted_by": instance.restarted_by,
                "isolated": instance.isolated,
                "takes_traffic": instance.accepts_traffic
                and (not instance.address or directed.get(instance.role.service) == (instance.role.front or instance.address)),
                "fault": instance.fault,
            }
            for instance in self._instances.values()
        ]

    def sent(self) -> dict[str, int]:
        """Signals that ended, were acknowledged, were given up and died with their process, over all processes so far."""
        total: Counter[str] = Counter()
        for instance in self._instances.values():
            total.update(instance.sent)
        return dict(total)

    @property
    def all_ready(self) -> bool:
        """Whether every instance accepts requests."""
        return all(instance.state is InstanceState.READY for instance in self._instances.values())

    def _directed(self) -> dict[str, str]:
        directed: dict[str, str] = {}
        for instance in self._instances.values():
            if instance.accepts_traffic and instance.address:
                directed.setdefault(instance.role.service, instance.role.front or instance.address)
        return directed

    def _publish(self) -> None:
        # Written aside and moved, so that a reader sees one version or the other.
        aside = self._folder / "addresses.json.new"
        aside.write_text(json.dumps(self._directed()))
        aside.replace(self._folder / "addresses.json")
