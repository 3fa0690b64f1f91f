"""Playbook and chaos files, and label values put into queries and arguments."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from alerting.playbooks.label_values import check_values
from alerting.playbooks.model.load import load_playbooks
from alerting.promql.expression import compile_expression
from alerting.variables import names_in, render, render_query
from spanloom.experiments.chaos.experiment import load_experiment
from telemetry.errors import ConfigError, InputError
from tests.alerting.playbooks.all_actions import all_actions
from tests.fuzz.rules import YAML_WORDS
from tests.fuzz.target import Target

if TYPE_CHECKING:
    from pathlib import Path

    from alerting.playbooks.model.plan import Step

PLAYBOOKS = {
    "playbooks": [
        {
            "name": "restart-culprit",
            "trigger": {"alert": ['alertname="ServiceCulprit"', "severity=~c.*"]},
            "target": {"service": "$service", "instance": "${instance}"},
            "conditions": [{"expr": 'up{service="$service"} > 0', "because": "it runs"}],
            "approve": {"human": "5m"},
            "cooldown": "10m",
            "steps": [
                {
                    "name": "call",
                    "phase": "isolate",
                    "action": "http",
                    "with": {"url": "http://127.0.0.1:9/isolate?service=$service", "method": "POST"},
                    "timeout": "10s",
                    "inverse": {"action": "http", "with": {"url": "http://127.0.0.1:9/restore"}, "idempotent": True},
                },
                {
                    "name": "run",
                    "action": "command",
                    "with": {"command": ["systemctl", "restart", "--", "$service"], "environment": {"LABEL_X": "$service"}},
                    "timeout": "1s",
                    "inverse": "none",
                },
                {"name": "back", "undo": "call"},
            ],
            "verify": {"expr": 'rate(calls_total{service="$service"}[30s]) > 0', "for": "10s", "within": "1m"},
        }
    ]
}
EXPERIMENT = {
    "kind": "HTTPChaos",
    "name": "slow",
    "spec": {"selector": {"labelSelectors": {"service": "cart"}}, "delay": "400ms"},
    "expect": {"alert_within": "1m", "culprit_first": True},
    "settle": "2m",
}
_WORDS = (
    *YAML_WORDS,
    b"$service",
    b"${",
    b"$$",
    b"$result_x",
    b"with",
    b"url",
    b"command",
    b"; id",
    b"--",
    b"approve: automatic",
)


HOSTILE = (
    "cart", "; id", "$(id)", "-x", "--config=/etc/passwd", "a b", 'a"} or vector(1) #', "../../x", "..", "evil.example",
    ":81", "@evil", "/x", "?a=b", "#", "%2e%2e", "\r\nX: y", "\0", "", "x" * 5000, "\u202e", "9" * 30, "a;b", "`id`", "'",
    "{{7*7}}",
)  # fmt: skip
"""What telemetry may say where a playbook expects the name of a service."""


def _same_but_for_values(step: Step, labels: dict[str, str]) -> None:
    """What was let in changes no program, no number of arguments, no option, and no part of a URL before its path."""
    plain = render(step.arguments, dict.fromkeys(labels, "x"))
    found = render(step.arguments, labels)
    if step.action == "command":
        assert found["command"][0] == plain["command"][0], "another program"
        for written, argument in zip(step.arguments["command"], found["command"], strict=True):
            assert written == argument or not argument.startswith("-"), "an option"
    if isinstance(found.get("url"), str):
        one, other = urlsplit(found["url"]), urlsplit(plain["url"])
        assert (one.scheme, one.netloc) == (other.scheme, other.netloc), "another host"
        assert one.path.count("/") == other.path.count("/"), "another path"
        assert ".." not in one.path.split("/"), "a path upwards"
        assert bool(one.query) == bool(other.query), "a query"


def of_files(folder: Path) -> tuple[Target, ...]:
    """Playbook and experiment files."""
    actions = all_actions()
    playbooks, experiment = folder / "playbooks.yml", folder / "experiment.yml"

    def of_playbooks(data: bytes) -> None:
        playbooks.write_bytes(data)
        for playbook in load_playbooks([playbooks], actions):
            assert playbook.revision
            for hostile in HOSTILE:
                labels = dict.fromkeys(names_in([step.arguments for step in playbook.steps]), hostile)
                playbook.answers("alert", labels)
                for step in playbook.steps:
                    with suppress(ConfigError):
                        check_values(step.action, step.arguments, labels)
                        _same_but_for_values(step, labels)

    def of_experiment(data: bytes) -> None:
        experiment.write_bytes(data)
        load_experiment(experiment)

    return (
        Target("playbook-files", of_playbooks, (json.dumps(PLAYBOOKS).encode(),), _WORDS, 500e-6),
        Target("chaos-files", of_experiment, (json.dumps(EXPERIMENT).encode(),), YAML_WORDS, 200e-6),
    )


def _label(data: bytes) -> None:
    """No label value ends the string that it stands in."""
    try:
        value = data.decode()
    except UnicodeDecodeError as error:
        raise InputError(str(error)) from None
    query = render_query('up{service="$service"} == 1', {"service": value})
    (found,) = compile_expression(query).selectors
    assert [matcher.value for matcher in found if matcher.name == "service"] == [value], "the label's value reads otherwise"
    url = render({"url": "http://127.0.0.1:9/x?service=$service"}, {"service": value})["url"]
    assert not set(url.removeprefix("http://127.0.0.1:9/x?service=")) & set("/?#&@: \r\n\"'<>"), (
        "the label leaves its place in the URL"
    )


TARGETS = (
    Target(
        "label-values", _label, (b"cart", b'a"} or vector(1) #', b"\\", b"a\nb"), (b'"', b"\\", b"\n", b"$service", b"}", b"\0")
    ),
)
