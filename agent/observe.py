"""Telemetry in listeners of a control plane: what only the agent knows, such as where its collector is, is added here."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from agent.identity import resource
from agent.relay.messages import LISTENER, read_message
from components.xds.contract import OUTBOUND
from components.xds.pool import TYPE_PREFIX, parse, to_dict
from components.xds.telemetry import access_log, tracing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config import AgentConfig
    from telemetry.json_object import JsonObject

MANAGER = TYPE_PREFIX + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


class Observer:
    """Adds spans and access logs to each HTTP connection manager that has none of its own.

    Args:
        config: whose traffic it is, and where telemetry goes.
    """

    def __init__(self, config: AgentConfig) -> None:
        self._config = config

    def __call__(self, listener: bytes) -> bytes:
        """The serialized listener, observed."""
        name = LISTENER.removeprefix(TYPE_PREFIX)
        fields = cast("JsonObject", to_dict(read_message(name, listener)))
        outbound = fields.get("traffic_direction") == OUTBOUND.upper()
        for manager in _managers(fields):
            for key, value in self.telemetry(outbound=outbound).items():
                manager.setdefault(key, value)
        return parse(name, fields).SerializeToString(deterministic=True)

    def telemetry(self, *, outbound: bool) -> dict[str, object]:
        """`tracing` and `access_log` of a manager."""
        collector = self._config.collector
        token = collector.token.get_secret_value() if collector.token else ""
        return {
            "tracing": tracing(
                self._config.service,
                outbound=outbound,
                sampling_percent=collector.sampling_percent,
                token=token,
                timeout=collector.timeout_seconds,
            ),
            "access_log": access_log(resource(self._config), token=token, timeout=collector.timeout_seconds),
        }


def _managers(listener: JsonObject) -> Iterator[JsonObject]:
    chains = [*listener.get("filter_chains", ()), *filter(None, [listener.get("default_filter_chain")])]
    for chain in chains:
        for one in chain.get("filters", ()):
            if one.get("typed_config", {}).get("@type") == MANAGER:
                yield one["typed_config"]
