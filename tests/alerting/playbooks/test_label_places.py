"""A label never becomes a word of a shell, an option, a host, a file or another header: refused when loaded, with its line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from alerting.playbooks.actions.command import CommandConfig
from alerting.playbooks.actions.docker import DockerConfig
from alerting.playbooks.actions.kubernetes import KubernetesConfig
from alerting.playbooks.actions.supervisor import SupervisorConfig
from alerting.playbooks.label_values import check_values
from alerting.playbooks.model.load import PlaybookError, doubts, load_playbooks
from alerting.variables import render_query
from telemetry.errors import ConfigError
from tests.alerting.playbooks.all_actions import all_actions
from tests.alerting.playbooks.steering_names import HEADERS, STRANGERS, VARIABLES

if TYPE_CHECKING:
    from pathlib import Path

OWN = "/opt/runbooks/restart.sh"
ACTIONS = all_actions(
    command=CommandConfig(programs=(OWN,)),
    supervisor=SupervisorConfig(url="http://127.0.0.1"),
    docker=DockerConfig(),
    kubernetes=KubernetesConfig(),
)


def written(folder: Path, action: str, arguments: Any, expr: str = 'up{service="$service"} > 0') -> Path:
    path = folder / "pb.yml"
    path.write_text(f"""playbooks:
- name: p
  trigger: {{alert: ['alertname="X"']}}
  approve: automatic
  cooldown: 1m
  steps:
  - name: a
    action: {action}
    with: {json.dumps(arguments)}
    timeout: 10s
    inverse: none
  verify: {{expr: {json.dumps(expr)}, for: 15s, within: 2m}}
