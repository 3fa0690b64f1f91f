"""Labels, rules and telemetry of strangers that would start or change what playbooks do; secrets in what is shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from tests.alerting.playbooks.steering_names import HEADERS, STRANGERS, VARIABLES
from tests.attack.line import Line, must

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.attack.bench import Bench

Call = tuple[str, str, dict[str, Any]]
"""What it is, the action, its arguments."""
OWN = "/opt/runbooks/restart.sh"
COMMANDS: dict[str, dict[str, Any]] = {
    "a shell's text": {"command": ["sh", "-c", "restart-it $service"]},
    "a shell's text, other option": {"command": ["/bin/bash", "-lc", "restart-it ${service}"]},
    "behind env": {"command": ["env", "A=b", "sh", "-c", "x $service"]},
    "behind sudo and nice": {"command": ["sudo", "nice", "-n", "5", "dash", "-ec", "x $service"]},
    "ssh's command": {"command": ["ssh", "host", "restart $service"]},
    "the program": {"command": ["$service", "restart"]},
    "python's text": {"command": ["python3", "-c", "print('$service')"]},
    "a part of an option": {"command": ["restart", "--unit=$service"]},
    "an option": {"command": ["systemctl", "restart", "$service"]},
}
PROGRAMS = (
    *STRANGERS,
    *("sh /opt/restart.sh", "env --", "sudo -s", "restart-it", "kill", "systemctl isolate", "systemctl -H host restart"),
    *("docker exec web", "docker -H tcp://host restart", "kubectl delete", "kubectl exec web"),
)
URLS: dict[str, dict[str, Any]] = {
    "a URL's host": {"url": "http://$service:8080/restart"},
    "a part of the host": {"url": "http://$service.svc/restart"},
    "user and password": {"url": "http://$service@127.0.0.1/"},
    "the scheme": {"url": "$service://127.0.0.1/"},
    "the whole": {"url": "$service"},
}


def _playbook(action: str, arguments: dict[str, Any]) -> str:
    step = {"name": "a", "action": action, "with": arguments, "timeout": "10s", "inverse": "none"}
    playbook = {
        "name": "one",
        "trigger": {"alert": ['alertname="X"']},
        "approve": "automatic",
        "cooldown": "1m",
        "steps": [step],
        "verify": {"expr": "up > 0", "for": "15s", "within": "2m"},
    }
    return json.dumps({"playbooks": [playbook]}, indent=1)


def _check(path: Path, program: str = OWN) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SPANLOOM_ALERTING__ACTIONS__COMMAND__PROGRAMS": json.dumps([program])}
    command = [sys.executable, "-m", "spanloom.cli", "playbooks", "check", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


def _write(path: Path, calls: Iterable[Call]) -> None:
    """A playbook for each call, on a line of its own, so that each is named by its line; the first is on line 2."""
    books = [json.loads(_playbook(action, arguments))["playbooks"][0] for _, action, arguments in calls]
    path.write_text("playbooks:\n" + "".join(f"- {json.dumps(book | {'name': f'p{i}'})}\n" for i, book in enumerate(books)))


def _accepted(path: Path, calls: Sequence[Call]) -> list[str]:
    """Names of the calls that `playbooks check` does not refuse with file and line."""
    _write(path, calls)
    done = _check(path)
    must(done.returncode != 0, f"nothing is refused: {done.stdout[-300:]}")
    return [name for line, (name, _, _) in enumerate(calls, 2) if f"{path}:{line}: " not in done.stderr]


def no_label_becomes_code_an_option_or_a_host(bench: Bench) -> str:
    """`playbooks check` on commands and URLs with a label where it could be more than a value."""
    calls = [
        (name, action, arguments)
        for action, cases in (("command", COMMANDS), ("http", URLS))
        for name, arguments in cases.items()
    ]
    accepted = _accepted(bench.folder() / "playbooks.yml", calls)
    must(not accepted, f"not refused with file and line: {accepted}")
    return f"{len(calls)} refused with file and line"


def no_label_steers_a_program_a_variable_or_a_header(bench: Bench) -> str:
    """Programs with a label behind `--`, variables and headers with a label, a shell named as one that takes labels."""
    path, url = bench.folder() / "playbooks.yml", "http://127.0.0.1:9/"
    calls: list[Call] = [
        *((each, "command", {"command": [*each.split(), "--", "$service"]}) for each in PROGRAMS),
        *((each, "command", {"command": ["restart-it"], "environment": {each: "$service"}}) for each in VARIABLES),
        *((each, "http", {"url": url, "headers": {each: "$service"}}) for each in HEADERS),
    ]
    missed = _accepted(path, calls)
    must(not missed, f"not refused with file and line: {missed}")
    path.write_text(_playbook("command", {"command": ["/bin/sh", "--", "$service"]}))
    named = [each for each in ("/bin/sh", "/usr/local/bin/python3", "/opt/npx", "sh") if _check(path, each).returncode == 0]
    must(not named, f"could be named as taking labels for data: {named}")
    return f"{len(calls)} refused with file and line, 4 programs refused in the configuration"


def what_is_no_code_is_not_refused(bench: Bench) -> str:
    """Labels as whole arguments, in a path, a query and a body."""
    quoted = {"command": ["sh", "-c", 'restart-it "$$LABEL_SERVICE"'], "environment": {"LABEL_SERVICE": "$service"}}
    calls: list[Call] = [
        ("a query", "http", {"url": "http://127.0.0.1:9/restart?service=$service"}),
        ("a path", "http", {"url": "http://127.0.0.1:{port}/services/$service/restart"}),
        ("a header", "http", {"url": "http://127.0.0.1:9/", "headers": {"X-Alert-Service": "$service"}}),
        ("a program of one's own", "command", {"command": [OWN, "--", "$service"]}),
        ("a unit", "command", {"command": ["systemctl", "restart", "--", "$service"]}),
        ("a variable", "command", quoted),
        ("no label", "command", {"command": ["sh", "-c", "restart-it"]}),
    ]
    path = bench.folder() / "playbooks.yml"
    _write(path, calls)
    done = _check(path)
    must(done.returncode == 0, f"refused: {done.stderr[-500:]}")
    return f"{len(calls)} accepted"


class _Refusing(BaseHTTPRequestHandler):
    """A receiver that refuses for good, and repeats what it was asked in its answer."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        body = f"no such path: {self.path}, {self.headers.get('authorization')}".encode()
        self.send_response(404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def no_secret_is_shown(bench: Bench) -> str:
    """Passwords, tokens, keys and webhook URLs looked for in every page, answer, log and in `config show`."""
    secret = "s3cr3t-w0rd-that-nobody-may-ever-see"
    port = bench.serve(_Refusing)
    receivers = bench.folder() / "receivers.yml"
    receivers.write_text(
        "route: {receiver: a, group_wait: 1s}\nreceivers:\n- name: a\n  webhook_configs:\n"
        f"  - url: http://user:{secret}@127.0.0.1:{port}/services/{secret}/hook?token={secret}\n"
        f"  slack_configs:\n  - {{api_url: 'http://127.0.0.1:{port}/services/{secret}', channel: c}}\n"
        f"  pagerduty_configs:\n  - {{routing_key: {secret}, url: 'http://127.0.0.1:{port}/{secret}'}}\n"
        f"  email_configs:\n  - {{to: a@b, from: a@b, smarthost: '127.0.0.1:{port}', auth_username: u,\n"
        f"      auth_password: {secret}}}\n"
    )
    settings = {
        "ALERTING__RECEIVERS": str(receivers),
        "ALERTING__APPROVAL_KEY": secret,
        "ELASTICSEARCH__USERNAME": "user",
        "ELASTICSEARCH__PASSWORD": secret,
    }
    own = bench.product("up", "--once", settings=settings)
    own.start()
    own.wait_ready()
    alert = b'[{"labels":{"alertname":"A"}}]'
    must(own.post("/api/v2/alerts", alert, "application/json", headers=own.authorised).status == 200, "not accepted")
    own.wait_for(lambda: own.find("notification"), 90, "no notification is recorded")
    shown = {
        path: own.get(path, headers=own.authorised).text
        for path in ("/api/v2/status", "/api/v2/receivers", "/alerts", "/api/v1/status", "/metrics")
    }
    shown["notifications"] = json.dumps(own.find("notification"))
    shown["config show"] = own.command("config", "show").stdout
    shown["log"] = own.log
    own.stop()
    where = [name for name, text in shown.items() if secret in text]
    must(not where, f"the secret stands in {where}")
    return f"{len(shown)} outputs, {len(shown['notifications'])} bytes of notifications"


LINES = (
    Line("repairs", no_label_becomes_code_an_option_or_a_host),
    Line("repairs", no_label_steers_a_program_a_variable_or_a_header),
    Line("repairs", what_is_no_code_is_not_refused),
    Line("repairs", no_secret_is_shown),
)
