from __future__ import annotations

from typing import Any

from agent.config import AgentConfig
from agent.observe import MANAGER, Observer
from agent.relay.messages import LISTENER, pack, read_message
from components.xds.pool import TYPE_PREFIX, to_dict


def manager(**fields: object) -> dict[str, Any]:
    return {"name": "http", "typed_config": {"@type": MANAGER, "stat_prefix": "x", **fields}}


def test_listeners_of_a_control_plane_get_telemetry_where_they_have_none() -> None:
    own = {"random_sampling": {"value": 1.0}}
    tcp = {"@type": TYPE_PREFIX + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "x", "cluster": "x"}
    chains: list[object] = [{"filters": [manager()]}, {"filters": [manager(tracing=own), {"name": "t", "typed_config": tcp}]}]
    found: dict[str, Any] = {"@type": LISTENER, "name": "outbound", "traffic_direction": "OUTBOUND", "filter_chains": chains}
    config = AgentConfig(service="shop", namespace="eu", collector={"token": "s3cret", "sampling_percent": 5})  # type: ignore[arg-type]
    observed: Any = to_dict(read_message(LISTENER.removeprefix(TYPE_PREFIX), Observer(config)(pack(found)[2])))
    first, second = (chain["filters"][0]["typed_config"] for chain in observed["filter_chains"])
    assert first["tracing"]["random_sampling"] == {"value": 5.0}
    assert {"tag", "metadata"} <= first["tracing"]["custom_tags"][-1].keys()
    provider = first["tracing"]["provider"]["typed_config"]
    assert provider["grpc_service"]["initial_metadata"] == [{"key": "authorization", "value": "Bearer s3cret"}]
    assert second["tracing"] == own
    assert "access_log" in first
    assert "access_log" in second
    assert observed["filter_chains"][1]["filters"][1]["typed_config"] == tcp
