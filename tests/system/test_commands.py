"""The commands that ask a running pipeline, against a real one: as somebody on call uses them on a terminal."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx2
import orjson
import pytest

from components.durations import SECOND
from processors.feedback.marks import SETTLES
from spanloom import clock
from telemetry import otlp
from tests.generated import traces
from tests.system.processes import Up, run_command
from tests.system.test_alerting import PATIENCE, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

RULES = """
groups:
- name: watch
  interval: 1s
  rules:
  - {alert: Watchdog, expr: vector(1), labels: {severity: none}, annotations: {summary: "rules are evaluated"}}
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    (folder / "rules.yml").write_text(RULES)
    rules = orjson.dumps([str(folder / "rules.yml")]).decode()
    process = Up(folder, SPANLOOM_ALERTING__RULES=rules, SPANLOOM_ACT__IDLE="1")
    process.start()
    try:
        process.wait_ready()
        yield process
    finally:
        process.stop()


def spanloom(up: Up, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_command({**up.environment, "SPANLOOM_URL": up.console}, *arguments)


async def test_traces_are_listed_slowest_first(up: Up) -> None:
    sent = list(traces(5))
    shift = clock.system() - sent[-1][-1].end
    sent = [[replace(span, start=span.start + shift, end=span.end + shift) for span in spans] for spans in sent]
    for spans in sent:
        headers = {"content-type": "application/x-protobuf"}
        httpx2.post(f"{up.otlp}/v1/traces", content=otlp.encode_spans(spans), headers=headers, timeout=60).raise_for_status()
    await until(lambda: up.status()["traces_stored"] == len(sent), up.status, 2 * PATIENCE)
    found = json.loads(spanloom(up, "traces", "--by", "slowest", "--limit", "3", "--json").stdout)
    took = sorted((max(span.end for span in spans) - min(span.start for span in spans) for spans in sent), reverse=True)
    assert [body["duration"] for body in found] == took[:3]
    lines = spanloom(up, "traces", "--service", "gateway").stdout.splitlines()
    assert {line.split()[0] for line in lines} == {spans[0].trace_id.hex() for spans in sent}
    assert all("12 spans" in line and line.endswith("gateway /buy") for line in lines)
    assert spanloom(up, "traces", "--service", "nobody").stdout == "no trace in the last 1h that fits\n"


async def test_an_alert_is_listed_silenced_and_heard_again(up: Up) -> None:
    def fire() -> bool:
        return spanloom(up, "alerts").stdout.startswith("firing")

    await until(fire, lambda: (up.folder / "up.log").read_text()[-2000:], 2 * PATIENCE)  # rules begin 30 s behind the clock
    line = spanloom(up, "alerts", "alertname=~Watch.*").stdout
    assert "Watchdog none" in line
    assert line.endswith("rules are evaluated\n")
    assert spanloom(up, "alerts", "alertname=Other").stdout == "no alert fires that fits\n"
    made = spanloom(up, "silence", "add", "alertname=Watchdog", "--for", "10m", "--comment", "seen", "--yes")
    assert made.returncode == 0, made.stderr
    id_ = made.stdout.split()[1]
    assert spanloom(up, "alerts").stdout == "no alert fires\n"
    assert spanloom(up, "alerts", "--all").stdout.startswith("silenced")
    listed = spanloom(up, "silence", "list").stdout
    assert listed.startswith(f"{id_}  active")
    assert listed.endswith('{alertname="Watchdog"}  local: seen\n')
    assert spanloom(up, "silence", "expire", id_).returncode == 0
    assert spanloom(up, "silence", "list").stdout == "no silence\n"
    assert spanloom(up, "alerts").stdout.startswith("firing")
    gone = spanloom(up, "silence", "expire", "00000000-0000-0000-0000-000000000000")
    assert (gone.returncode, "404" in gone.stderr) == (1, True)


def waits(begin: int, step: int, values: Sequence[float], service: str = "queue") -> bytes:
    """How long a queue made wait, in seconds, as OTLP."""
    points = [{"timeUnixNano": str(begin + n * step), "asDouble": value} for n, value in enumerate(values)]
    metric = {"name": "queue_wait_seconds", "gauge": {"dataPoints": points}}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return orjson.dumps({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]})


async def test_an_anomaly_is_listed_marked_as_expected_and_the_like_is_withheld(up: Up) -> None:
    def post(content: bytes) -> None:
        headers = {"content-type": "application/json"}
        httpx2.post(f"{up.otlp}/v1/metrics", content=content, headers=headers, timeout=60).raise_for_status()

    usual = [0.1 + n % 7 / 1000 for n in range(300)]
    post(waits(clock.system() - 301 * SECOND, SECOND, [*usual, 30.0]))
    await until(lambda: "queue_wait_seconds" in spanloom(up, "anomalies", "list").stdout, up.status, 2 * PATIENCE)
    (found,) = json.loads(spanloom(up, "anomalies", "list", "--service", "queue", "--json").stdout)
    made = spanloom(up, "anomalies", "mark", found["id"], "expected", "--for", "2h", "--note", "load test", "--json")
    mark = json.loads(made.stdout)
    assert (mark["who"], mark["id"], mark["expires"] - mark["at"]) == ("local", found["id"], 2 * 3600 * SECOND)
    assert spanloom(up, "anomalies", "marks").stdout.endswith("(local: load test)\n")
    refused = spanloom(up, "anomalies", "mark", found["id"], "expected", "--for", "9d")
    assert (refused.returncode, "up to 1w" in refused.stderr) == (1, True)
    await until(lambda: clock.system() > mark["at"] + SETTLES + SECOND, up.status)  # it counts from then on
    step = (clock.system() - mark["at"]) // 320
    post(waits(mark["at"], step, [*usual, 30.0]))

    def withheld() -> bool:
        return 'spanloom_anomalies_withheld_total{verdict="expected"} 1.0' in httpx2.get(f"{up.console}/metrics").text

    await until(withheld, up.status, 2 * PATIENCE)
    assert len(json.loads(spanloom(up, "anomalies", "list", "--service", "queue", "--json").stdout)) == 1


def test_whoever_may_not_is_told_what_to_do(up: Up, tmp_path: Path) -> None:
    without = up.environment | {"SPANLOOM_DATA_DIR": str(tmp_path), "SPANLOOM_URL": up.console}
    done = run_command(without, "silence", "add", "service=cart", "--comment", "mine", "--yes")
    assert done.returncode == 1
    assert "set SPANLOOM_TOKEN" in done.stderr
    assert spanloom(up, "silence", "list").stdout == "no silence\n"


def test_status_and_doctor_say_that_it_is_ready(up: Up) -> None:
    done = spanloom(up, "status")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, f"{up.console}: ready")
    assert json.loads(spanloom(up, "status", "--json").stdout)["ready"] is True
    found = {finding["about"]: finding for finding in json.loads(spanloom(up, "doctor", "--json").stdout)}
    assert {finding["verdict"] for finding in found.values()} <= {"ok", "note"}
    assert found["running"]["message"].endswith("ready")
    assert found["rules"]["message"].startswith("1 in ")
