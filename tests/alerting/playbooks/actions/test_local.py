from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from alerting.playbooks.actions.action import ActionError
from alerting.playbooks.actions.command import Command, CommandConfig, _Tail
from alerting.playbooks.actions.http import HttpCall
from alerting.playbooks.actions.supervisor import Supervisor, SupervisorConfig
from alerting.playbooks.actions.systemd import Systemd, SystemdConfig
from tests.alerting.playbooks.actions.local_api import serve
from tests.alerting.playbooks.all_actions import all_actions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from alerting.playbooks.actions.action import Action


async def do(action: Action, key: str = "i1/step/do", **arguments: Any) -> Mapping[str, str]:
    return await action.run(action.arguments.model_validate(arguments), key)


async def test_the_supervisor_gets_the_verb_the_name_and_the_key() -> None:
    with serve(lambda _method, _path, _body: (200, {"pid": 7, "state": "ready", "url": "x"})) as api:
        actions = all_actions(supervisor=SupervisorConfig(url=api.url + "/"))
        for verb in ("restart", "isolate", "restore"):
            assert await do(actions[verb], via="supervisor", name="a/b") == {"pid": "7", "state": "ready"}
        assert api.asked == [("POST", f"/services/a%2Fb/{verb}") for verb in ("restart", "isolate", "restore")]
        assert {headers["Idempotency-Key"] for headers in api.headers} == {"i1/step/do"}


async def test_a_supervisor_that_refuses_or_is_gone_is_reported_with_its_address() -> None:
    with serve(lambda _method, _path, _body: (409, {"error": "the last one"})) as api:
        actions = all_actions(supervisor=SupervisorConfig(url=api.url))
        with pytest.raises(ActionError, match=r"isolate: 409 \(no other instance of cart takes traffic\)$") as raised:
            await do(actions["isolate"], via="supervisor", name="cart")
        assert "the last one" in raised.value.output
    with pytest.raises(ActionError, match="is the supervisor running"):
        await do(actions["isolate"], via="supervisor", name="cart")


async def test_what_a_supervisor_says_that_is_no_number_and_no_word_is_not_kept() -> None:
    said = {"pid": "7 of alice", "state": "ready: s3cret", "restarts": {"a": 1}, "isolated": True}
    with serve(lambda _method, _path, _body: (200, said)) as api:
        actions = all_actions(supervisor=SupervisorConfig(url=api.url))
        assert await do(actions["isolate"], via="supervisor", name="cart") == {"isolated": "True"}


