"""The demo as its users run it: one round unattended, judged by its report and its exit code."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from governance.stores.sqlite import SqliteStore
from tests.governance.mesh import needs_envoy
from tests.services import free_port
from tests.system.exactness import QUICK

ROOT = Path(__file__).parents[2]
PORTS = ("--port", "--otlp-grpc-port", "--otlp-http-port", "--shop-port", "--webhook-port")

pytestmark = pytest.mark.system


def free_ports() -> list[str]:
    """A free port for each option."""
    first = free_port(*range(1, len(PORTS)))
    return [text for number, option in enumerate(PORTS) for text in (option, str(first + number))]


async def run_for_report(*arguments: str) -> dict[str, Any]:
    """What a command that ends well says with --json."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spanloom.cli", *arguments, "--json", *free_ports()),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, progress = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()
    assert process.returncode == 0, out.decode() + progress.decode()
    report: dict[str, Any] = json.loads(out)
    return report


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("fault", "service"), [("latency", "payment"), ("errors", "inventory")])
async def test_a_fault_is_found_explained_alerted_repaired_proven_and_resolved(
    fault: str, service: str, tmp_path: Path
) -> None:
    report = await run_for_report("demo", "--once", "--fault", fault, "--no-mesh", "--data-dir", str(tmp_path))
    assert report["injected"]["service"] == report["culprits"][0][0] == service
    assert report["injected_ranked_first"] is True
    assert 0 < report["seconds_to_detect"] <= report["seconds_to_resolve"]
    # The notification and the playbook both follow the alert, and do not wait for each other.
    assert 0 < report["seconds_to_alert"] <= report["seconds_to_verify"]
    assert 0 < report["seconds_to_repair"] <= report["seconds_to_verify"]
    assert 0 < report["spans_sent"] == report["spans_joined"] == report["spans_stored"]
    assert report["spans_lost_by_the_shop"] == 0
    assert report["logs_joined"] > 0
    assert report["audit_verified"] is True
    assert report["missing"] == []
    assert {"firing", "resolved"} <= {alert["status"] for payload in report["notifications"] for alert in payload["alerts"]}
    assert all(payload["version"] == "4" for payload in report["notifications"])


@pytest.mark.timeout(600)
async def test_a_bad_release_is_found_rolled_back_and_proven_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_envoy()
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    quick = ("--warm-up", "3", "--rate", "4", "--data-dir", str(tmp_path))
    report = await run_for_report("demo", "--once", "--fault", "bad-release", *quick)
    assert report["injected"]["service"] == "carrier"
    assert 0 < report["seconds_to_repair"] <= report["seconds_to_verify"]
    # A proxy drops what its collector does not acknowledge in time; what an SDK sent is all there.
    assert 0 < report["spans_sent"] < report["spans_stored"] <= report["spans_sent"] + report["spans_by_proxy"]
    assert report["spans_joined"] == report["spans_stored"]
    assert report["missing"] == []


@pytest.mark.timeout(600)
async def test_a_release_step_by_step_goes_back_and_mended_it_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_envoy()
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    # What is slow on a busy machine is no reason to go back: no rule fires here.
    (tmp_path / "rules.yml").write_text("groups: [{name: none, rules: [{record: always, expr: vector(1)}]}]")
    monkeypatch.setenv("SPANLOOM_ALERTING__RULES", json.dumps([str(tmp_path / "rules.yml")]))
    quick = ("--warm-up", "3", "--rate", "6", "--data-dir", str(tmp_path))
    report = await run_for_report("demo", "--once", "--fault", "stepwise-release", "--deadline", "420", *quick)
    assert report["injected"]["service"] == "carrier"
    assert 0 < report["seconds_to_repair"] <= report["seconds_to_complete"] <= report["seconds_to_verify"]
    assert report["missing"] == []
    policies = SqliteStore(tmp_path / "control" / "control.sqlite")
    trail = [each.data for each in await policies.audit(0, 100) if each.event == "delivery"]
    await policies.close()
    assert [(each["state"], each["share"]) for each in trail] == [
        ("advancing", 0.0),
        ("advancing", 30.0),
        ("rolled-back", 0.0),
        ("advancing", 0.0),
        ("advancing", 30.0),
        ("advancing", 60.0),
        ("advancing", 100.0),
        ("completed", 100.0),
    ]
    assert [each["why"] for each in trail if each["author"]] == ["v2 was mended"]
