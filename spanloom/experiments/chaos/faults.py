"""Puts the fault of an experiment in, and takes it out again whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from spanloom.experiments.chaos.experiment import HttpChaos, HttpSpec, NetworkSpec, PodSpec, StressSpec
from spanloom.experiments.chaos.network_link import GOOD
from spanloom.experiments.chaos.policy_fault import policy_fault
from spanloom.process.child_command import dies_with_parent
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spanloom.experiments.chaos.experiment import Experiment
    from spanloom.experiments.chaos.network_link import Link
    from spanloom.experiments.mesh.shop_mesh import ShopMesh
    from spanloom.experiments.shop import ShopProcess

_COMPUTE = "print(flush=True)\nwhile True: pass"
_HOLD = "import sys, time; held = bytearray(b'x') * int(sys.argv[1]); print(flush=True); time.sleep(3600)"


class ChaosError(SpanloomError):
    """A fault could not be put in."""


@asynccontextmanager
async def fault(
    experiment: Experiment, shop: ShopProcess, link: Link | None = None, mesh: ShopMesh | None = None
) -> AsyncIterator[None]:
    """Put it in on entering. On leaving, what a repair or time has not ended is ended.

    Args:
        experiment: which.
        shop: where.
        link: the one that the service of a NetworkChaos is behind.
        mesh: what governs the Envoys of a fault through one.

    Raises:
        ChaosError: the shop has no such service, its process is gone, or it is behind no link and no Envoy.
    """
    if isinstance(experiment, HttpChaos) and experiment.spec.through == "envoy":
        if mesh is None:
            raise ChaosError(f"service {experiment.service!r} is behind no Envoy of ours")
        async with policy_fault(experiment.spec, experiment.lasts, mesh.control, mesh.now):
            yield
        return
    match experiment.spec:
        case HttpSpec() as spec:
            body = (
                {"kind": "latency", "milliseconds": spec.delay / 1e6}
                if spec.delay
                else {"kind": "errors", "ratio": spec.percent / 100}
            )
            await shop.put_fault(spec.selector.service, body)
            try:
                yield
            finally:
                await shop.put_fault(spec.selector.service, {})
        case PodSpec() as spec:
            pid = await _pid(shop, spec.selector.service)
            if spec.action == "pod-kill":
                _signal(pid, signal.SIGKILL)
                yield
                return
            _signal(pid, signal.SIGSTOP)
            resume = asyncio.get_running_loop().call_later(spec.duration / 1e9, _resume, pid)
            try:
                yield
            finally:
                resume.cancel()
                _resume(pid)
        case NetworkSpec() as spec:
            if link is None:
                raise ChaosError(f"service {spec.selector.service!r} is behind no link of ours")
            async with _bad_network(spec, link):
                yield
        case StressSpec() as spec:
            async with _stress(spec):
                yield


async def _pid(shop: ShopProcess, service: str) -> int:
    found = [each["pid"] for each in await shop.services() if each["name"] == service and each["pid"]]
    if not found:
        raise ChaosError(f"the shop runs no service {service!r}")
    return int(found[0])


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError as error:
        raise ChaosError(f"process {pid} ended before the fault") from error


def _resume(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # a repair may have replaced it
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def _bad_network(spec: NetworkSpec, link: Link) -> AsyncIterator[None]:
    async def for_its_time() -> None:
        await asyncio.sleep(spec.duration / 1e9)
        await link.impair()

    bad = spec.impairment
    # As Chaos Mesh means it: `to` is what the selected service sends.
    await link.impair(bad if spec.direction != "to" else GOOD, bad if spec.direction != "from" else GOOD)
    timer = asyncio.create_task(for_its_time(), name="network chaos")
    try:
        yield
    finally:
        timer.cancel()
        await asyncio.gather(timer, return_exceptions=True)
        await link.impair()


@asynccontextmanager
async def _stress(spec: StressSpec) -> AsyncIterator[None]:
    cpu, memory = spec.stressors.cpu, spec.stressors.memory
    commands: list[tuple[str, ...]] = [(_COMPUTE,)] * cpu.workers if cpu else []
    commands += [(_HOLD, str(memory.size))] * memory.workers if memory else []
    processes: list[asyncio.subprocess.Process] = []

    def end() -> None:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    timer = asyncio.get_running_loop().call_later(spec.duration / 1e9, end)
    try:
        for command in commands:
            arguments = dies_with_parent(signal.SIGTERM, "-c", *command)
            processes.append(await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE))
        for process in processes:
            if process.stdout is None or not await process.stdout.readline():
                raise ChaosError("a stressor ended by itself")
        yield
    finally:
        timer.cancel()
        end()
        await asyncio.gather(*(process.wait() for process in processes))
