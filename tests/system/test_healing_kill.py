from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from telemetry.audit import verify

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


class Supervisor:
    """A real HTTP server. At one call it kills the caller, before or after it does what was asked.

    It can tell what it did last, unless it is to be `silent`.
    """

    def __init__(self, verb: str, moment: str) -> None:
        self.killed, self.victim, self.isolated, self.calls = False, 0, False, Counter[str]()
        self.restarted_by = ""
        supervisor = self

        class Api(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                supervisor.calls["asked"] += 1
                known = {} if moment == "silent after" else {"restarted_by": supervisor.restarted_by}
                self.answer(json.dumps(known).encode())

            def do_POST(self) -> None:
                asked = self.path.rsplit("/", 1)[1]
                supervisor.calls[asked] += 1
                kill = asked == verb and not supervisor.killed
                if kill and moment == "before":
                    supervisor.kill()
                    return
                if asked == "restart":
                    supervisor.restarted_by = self.headers["Idempotency-Key"]
                supervisor.isolated = {"isolate": True, "restore": False}.get(asked, supervisor.isolated)
                if kill:
                    supervisor.kill()
                    return
                self.answer(b"{}")

            def answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def kill(self) -> None:
        self.killed = True
        os.kill(self.victim, signal.SIGKILL)


@pytest.fixture
def supervisor(request: pytest.FixtureRequest) -> Iterator[Supervisor]:
    made = Supervisor(*request.param)
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def run(supervisor: Supervisor, folder: Path) -> int:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.system.healing_process", str(folder), supervisor.url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    supervisor.victim = child.pid
    try:
        return child.wait(120)
    finally:
        child.kill()


@pytest.mark.system
@pytest.mark.parametrize(
    ("supervisor", "end"),
    [
        (("isolate", "before"), "closed"),
        (("isolate", "after"), "closed"),
        (("restart", "before"), "escalated"),
        (("restart", "after"), "closed"),
        (("restart", "silent after"), "escalated"),
        (("restore", "before"), "closed"),
        (("restore", "after"), "closed"),
    ],
    indirect=["supervisor"],
)
def test_kill_9_at_any_step_resumes_or_rolls_back_and_never_restarts_twice(
    supervisor: Supervisor, end: str, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, moment = request.node.callspec.params["supervisor"]
    assert run(supervisor, tmp_path) == -signal.SIGKILL
    assert run(supervisor, tmp_path) == 0
    lines = [json.loads(line) for line in (tmp_path / "documents.jsonl").read_text().splitlines()]
    stored = {line["id"]: line for line in reversed(lines)}
    incidents = [line["body"] for line in stored.values() if line["kind"] == "incident"]
    assert max(incidents, key=lambda body: int(body["revision"]))["state"] == end
    assert supervisor.calls["restart"] == 1
    assert supervisor.calls["asked"] == (verb == "restart")
    assert not supervisor.isolated
    trail = sorted((line["body"] for line in stored.values() if line["kind"] == "audit"), key=lambda b: int(b["sequence"]))
    assert verify(trail) == []
    with capsys.disabled():  # what was covered, for whoever runs it
        print(f"\nkilled at {verb}, {moment} its effect: {end}, restarted once, {len(trail)} audit records whole")  # noqa: T201
