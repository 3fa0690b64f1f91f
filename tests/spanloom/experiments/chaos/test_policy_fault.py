"""A fault through Envoy: a policy while it is wanted, gone afterwards whatever happens, and no other policy is touched."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from components.durations import SECOND
from governance.files import read_policies
from spanloom import clock
from spanloom.access.local_token import authorization
from spanloom.control_client import ControlClient
from spanloom.experiments.chaos.experiment import HttpSpec
from spanloom.experiments.chaos.policy_fault import PolicyFaultError, fault_policy, policy_fault
from spanloom.experiments.process import ROOT
from tests.governance.mesh import DEADLINE, Connection, Upstream, needs_envoy, running_envoy
from tests.governance.test_commands import controlling
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOUR = 3600 * SECOND
OTHERS = """
timeouts: [{name: t, service: cart, request: 1s}]
faults: [{name: theirs, service: cart, abort: {status: 418}, until: "2030-01-31T18:00:00Z"}]
"""
OWNER = """
import asyncio, sys
from spanloom import clock
from spanloom.access.local_token import authorization
from spanloom.control_client import ControlClient
from spanloom.experiments.chaos.experiment import HttpSpec
from spanloom.experiments.chaos.policy_fault import policy_fault
from pathlib import Path

url, folder, seconds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
spec = HttpSpec.model_validate({"selector": {"labelSelectors": {"service": "pay"}}, "abort": True, "through": "envoy"})

async def own():
    async with ControlClient(url, authorization(url, folder)) as control:
        async with policy_fault(spec, seconds * 10**9, control, clock.system):
            print("in", flush=True)
            await asyncio.sleep(3600)

asyncio.run(own())
"""


def spec(**of: Any) -> HttpSpec:
    return HttpSpec.model_validate({"selector": {"labelSelectors": {"service": "pay"}}, "through": "envoy", **of})


@pytest.mark.parametrize(
    ("asked", "policy"),
    [
        ({"abort": True, "percent": 60}, {"abort": {"status": 503, "share": "60%"}}),
        ({"delay": "400ms", "percent": 0.5}, {"delay": {"duration": "400ms", "share": "0.5%"}}),
    ],
    ids=["abort", "delay"],
)
def test_the_policy_says_what_the_experiment_does(asked: dict[str, Any], policy: dict[str, Any]) -> None:
    found = fault_policy(spec(**asked), 1_893_456_000 * SECOND + 1)
    assert found == {"name": "chaos-run", "service": "pay", "until": "2030-01-01T00:00:01Z", **policy}
    (read,) = read_policies(yaml.safe_dump({"faults": [found]}), "test.yml").faults
    assert read.until == 1_893_456_001 * SECOND, "never before it was asked to end"


@asynccontextmanager
async def behind_envoy(folder: Path) -> AsyncIterator[tuple[ControlClient, Connection, str]]:
    """`pay` behind Envoy, other policies, and a connection that is kept."""
    needs_envoy()
    xds, port = free_port(), free_port()
    async with (
        Upstream("pay") as pay,
        controlling(folder, free_port(), xds) as url,
        running_envoy(folder, "pay-1", "pay", xds, inbound=port, address="127.0.0.1", application=pay.port),
        ControlClient(url, authorization(url, folder / "data")) as control,
    ):
        await control.publish(OTHERS, "test.yml", "others")
        async with asyncio.timeout(DEADLINE):
            while [(each["id"], each["revision"]) for each in (await control.fleet())["agents"]] != [("pay-1", "1")]:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        async with Connection(port) as kept:
            assert await kept.get("pay") == (200, "pay")
            yield control, kept, url


async def until_answered(kept: Connection, status: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while (await kept.get("pay"))[0] != status:  # noqa: ASYNC110 - what Envoy does
            await asyncio.sleep(0.05)


async def policies_of(control: ControlClient) -> Any:
    return yaml.safe_load((await control.document((await control.history(1))["stable"]))["text"])


async def test_it_meets_requests_of_a_kept_connection_and_is_taken_back_after_an_error_and_by_ctrl_c(tmp_path: Path) -> None:
    async with behind_envoy(tmp_path) as (control, kept, _):

        async def fails() -> None:
            async with policy_fault(spec(abort=True), HOUR, control, clock.system):
                assert (await kept.get("pay"))[0] == 503
                raise ValueError("the experiment fails")

        with pytest.raises(ValueError, match="the experiment fails"):
            await fails()
        assert await kept.get("pay") == (200, "pay")
        entered = asyncio.Event()

        async def lasts() -> None:
            async with policy_fault(spec(abort=True), HOUR, control, clock.system):
                entered.set()
                await asyncio.Event().wait()

        lasting = asyncio.create_task(lasts())
        await asyncio.wait_for(entered.wait(), DEADLINE)
        assert (await kept.get("pay"))[0] == 503
        lasting.cancel()
        await asyncio.wait({lasting})
        assert lasting.cancelled()
        assert await kept.get("pay") == (200, "pay")
        assert await policies_of(control) == yaml.safe_load(OTHERS)


async def test_it_ends_at_its_time_when_who_asked_was_killed_and_the_next_run_begins_anew(tmp_path: Path) -> None:
    async with behind_envoy(tmp_path) as (control, kept, url):
        arguments = (sys.executable, "-c", OWNER, url, str(tmp_path / "data"), "5")
        owner = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        try:
            assert owner.stdout is not None
            assert await asyncio.wait_for(owner.stdout.readline(), DEADLINE) == b"in\n"
        finally:
            owner.kill()
            await owner.communicate()
        assert [each["name"] for each in (await policies_of(control))["faults"]] == ["theirs", "chaos-run"], (
            "nobody took it back"
        )
        await until_answered(kept, 200)
        async with policy_fault(spec(delay="1ms"), HOUR, control, clock.system):
            faults = (await policies_of(control))["faults"]
            assert [(each["name"], "delay" in each) for each in faults] == [("theirs", False), ("chaos-run", True)]
        assert await policies_of(control) == yaml.safe_load(OTHERS)


async def test_a_service_without_an_agent_and_a_policy_that_is_refused_change_nothing(tmp_path: Path) -> None:
    async with behind_envoy(tmp_path) as (control, kept, _):
        nowhere = HttpSpec.model_validate(
            {"selector": {"labelSelectors": {"service": "cart"}}, "through": "envoy", "abort": True}
        )
        with pytest.raises(PolicyFaultError, match="no agent stands beside 'cart'"):
            async with policy_fault(nowhere, HOUR, control, clock.system):
                pass
        assert (await control.history(9))["stable"] == "1"
        assert await kept.get("pay") == (200, "pay")