""")
    return path


@pytest.mark.parametrize(
    "command",
    [
        ["sh", "-c", "restart-it $service"],
        ["sh", "-c", 'restart "$$1"', "sh", "$service"],
        ["sh", "-c", 'restart "$$1"', "--", "$service"],
        ["/bin/bash", "-lc", "x", "--", "$service"],
        ["bash", "--", "$service"],
        ["bash", "-x", "/opt/a.sh", "--", "$service"],
        ["python3.12", "-c", "print(1)", "--", "$service"],
        ["python", "-m", "restart", "--", "$service"],
        ["perl", "-e", "1", "--", "$service"],
        ["ruby", "-e1", "--", "$service"],
        ["node", "--eval", "1", "--", "$service"],
        ["php", "-r", "1", "--", "$service"],
        ["busybox", "sh", "-c", "x", "--", "$service"],
        ["env", "sh", "-c", "x $service"],
        ["env", "A=$service", "restart-it"],
        ["env", "-S", "sh -c", "--", "$service"],
        ["env", "--", "$service"],
        ["env", "--", "A=1", "$service"],
        ["xargs", "--", "$service"],
        ["ssh", "--", "$service"],
        ["ssh", "host", "--", "restart", "$service"],
        ["ssh", "host", "restart $service"],
        ["sudo", "--", "$service"],
        ["sudo", "-u", "bob", "--", "$service"],
        ["sudo", "systemctl", "restart", "--", "$service"],
        ["sudo", "--", "sh", "-c", "x", "--", "$service"],
        ["nsenter", "-t", "1", "--", "$service"],
        ["nsenter", "-t", "1", "--", "sh", "-c", "x $service"],
        ["chroot", "--", "/srv", "sh", "-c", "$service"],
        ["timeout", "--", "10", "bash", "-c", "x", "--", "$service"],
        ["docker", "exec", "--", "$service", "restart"],
        ["docker", "exec", "web", "sh", "-c", "restart $service"],
        ["podman", "run", "--", "$service"],
        ["kubectl", "exec", "web", "--", "sh", "-c", "restart $service"],
        ["kubectl", "-n", "shop", "exec", "--", "$service"],
        ["mywrap", "bash", "-c", "x", "--", "$service"],
        ["find", "/srv", "-name", "--", "$service"],
        ["awk", "--", "$service"],
        ["sed", "-e", "s/x/$service/", "--", "file"],
        ["curl", "--", "$service"],
        ["curl", "http://$service/restart"],
        ["git", "clone", "--", "$service"],
        ["systemctl", "restart", "$service"],
        ["systemctl", "restart", "--", "$service.service"],
        [OWN, "--name=$service"],
        [OWN, "-n$service"],
        [OWN, "$service"],
        [OWN, "--", "x$service"],
        [OWN, "--", "$service$operation"],
        [OWN, "bash", "-c", "x", "--", "$service"],
        ["restart.sh", "--", "$service"],
        ["/opt/runbooks/../../bin/sh", "--", "$service"],
        ["sh", OWN, "--", "$service"],
        ["env", OWN, "--", "$service"],
        ["sudo", OWN, "--", "$service"],
        ["sudo", "-u", "$service", "--", OWN, "--", "x"],
        ["sudo", "-s", "--", "systemctl", "restart", "--", "$service"],
        ["sudo", "--", "sudo", "--", OWN, "--", "$service"],
        ["sudo", "--", "$service", "--", "x"],
        ["restart-it", "--", "$service"],
        ["cat", "/etc/services.d/$service.conf"],
        ["cat", "--", "$service"],
        ["$service"],
        ["/opt/$service/restart"],
        ["restart-it", "$${service}", "$service"],
        ["systemctl", "--", "restart", "$service"],
        ["systemctl", "edit", "--", "$service"],
        ["systemctl", "isolate", "--", "$service"],
        ["systemctl", "-H", "host", "restart", "--", "$service"],
        ["systemctl", "--root=/srv", "restart", "--", "$service"],
        ["systemctl", "restart", "other", "--", "$service"],
        ["./systemctl", "restart", "--", "$service"],
        ["/tmp/systemctl", "restart", "--", "$service"],
        ["docker", "-H", "tcp://host", "restart", "--", "$service"],
        ["docker", "rm", "--", "$service"],
        ["docker", "run", "restart", "--", "$service"],
        ["docker-compose", "up", "--", "$service"],
        ["kubectl", "delete", "--", "$service"],
        ["kubectl", "delete", "namespace", "--", "$service"],
        ["kubectl", "rollout", "restart", "--", "$service"],
        ["kubectl", "-n", "$namespace", "delete", "pod", "--", "$service"],
        ["kubectl", "--server=http://host", "delete", "pod", "--", "$service"],
        ["kubectl", "apply", "-f", "x", "--", "$service"],
        ["kill", "--", "$pid"],
        ["logger", "-f", "--", "$service"],
    ],
)
def test_a_label_that_a_command_could_take_for_more_than_a_value_is_refused(tmp_path: Path, command: list[str]) -> None:
    with pytest.raises(PlaybookError, match=r"pb\.yml:9:\d+: playbooks\[0\]\.steps\[0\]\.with\.command\[\d+\]: "):
        load_playbooks([written(tmp_path, "command", {"command": command})], ACTIONS)


@pytest.mark.parametrize(
    "command",
    [
        [OWN, "--", "$service"],
        [OWN, "--now", "cart", "--", "$service", "${operation}"],
        ["sudo", "-n", "-u", "bob", "--", OWN, "--", "$service"],
        ["systemctl", "restart", "--", "$service"],
        ["/usr/bin/systemctl", "--user", "try-restart", "--no-block", "--", "$service"],
        ["sudo", "-u", "bob", "--", "systemctl", "restart", "--", "$service"],
        ["docker", "restart", "--", "$service"],
        ["docker", "container", "kill", "-s", "HUP", "--", "$service"],
        ["podman", "stop", "--time=5", "--", "$service"],
        ["kubectl", "delete", "pod", "--", "$service"],
        ["kubectl", "-n", "shop", "rollout", "restart", "deployment", "--", "$service"],
        ["kubectl", "scale", "deployment", "--replicas=3", "--namespace=shop", "--", "$service"],
        ["oc", "cordon", "--", "$instance"],
        ["logger", "-t", "repairs", "--", "$service"],
        ["sh", "-c", "echo $$HOME"],
        ["sh", "-c", "no label"],
        ["echo", "$$5"],
    ],
)
def test_a_label_that_is_a_whole_argument_behind_two_dashes_is_accepted(tmp_path: Path, command: list[str]) -> None:
    assert load_playbooks([written(tmp_path, "command", {"command": command})], ACTIONS)


@pytest.mark.parametrize(
    "command",
    [
        *([*before.split(), "--", "$service"] for before in STRANGERS),
    ],
    ids=lambda command: " ".join(command[:-2]),
)
def test_a_program_that_nobody_named_gets_no_label_and_the_error_says_how_to_name_one(
    tmp_path: Path, command: list[str]
) -> None:
    with pytest.raises(PlaybookError, match=r"pb\.yml:9:\d+: .*must not get a label.*alerting\.actions\.command\.programs"):
        load_playbooks([written(tmp_path, "command", {"command": command})], ACTIONS)


@pytest.mark.parametrize(
    "program",
    [
        *("restart.sh", "opt/restart.sh", "./restart.sh", "/opt/../bin/sh", "/opt//restart.sh", "//opt/restart.sh", "", "/"),
        *("/bin/sh", "/usr/bin/restart", "/usr/sbin/x", "/lib64/ld-linux-x86-64.so.2", "/usr/lib/x.sh", "/proc/self/exe"),
        *("/usr/local/bin/bash", "/opt/python/bin/python3.12", "/opt/bash-5.2", "/usr/local/bin/node", "/opt/vim.tiny"),
        *("/usr/local/bin/npx", "/usr/local/bin/uv", "/opt/go/bin/go", "/opt/env", "/opt/sudo", "/opt/nc.openbsd"),
        *("/usr/local/bin/kubectl", "/opt/busybox", "/opt/xargs", "/opt/dash.real", "/opt/ssh", "/opt/curl", "/opt/make"),
    ],
)
def test_no_shell_interpreter_package_manager_or_wrapper_can_be_named_as_safe(program: str) -> None:
    with pytest.raises(ValidationError):
        CommandConfig(programs=(program,))


def test_a_link_to_a_shell_cannot_be_named_as_safe_and_a_script_of_ones_own_can(tmp_path: Path) -> None:
    link, script = tmp_path / "restart", tmp_path / "make-room.sh"
    link.symlink_to("/bin/sh")
    script.write_text("#!/bin/sh\n")
    with pytest.raises(ValidationError, match="the system's"):
        CommandConfig(programs=(str(link),))
    for program in (str(script), OWN, "/usr/local/bin/restart-it", "/opt/runbooks/python-service.py"):
        assert CommandConfig(programs=(program,)).programs == (program,)


@pytest.mark.parametrize("name", [*VARIABLES, "LABEL_A\n", ""])
def test_a_label_is_the_value_of_a_variable_that_is_named_for_it_and_of_no_other(tmp_path: Path, name: str) -> None:
    arguments = {"command": ["restart-it"], "environment": {name: "$service"}}
    with pytest.raises(PlaybookError, match=r"pb\.yml:9:\d+: .*environment"):
        load_playbooks([written(tmp_path, "command", arguments)], ACTIONS)


def test_a_variable_without_a_label_has_any_name(tmp_path: Path) -> None:
    arguments = {"command": ["restart-it"], "environment": {"KUBECONFIG": "/etc/kube", "PAGER": "cat", "PRICE": "$$5"}}
    assert load_playbooks([written(tmp_path, "command", arguments)], ACTIONS)


@pytest.mark.parametrize("name", ["LABEL_SERVICE", "ALERT_SERVICE", "ALERT_service_2"])
def test_a_label_may_be_a_variable_of_a_name_of_its_own(tmp_path: Path, name: str) -> None:
    arguments = {"command": ["sh", "-c", f'restart-it "$${name}"'], "environment": {name: "$service"}}
    path = written(tmp_path, "command", arguments)
    assert load_playbooks([path], ACTIONS)
    assert any("must quote" in line for line in doubts([path], ACTIONS))


@pytest.mark.parametrize(
    "url",
    [
        "http://$service:8080/restart",
        "http://$service/",
        "$service",
        "$service://host/x",
        "http$service://host/x",
        "http://host:$port/x",
        "http://ann:$service@host/x",
        "http://$service@host/x",
        "http://host.$service/x",
        "http://host$service/x",
        "http://host$service",
        "http://good.example\\$service/x",
        "http://good.example$$@$service/x",
    ],
)
@pytest.mark.parametrize("action", ["http", "runbook"])
def test_a_label_before_the_path_of_a_url_is_refused(tmp_path: Path, action: str, url: str) -> None:
    with pytest.raises(PlaybookError, match=r"pb\.yml:9:\d+: .*url: "):
        load_playbooks([written(tmp_path, action, {"url": url})], ACTIONS)


@pytest.mark.parametrize(
    "url", ["https://host/a/$service", "https://host:8443/?s=$service", "https://host/a/x-${service}.json#$a"]
)
def test_a_label_in_the_path_or_the_query_of_a_url_is_accepted(tmp_path: Path, url: str) -> None:
    assert load_playbooks([written(tmp_path, "http", {"url": url})], ACTIONS)


@pytest.mark.parametrize(
    "more",
    [
        *({"headers": {name: "$service"}} for name in (*HEADERS, "X-Alert-A\r\nHost", "")),
        {"headers": {"Authorization": "Bearer $service"}},
        {"headers_file": {"X-A": "/etc/spanloom/$service"}},
        {"expect": ["$status"]},
        {"json": '{"service": "$service"}'},
    ],
)
def test_a_label_that_would_steer_a_request_is_refused(tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises(PlaybookError, match=r"pb\.yml:9:\d+: "):
        load_playbooks([written(tmp_path, "http", {"url": "https://host/x", **more})], ACTIONS)


def test_a_label_may_be_a_value_of_a_header_and_of_json(tmp_path: Path) -> None:
    arguments = {
        "url": "https://host/x",
        "headers": {"X-Alert-Service": "$service", "x-label-2": "a $b"},
        "json": {"text": "$service is sick"},
    }
    assert load_playbooks([written(tmp_path, "http", arguments)], ACTIONS)


@pytest.mark.parametrize(
    "expr", ["up{service='$service'} > 0", "rate($service[5m]) > 0", "up > $limit", "up{service=`$service`} > 0"]
)
def test_a_label_in_a_query_stands_in_double_quotes_or_is_refused(tmp_path: Path, expr: str) -> None:
    with pytest.raises(PlaybookError, match=r"pb\.yml:12:\d+: .*double quotes"):
        load_playbooks([written(tmp_path, "restart", {"via": "supervisor", "name": "x"}, expr)], ACTIONS)


def test_in_the_pattern_of_a_query_a_label_matches_itself_alone() -> None:
    assert render_query('up{a=~"$x|b", c="$x"}', {"x": ".*"}) == 'up{a=~"\\\\.\\\\*|b", c=".*"}'
    assert render_query('up{a!~ # why\n "$x"}', {"x": "a+b"}) == 'up{a!~ # why\n "a\\\\+b"}'
    assert render_query('up{a="=~", b="$x"} # "$$', {"x": "."}) == 'up{a="=~", b="."} # "$'


@pytest.mark.parametrize(
    ("action", "arguments", "value"),
    [
        ("command", {"command": ["a", "--", "$x"]}, "-rf"),
        ("command", {"command": ["a", "--", "$x"]}, ""),
        ("command", {"command": ["a", "--", "$x"]}, "../etc"),
        ("command", {"command": ["a", "--", "$x"]}, "a/../b"),
        ("command", {"command": ["a", "--", "$x"]}, "/etc/passwd"),
        ("command", {"command": ["a", "--", "$x"]}, "x; id"),
        ("command", {"command": ["a", "--", "$x"]}, "*"),
        ("command", {"command": ["a", "--", "$x"]}, "a\nb"),
        ("command", {"command": ["a", "--", "$x"]}, "A=1"),
        ("command", {"command": ["a", "--", "$x"]}, "a" * 256),
        ("command", {"command": ["a"], "environment": {"A": "$x"}}, "a\0b"),
        ("command", {"command": ["a"], "environment": {"A": "$x"}}, ""),
        ("http", {"url": "http://h/$x"}, ".."),
        ("http", {"url": "http://h/$x"}, "a/../../b"),
        ("http", {"url": "http://h/$x"}, "a\\..\\b"),
        ("http", {"url": "http://h/$x"}, ""),
        ("http", {"url": "http://h/$x"}, "a\r\nb"),
        ("http", {"url": "http://h/", "headers": {"X": "$x"}}, "a\r\nHost: evil"),
        ("http", {"url": "http://h/", "headers": {"X": "$x"}}, "café"),
        ("http", {"url": "http://h/", "headers": {"X": "$x"}}, ""),
        ("restart", {"via": "docker", "name": "$x"}, ""),
        ("restart", {"via": "docker", "name": "$x"}, "a\n"),
        ("restart", {"via": "docker", "name": "$x"}, ".."),
        ("scale", {"name": "deployment/a", "replicas": "$x"}, "-1"),
        ("scale", {"name": "deployment/a", "replicas": "$x"}, "1e9"),
        ("http", {"url": "http://h/", "json": {"a": "$x"}}, "a" * 20_000),
    ],
)
def test_a_value_that_would_be_more_than_a_value_is_refused_when_it_comes(
    action: str, arguments: dict[str, Any], value: str
) -> None:
    with pytest.raises(ConfigError, match="the value of x is"):
        check_values(action, arguments, {"x": value})


@pytest.mark.parametrize("value", ["cart", "shop/cart", "cart-7c9.b", "cart@1.2:8080", "Cart_2"])
def test_a_value_as_services_have_them_is_accepted_everywhere(value: str) -> None:
    for action, arguments in (
        ("command", {"command": ["a", "--", "$x"], "environment": {"A": "$x"}}),
        ("http", {"url": "http://h/$x?a=$x", "headers": {"X": "$x"}, "json": {"a": ["$x"]}}),
        ("restart", {"via": "docker", "name": "$x"}),
    ):
        check_values(action, arguments, {"x": value})


@pytest.mark.parametrize(
    ("action", "arguments", "warning"),
    [
        ("command", {"command": [OWN, "--", "$service"]}, "program gets a label"),
        ("command", {"command": ["systemctl", "restart", "--", "$service"]}, "program gets a label"),
        ("http", {"url": "http://ops.example/restart"}, "without TLS"),
        ("http", {"url": "https://ann:pw@ops.example/restart"}, "password in a URL"),
        ("http", {"url": "https://ops.example/", "headers": {"Authorization": "Bearer a1b2c3d4e5"}}, "headers_file"),
        ("scale", {"via": "kubernetes", "name": "deployment/a", "replicas": "$wanted"}, "how many"),
    ],
)
def test_what_could_be_dangerous_is_warned_of_with_its_line(
    tmp_path: Path, action: str, arguments: dict[str, Any], warning: str
) -> None:
    (line, *_) = doubts([written(tmp_path, action, arguments)], ACTIONS)
    assert line.startswith(str(tmp_path / "pb.yml:9:"))
    assert warning in line


def test_a_proof_that_reads_no_telemetry_is_warned_of(tmp_path: Path) -> None:
    (line,) = doubts([written(tmp_path, "restart", {"via": "supervisor", "name": "$service"}, "vector(1)")], ACTIONS)
    assert "pb.yml:12:18: playbooks[0].verify.expr: it reads no telemetry" in line


def test_the_default_playbook_has_no_doubts() -> None:
    from importlib.resources import files  # noqa: PLC0415
    from pathlib import Path as Real  # noqa: PLC0415

    assert doubts([Real(str(files("alerting.playbooks") / "default.yml"))], ACTIONS) == []