@pytest.mark.parametrize("action", ["isolate", "http"])
async def test_an_answer_that_is_no_http_is_for_operators_only(action: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"customer-4711 is no status line\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        actions = all_actions(supervisor=SupervisorConfig(url=url))
        arguments = {"url": url} if action == "http" else {"via": "supervisor", "name": "cart"}
        with pytest.raises(ActionError, match="RemoteProtocolError") as raised:
            await do(actions[action], **arguments)
    assert "customer-4711" not in str(raised.value)
    assert "customer-4711" in raised.value.output


async def test_an_http_call_is_judged_by_its_status() -> None:
    with serve(lambda method, _path, body: (201 if body == {"a": 1} else 500, {"method": method})) as api:
        assert (await do(HttpCall(), url=api.url, json={"a": 1}))["status"] == "201"
        with pytest.raises(ActionError, match="500"):
            await do(HttpCall(), url=api.url, method="PUT")
        assert (await do(HttpCall(), url=api.url, expect=[500]))["status"] == "500"
    with pytest.raises(ValidationError):
        await do(HttpCall(), url="file:///etc/passwd")


async def test_a_header_may_lie_in_a_file_that_is_read_for_each_call(tmp_path: Path) -> None:
    token = tmp_path / "token"
    with serve(lambda _method, _path, _body: (200, {})) as api:
        for secret in ("first", "second"):
            token.write_text(f"Bearer {secret}\n")
            await do(HttpCall(), url=api.url, headers_file={"Authorization": str(token)})
        assert [headers["Authorization"] for headers in api.headers] == ["Bearer first", "Bearer second"]
        with pytest.raises(ActionError, match="none: cannot be read"):
            await do(HttpCall(), url=api.url, headers_file={"Authorization": str(tmp_path / "none")})


@pytest.mark.parametrize("arguments", [{"headers": {"X-Service": "café"}}, {"json": float("nan")}, {"json": {1, 2}}])
async def test_what_cannot_be_sent_is_a_failure_of_the_step(arguments: dict[str, Any]) -> None:
    with pytest.raises(ActionError, match=r"POST http://127\.0\.0\.1:1/hook"):
        await do(HttpCall(), url="http://127.0.0.1:1/hook", **arguments)


@pytest.mark.parametrize("dots", [".", "..", "a/../b"])
async def test_no_name_leads_out_of_its_place(dots: str) -> None:
    actions = all_actions(supervisor=SupervisorConfig(url="http://127.0.0.1:1"))
    with pytest.raises(ValidationError, match="would lead to another place"):
        await do(actions["restart"], via="supervisor", name=dots)
    with pytest.raises(ValidationError, match="would lead to another place"):
        await do(HttpCall(), url=f"http://127.0.0.1:1/services/{dots}/restart")


async def test_a_command_gets_its_words_as_they_are_and_its_output_is_evidence() -> None:
    result = await do(Command(), command=["printf", "%s|", "$HOME; rm -rf /", "*"])
    assert result["output"] == "$HOME; rm -rf /|*|"
    assert (await do(Command(), command=["sh", "-c", "echo $SPANLOOM_STEP"]))["output"] == "i1/step/do"


async def test_a_command_that_fails_or_is_not_there_is_reported_with_its_output() -> None:
    with pytest.raises(ActionError, match=r"exit code 3$") as raised:
        await do(Command(), command=["sh", "-c", "echo oops >&2; exit 3"])
    assert raised.value.output == "oops"
    with pytest.raises(ActionError, match="cannot be started"):
        await do(Command(), command=["/does/not/exist"])


async def test_a_command_gets_named_variables_alone_and_files_as_others_make_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANLOOM_STORE", "http://elastic:s3cret@es:9200")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("KUBECONFIG", "/etc/kube")
    seen = (await do(Command(), command=["env"], environment={"SERVICE": "cart"}))["output"].splitlines()
    names = {line.partition("=")[0] for line in seen}
    assert {"PATH", "LANG", "SERVICE", "SPANLOOM_STEP"} <= names
    assert names.isdisjoint({"SPANLOOM_STORE", "AWS_SECRET_ACCESS_KEY", "KUBECONFIG"})
    more = Command(CommandConfig(environment=("PATH", "KUBECONFIG")))
    assert "KUBECONFIG=/etc/kube" in (await do(more, command=["env"]))["output"]
    before = os.umask(0o077)
    try:
        await do(Command(), command=["touch", str(tmp_path / "made")])
    finally:
        os.umask(before)
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o644
    with pytest.raises(ValidationError, match="hold its secrets"):
        CommandConfig(environment=("SPANLOOM_ALERTING__APPROVAL_KEY",))


async def test_a_command_over_its_time_ends_with_all_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! $$ > {pids}.new; mv {pids}.new {pids}; wait"
    task = asyncio.create_task(do(Command(), command=["sh", "-c", script]))
    while not pids.exists():  # noqa: ASYNC110  another process makes it
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for pid in pids.read_text().split():
        async with asyncio.timeout(60):
            while running(int(pid)):  # noqa: ASYNC110  it is not our child: nothing tells of its end
                await asyncio.sleep(0.01)


async def test_a_command_ends_with_its_own_exit_whatever_it_leaves_running() -> None:
    async with asyncio.timeout(50):
        left = await do(Command(), command=["sh", "-c", "sleep 60 & echo $!"])
    assert running(int(left["output"]))
    os.kill(int(left["output"]), signal.SIGKILL)


async def test_what_a_command_left_running_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerting.playbooks.actions.command.DRAIN_SECONDS", 60)
    kept: list[str] = []
    monkeypatch.setattr(_Tail, "data_received", lambda _, data: kept.append(data.decode()))
    task = asyncio.create_task(do(Command(), command=["sh", "-c", "sleep 60 & echo $!"]))
    while not kept:  # noqa: ASYNC110  another process says it
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    while running(int(kept[0])):  # noqa: ASYNC110  it is not our child
        await asyncio.sleep(0.01)


def running(pid: int) -> bool:
    """Whether it runs; one that ended and waits for its parent does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123  nothing to join
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_systemd_restarts_the_units_that_are_allowed_and_no_other(tmp_path: Path) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text('#!/bin/sh\necho "$@"\n')
    systemctl.chmod(0o755)
    config = SystemdConfig(user=True, units=("cart.service",), systemctl=os.fspath(systemctl))
    actions = all_actions(systemd=config)
    result = await do(actions["restart"], via="systemd", name="cart.service")
    assert result["output"] == "--user restart --no-ask-password -- cart.service"
    with pytest.raises(ActionError, match="may not be restarted"):
        await do(actions["restart"], via="systemd", name="sshd.service")


@pytest.mark.parametrize(
    ("shown", "since", "restarted"),
    [
        ("ActiveEnterTimestamp=@1700000000", 1_700_000_000, True),
        ("ActiveEnterTimestamp=@1700000000", 1_700_000_001, False),
        ("ActiveEnterTimestamp=", 0, False),
    ],
)
async def test_systemd_says_whether_a_unit_was_started_since(
    tmp_path: Path, shown: str, since: int, *, restarted: bool
) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f"#!/bin/sh\necho {shown}\n")
    systemctl.chmod(0o755)
    systemd = Systemd(SystemdConfig(units=("cart.service",), systemctl=os.fspath(systemctl)))
    assert await systemd.restarted("cart.service", "k", since * 10**9) is restarted


async def test_the_supervisor_says_whose_restart_was_the_last() -> None:
    with serve(lambda _method, _path, _body: (200, {"restarted_by": "i1/restart/do"})) as api:
        supervisor = Supervisor(SupervisorConfig(url=api.url))
        assert await supervisor.restarted("cart", "i1/restart/do", 0)
        assert not await supervisor.restarted("cart", "i2/restart/do", 0)
        assert api.asked[0] == ("GET", "/services/cart")


async def test_a_run_book_is_recorded() -> None:
    actions = all_actions()
    assert await do(actions["runbook"], url="https://wiki/cart") == {"url": "https://wiki/cart"}


class Control:
    """A double of the control plane."""

    def __init__(self) -> None:
        self.before: dict[str, Any] = {}  # by key
        self.weights: Mapping[str, int] = {"a": 100, "b": 0}
        self.limit: float | None = None
        self.revision = "r7"

    async def set_weights(self, service: str, weights: Mapping[str, int], key: str) -> Mapping[str, int]:
        del service
        before: Mapping[str, int] = self.before.setdefault(key, self.weights)
        self.weights = weights
        return before

    async def set_rate_limit(self, service: str, per_second: float | None, key: str) -> float | None:
        del service
        before: float | None = self.before.setdefault(key, self.limit)
        self.limit = per_second
        return before

    async def roll_back(self, scope: str, revision: str, key: str) -> str:
        del scope
        before: str = self.before.setdefault(key, self.revision)
        self.revision = revision or "r6"
        return before


async def test_steering_gives_back_what_its_inverse_needs() -> None:
    control = Control()
    actions = all_actions(control)
    for _ in range(2):  # a crash may repeat it
        moved = await do(actions["migrate"], "1/do", service="cart", source="a", to="b")
        assert control.weights == {"a": 0, "b": 100}
    await do(actions["route-weights"], "1/undo", service="cart", weights=moved["weights"])
    assert control.weights == {"a": 100, "b": 0}
    limited = await do(actions["rate-limit"], "2/do", service="cart", per_second="10")
    assert control.limit == 10
    await do(actions["rate-limit"], "2/undo", service="cart", per_second=limited["per_second"])
    assert control.limit is None
    rolled = await do(actions["config-rollback"], "3/do", scope="cart")
    assert control.revision == "r6"
    await do(actions["config-rollback"], "3/undo", scope="cart", revision=rolled["revision"])
    assert control.revision == "r7"
    with pytest.raises(ValidationError):
        await do(actions["route-weights"], service="cart", weights="")
