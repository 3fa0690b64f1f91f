"""What the rules say, and that nftables reads them."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from agent.config import AgentConfig, InterceptConfig
from agent.intercept.rules import closed, rules
from spanloom.cli import main

if TYPE_CHECKING:
    from pathlib import Path

FULL = InterceptConfig(
    exclude_outbound_ports=(25, 9092),
    exclude_inbound_ports=(22,),
    closed_ports=(8080, 8443),
    exclude_networks=("10.0.0.0/8", "10.1.0.0/16", "fd00::/8"),
)


def test_a_dry_run_prints_the_rules_and_sets_none(tmp_path: Path) -> None:
    file = tmp_path / "agent.yml"
    file.write_text("agent: {service: shop, envoy: {user: 4711}, intercept: {exclude_outbound_ports: [25]}}")
    result = CliRunner().invoke(main, ["agent", "--config", str(file), "intercept", "--dry-run"])
    assert result.exit_code == 0, result.output
    assert result.output == rules(InterceptConfig(exclude_outbound_ports=(25,)), 4711)
    assert "flags owner" in result.output
    assert "meta skuid 4711 return" in result.output
    refused = CliRunner().invoke(main, ["agent", "--config", str(file), "intercept"])
    assert refused.exit_code == 2
    assert "agent.intercept" in refused.output


def test_what_is_excluded_returns_before_the_redirect() -> None:
    lines = [line.strip() for line in rules(FULL, 1337).splitlines()]
    outbound = lines[lines.index("chain outbound {") : lines.index("chain inbound {")]
    assert outbound[-2] == "meta l4proto tcp redirect to :15001"
    assert {"ip daddr { 10.0.0.0/8 } return", "ip6 daddr { fd00::/8 } return", "tcp dport { 25, 9092 } return"} < set(outbound)
    inbound = lines[lines.index("chain inbound {") : lines.index("chain direct {")]
    assert inbound[-2] == "meta l4proto tcp redirect to :15006"
    assert {"ip saddr { 10.0.0.0/8 } return", "tcp dport { 22 } return"} < set(inbound)
    assert "chain inbound {" not in rules(InterceptConfig(inbound=False), 1337)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("nft") is None, reason="NOT ROOT, or no nft: nobody checks the syntax")
@pytest.mark.parametrize("config", [FULL, InterceptConfig(), InterceptConfig(inbound=False), InterceptConfig(outbound=False)])
def test_nftables_reads_the_rules(config: InterceptConfig) -> None:
    text = rules(config, 1337) + (closed(config.closed_ports) if config.closed_ports else "")
    read = subprocess.run(["nft", "-c", "-f", "-"], input=text, capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match="replaces inbound and outbound"):
        AgentConfig.model_validate({"intercept": {}, "inbound": {"port": 1, "application": "127.0.0.1:2"}})
    with pytest.raises(ValidationError, match="ports are"):
        InterceptConfig(exclude_inbound_ports=(0,))
    with pytest.raises(ValidationError, match="nobody could reach"):
        InterceptConfig(closed_ports=(22,))
    with pytest.raises(ValidationError, match="without inbound"):
        InterceptConfig(closed_ports=(80,), inbound=False)
    with pytest.raises(ValidationError, match="host bits"):
        InterceptConfig(exclude_networks=("10.0.0.1/8",))
