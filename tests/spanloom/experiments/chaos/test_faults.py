from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from spanloom.experiments.chaos.experiment import HttpChaos, NetworkChaos, PodChaos, StressChaos
from spanloom.experiments.chaos.faults import ChaosError, fault
from spanloom.experiments.chaos.impairment import Impairment
from spanloom.experiments.chaos.network_link import GOOD
from spanloom.experiments.process import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spanloom.experiments.chaos.experiment import Experiment
    from spanloom.experiments.chaos.network_link import Link
    from spanloom.experiments.shop import ShopProcess


class FakeShop:
    """Notes the faults; its one process is a real one."""

    def __init__(self, pid: int) -> None:
        self.pid, self.faults = pid, list[Any]()

    async def services(self) -> list[dict[str, Any]]:
        return [{"name": "cart", "service": "cart", "pid": self.pid}]

    async def put_fault(self, service: str, body: dict[str, Any]) -> None:
        self.faults.append((service, body))


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        yield child
        child.kill()


def experiment(kind: str, **spec: Any) -> Experiment:
    if kind != "StressChaos":
        spec["selector"] = {"labelSelectors": {"service": "cart"}}
    models: dict[str, type[HttpChaos | PodChaos | NetworkChaos | StressChaos]]
    models = {"HTTPChaos": HttpChaos, "PodChaos": PodChaos, "NetworkChaos": NetworkChaos, "StressChaos": StressChaos}
    return models[kind].model_validate({"kind": kind, "name": "e", "spec": spec, "expect": {}, "settle": "1m"})


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


async def test_delay_and_abort_are_put_in_and_taken_out_even_after_an_error(process: subprocess.Popen[bytes]) -> None:
    shop = FakeShop(process.pid)
    async with fault(experiment("HTTPChaos", delay="400ms"), cast("ShopProcess", shop)):
        assert shop.faults == [("cart", {"kind": "latency", "milliseconds": 400.0})]
    with pytest.raises(RuntimeError):
        async with fault(experiment("HTTPChaos", abort=True, percent=25), cast("ShopProcess", shop)):
            raise RuntimeError
    assert shop.faults[1:] == [("cart", {}), ("cart", {"kind": "errors", "ratio": 0.25}), ("cart", {})]


async def test_a_kill_ends_the_process_and_a_failure_stops_it_for_its_time(process: subprocess.Popen[bytes]) -> None:
    shop = cast("ShopProcess", FakeShop(process.pid))
    async with fault(experiment("PodChaos", action="pod-failure", duration="100ms"), shop):
        while state(process.pid) != "T":  # noqa: ASYNC110  the kernel sends no event
            await asyncio.sleep(0.005)
        while state(process.pid) == "T":  # noqa: ASYNC110  the kernel sends no event
            await asyncio.sleep(0.005)
    async with fault(experiment("PodChaos", action="pod-kill"), shop):
        assert process.wait(60) == -signal.SIGKILL


async def test_stress_starts_its_workers_and_leaves_none(process: subprocess.Popen[bytes]) -> None:
    shop = cast("ShopProcess", FakeShop(process.pid))
    stressors = {"cpu": {"workers": 1}, "memory": {"workers": 1, "size": 1000}}
    before = children()
    async with fault(experiment("StressChaos", stressors=stressors, duration="1m"), shop):
        assert len(children() - before) == 2
    assert children() == before


OWNER = """
import asyncio
from spanloom.experiments.chaos.experiment import StressChaos
from spanloom.experiments.chaos.faults import fault

spec = {"stressors": {"cpu": {"workers": 1}}, "duration": "1m"}
made = StressChaos.model_validate({"kind": "StressChaos", "name": "e", "spec": spec, "expect": {}, "settle": "1m"})

async def own():
    async with fault(made, None):
        print(open("/proc/thread-self/children").read(), flush=True)
        await asyncio.sleep(600)

asyncio.run(own())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_stress_ends_when_the_run_is_killed() -> None:
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", OWNER, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert owner.stdout is not None
    (worker,) = map(int, (await asyncio.wait_for(owner.stdout.readline(), 30)).split())
    assert state(worker) in "RS"
    owner.kill()
    await owner.communicate()
    async with asyncio.timeout(20):
        while runs(worker):  # noqa: ASYNC110  it is not our child
            await asyncio.sleep(0.05)


def runs(pid: int) -> bool:
    try:
        return state(pid) != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children() -> set[str]:
    return set(Path("/proc/self/task", str(next(Path("/proc/self/task").iterdir()).name), "children").read_text().split())


class FakeLink:
    """Notes what it is made to be."""

    def __init__(self) -> None:
        self.made: list[tuple[Impairment, ...]] = []

    async def impair(self, *impairments: Impairment) -> None:
        self.made.append(impairments)


async def test_a_network_is_bad_in_its_direction_for_its_time_and_good_after_it() -> None:
    shop, bad = cast("ShopProcess", FakeShop(0)), Impairment(loss=0.25)
    for direction, made in (("to", (GOOD, bad)), ("from", (bad, GOOD)), ("both", (bad, bad))):
        link = FakeLink()
        spec = {"action": "loss", "loss": {"loss": "25"}, "direction": direction}
        async with fault(experiment("NetworkChaos", **spec, duration="1m"), shop, cast("Link", link)):
            assert link.made == [made]
        assert link.made == [made, ()]
    async with fault(experiment("NetworkChaos", **spec, duration="10ms"), shop, cast("Link", link)):
        while len(link.made) < 4:  # noqa: ASYNC110  the timer is the fault's own
            await asyncio.sleep(0.005)
    with pytest.raises(ChaosError, match="behind no link"):
        async with fault(experiment("NetworkChaos", **spec, duration="1m"), shop):
            pass


async def test_a_service_that_is_not_there_is_named() -> None:
    with pytest.raises(ChaosError, match="no service 'cart'"):
        async with fault(experiment("PodChaos", action="pod-kill"), cast("ShopProcess", FakeShop(0))):
            pass
