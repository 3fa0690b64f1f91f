from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from components.xds import pool
from components.xds.program import envoy_program
from telemetry.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

ROUTER = "envoy.extensions.filters.http.router.v3.Router"


def test_a_message_comes_back_as_it_was_written_with_what_it_packs() -> None:
    filters = [{"name": "router", "typed_config": {"@type": pool.TYPE_PREFIX + ROUTER, "suppress_envoy_headers": True}}]
    written = {"stat_prefix": "in", "http_filters": filters}
    name = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    read = pool.parse(name, written)
    assert pool.to_dict(read) == written
    again = pool.message_class(name).FromString(read.SerializeToString())
    assert pool.to_dict(again) == written


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(InputError, match=r"envoy\.config\.cluster\.v3\.Cluster.*no_such"):
        pool.parse("envoy.config.cluster.v3.Cluster", {"no_such": 1})
    with pytest.raises(InputError, match="unheard"):
        pool.parse("google.protobuf.Any", {"@type": pool.TYPE_PREFIX + "unheard.of"})
    assert pool.to_dict(pool.parse("envoy.config.cluster.v3.Cluster", {"name": "a", "later": 1}, ignore_unknown=True)) == {
        "name": "a"
    }
    with pytest.raises(KeyError):
        pool.message_class("unheard.of")


@pytest.mark.parametrize(
    "name",
    [
        "envoy.service.discovery.v3.DeltaDiscoveryRequest",
        "envoy.service.discovery.v3.DiscoveryResponse",
        "envoy.service.ext_proc.v3.ProcessingRequest",
        "envoy.service.network_ext_proc.v3.ProcessingRequest",
        "envoy.service.ratelimit.v3.RateLimitRequest",
        "envoy.extensions.transport_sockets.tls.v3.Secret",
        "envoy.config.bootstrap.v3.Bootstrap",
        "envoy.admin.v3.ConfigDump",
    ],
)
def test_the_pool_has_what_the_control_plane_and_the_agent_speak(name: str) -> None:
    assert pool.message_class(name).DESCRIPTOR.full_name == name


def test_the_messages_of_other_packages_are_untouched() -> None:
    pool.pool()
    assert trace_service_pb2.ExportTraceServiceRequest().SerializeToString() == b""


def test_the_program_reads_a_bootstrap_that_the_pool_wrote() -> None:
    program = envoy_program()
    if program is None:
        pytest.skip("no Envoy: its wheel is for Linux on x86-64 and aarch64")
    bootstrap = pool.parse("envoy.config.bootstrap.v3.Bootstrap", {"node": {"id": "a", "cluster": "b"}})
    written = json.dumps(pool.to_dict(bootstrap))
    done = subprocess.run(
        [program, "--mode", "validate", "--config-yaml", written], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_program_on_the_path_is_used_where_the_wheel_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert envoy_program() is None
    (program := tmp_path / "envoy").write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert envoy_program() == program
