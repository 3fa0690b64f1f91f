"""Records what an earlier release leaves behind: `python -m tests.upgrade.record CHECKOUT`, with its `make setup` done.

The release runs as its users ran it, `spanloom up` on a folder, with its clock moved to a fixed day. It learns from telemetry,
alerts, silences and repairs, and is killed with traces open and an approval waiting. Its folder becomes an archive in
tests/upgrade/recorded.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import httpx2

from spanloom.experiments.webhook import WebhookReceiver
from telemetry import otlp
from tests.system.test_alerting import OnCall, until
from tests.upgrade import moved, scenario
from tests.upgrade.archives import FOLDER
from tests.upgrade.moved import MovedUp

LEFT_OUT = {"token", "up.lock"}
"""Of the folder: a secret, and what belongs to a process."""

LEARNING_SECONDS = 75
"""Models are saved once a minute."""


async def record(checkout: Path, folder: Path, version: str) -> None:
    """Run the earlier release, kill it and archive what it left."""
    on_call = OnCall()
    async with WebhookReceiver(0, on_call.got.append) as receiver:
        settings = {"SPANLOOM_WEBHOOK_URL": receiver.url, **scenario.write_configuration(folder)}
        time = moved.MovedClock(folder / "site")
        time.stand_at(scenario.BEGIN)
        up = MovedUp(folder, time, checkout / ".venv/bin/python", **settings)
        up.start()
        try:
            await asyncio.to_thread(up.wait_ready)
            time.run_on()
            noted = await run(up, on_call)
        finally:
            up.kill()
            await asyncio.sleep(1)  # its child ends with it, a moment later
        noted["ended"] = up.now()
    (folder / "noted.json").write_text(json.dumps(noted, indent=1))
    archive(folder, FOLDER / f"{version}.tar.xz")


async def run(up: MovedUp, on_call: OnCall) -> dict[str, Any]:
    """What it is made to do; gives what cannot be seen in its folder."""
    async with httpx2.AsyncClient(timeout=30) as client:
        for path, body in scenario.past_requests():
            await moved.post(client, up, path, body)
        silence = {
            "matchers": [{"name": "service", "value": "mail", "isRegex": False, "isEqual": True}],
            "startsAt": "2024-11-29T11:00:00Z",
            "endsAt": "2036-11-29T12:00:00Z",
            "createdBy": "ann",
            "comment": "known",
        }
        (await client.post(f"{up.console}/api/v2/silences", json=silence, headers=up.proof)).raise_for_status()
        rules = {"content-type": "application/yaml"}
        url = f"{up.console}/api/v1/rules/people"
        (await client.post(url, content=scenario.RULES_OVER_HTTP, headers=up.proof | rules)).raise_for_status()
        queues = dict(scenario.QUEUES)
        reporting = asyncio.create_task(moved.report(client, up, queues, lambda: scenario.USUAL))
        await until(lambda: "payment" in moved.links(on_call), lambda: on_call.got)
        answer = {"decision": "approve", "who": "ann"}
        (await client.post(f"{up.console}{moved.links(on_call)['payment']}", json=answer)).raise_for_status()
        queues["payment"] = scenario.SHALLOW
        await until(lambda: ("resolved", "payment") in on_call.statuses(), lambda: on_call.got, 400)
        queues["cart"] = scenario.DEEP
        await until(lambda: "cart" in moved.links(on_call), lambda: on_call.got, 120)
        await asyncio.sleep(LEARNING_SECONDS)
        reporting.cancel()
        incidents = (await client.get(f"{up.console}/api/v1/find?kind=incident", headers=up.proof)).json()
        # Open traces and points, of which nothing is stored when it is killed.
        last = [span for trace in scenario.open_traces(up.now()) for span in trace]
        await moved.post(client, up, "traces", otlp.encode_spans(last))
        alerts = (await client.get(f"{up.console}/api/v2/alerts", headers=up.proof)).json()
    return {
        "alerts": {
            each["labels"]["service"]: [each["fingerprint"], each["startsAt"]]
            for each in alerts
            if each["labels"]["alertname"] == "QueueDeep"
        },
        "approval": moved.links(on_call)["cart"],
        "incidents": {each["id"]: [each["state"], each["audit"]] for each in incidents},
        "open_traces": [trace_id.hex() for trace_id in {span.trace_id: None for span in last}],
        "notified": [
            [each["status"], each["labels"]["alertname"], each["labels"].get("service")]
            for payload in on_call.got
            for each in payload["alerts"]
        ],
    }


def archive(folder: Path, to: Path) -> None:
    """The data folder and what was noted; nothing in it depends on who recorded it."""

    def kept(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = 0
        return None if Path(info.name).name in LEFT_OUT else info

    with tarfile.open(to, "w:xz", preset=9) as tar:
        tar.add(folder / "data", "data", filter=kept)
        tar.add(folder / "noted.json", "noted.json", filter=kept)


if __name__ == "__main__":
    checked_out = Path(sys.argv[1]).resolve()
    said = subprocess.run([str(checked_out / ".venv/bin/spanloom"), "--version"], capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(record(checked_out, Path(made), said.stdout.split()[-1]))
