"""Runs experiments one after another on a pipeline and a shop of their own."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from spanloom.access.local_token import authorization
from spanloom.api_client import ApiClient, ApiError
from spanloom.experiments.account import Before, reconciliation, shortfalls
from spanloom.experiments.chaos.experiment import HttpChaos, NetworkChaos
from spanloom.experiments.chaos.faults import ChaosError, fault
from spanloom.experiments.chaos.network_link import Link, unavailable
from spanloom.experiments.chaos.verdict import Downtime, Measurement, verdict
from spanloom.experiments.mesh.shop_mesh import ShopMesh
from spanloom.experiments.mesh.sidecar import NODE, mesh_ports
from spanloom.experiments.pipeline_process import up
from spanloom.experiments.shop import ShopProcess
from spanloom.experiments.watch import DemoWatch, Injection
from spanloom.experiments.webhook import WebhookReceiver
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spanloom.clock import Now
    from spanloom.experiments.chaos.experiment import Experiment
    from spanloom.experiments.options import Options
    from spanloom.experiments.process import Child
    from telemetry.documents import Body

POLL_SECONDS = 0.5
START_SECONDS = 90.0
NO_ENVOY = "through Envoy, and none is here (pip install 'spanloom[agent]')"
MAX_CALLS = 10_000  # of one service in one experiment: as many as the API gives at once, fifty times what its users cause
CALM_SECONDS = 130.0
"""Between two experiments: longer than the cooldown of the default playbook, which would refuse a second repair."""


class Chaos:
    """Runs experiments. `report` gets a line for each thing that happens; `options` is where the demo's parts listen."""

    def __init__(self, options: Options, now: Now, report: Callable[[str], None]) -> None:
        self._options, self._now, self._report = options, now, report
        self._watch: DemoWatch | None = None
        self._link: Link | None = None
        self._mesh: ShopMesh | None = None

    async def run(self, experiments: Sequence[Experiment]) -> tuple[list[Body], list[str]]:
        """A report an experiment (name, what was measured, `wrong`: expectations that were not met), and lost data.

        `load` is the machine's when the fault came, a CPU: far above 1, times say more about the machine than about us.
        The report of one that cannot be run on this machine has `skipped`, the reason, in place of what was measured. The
        second list has a sentence for each difference between what the shop sent and what the pipeline stored in all.

        Raises:
            SpanloomError: a process of the demo did not start or ended, or the link of a NetworkChaos could not be made.
        """
        no_link, ports = unavailable(), mesh_ports() if any(map(_needs_envoy, experiments)) else None
        why_not = [NO_ENVOY if _needs_envoy(each) and ports is None else _no_link(each, no_link) for each in experiments]
        reports: list[Body] = []
        for each, reason in zip(experiments, why_not, strict=True):
            if reason:
                reports.append({"name": each.name, "skipped": f"{each.kind} {reason}", "wrong": []})
                self._report(f"{each.name}: SKIPPED: {each.kind} {reason}")
        experiments = [each for each, reason in zip(experiments, why_not, strict=True) if not reason]
        if not experiments:
            return reports, []
        far = sorted({each.service for each in experiments if isinstance(each, NetworkChaos)})
        if len(far) > 1:
            raise ChaosError(f"{' and '.join(far)} are both to be behind a bad link: run these experiments one by one")
        async with AsyncExitStack() as stack:
            if ports is not None:
                self._mesh = await stack.enter_async_context(ShopMesh(ports, self._options, self._now))
            pipeline, shop, users, before = await self._start(stack, far[0] if far else "")
            for number, experiment in enumerate(experiments):
                if number:
                    self._report(f"calm for {CALM_SECONDS:.0f} s")
                    await asyncio.sleep(CALM_SECONDS)
                load = os.getloadavg()[0] / (os.cpu_count() or 1)
                measured = await self._one(experiment, pipeline, shop, users)
                wrong = verdict(experiment.expect, measured)
                times = (f"{name} {value:.1f} s" for name, value in asdict(measured).items() if isinstance(value, float))
                self._report(f"{experiment.name}: {'; '.join(wrong) or 'as expected'} ({', '.join(times)})")
                reports.append({"name": experiment.name, **asdict(measured), "load": round(load, 1), "wrong": wrong})
            await users.__aexit__()
            self._report("waiting until all that was sent is stored")
            try:
                figures = await reconciliation(pipeline, shop, before, NODE if self._mesh is not None else "")
            except ApiError as error:
                return reports, [f"what was sent could not be compared with what is stored: {error}"]
            if not await pipeline.find(Kind.AUDIT, limit=1):
                figures["audit_verified"] = True  # no alert and no repair: there is nothing to prove
            lost = shortfalls(figures)
        return reports, lost

    async def _one(self, experiment: Experiment, pipeline: ApiClient, shop: ShopProcess, users: Child) -> Measurement:
        watch = self._watch = DemoWatch(Injection(experiment.service, {}, self._now()))
        downtime, failed_over = Downtime(), False
        until = time.monotonic() + experiment.settle / 1e9
        self._report(f"{experiment.name}: {experiment.kind} on {experiment.service or 'the machine'}")
        async with fault(experiment, shop, self._link, self._mesh):
            while time.monotonic() < until and not (experiment.expect.verified_within and watch.complete):
                await asyncio.sleep(POLL_SECONDS)
                load = await users.ask()
                downtime.add(self._now(), load["sent"], load["failed"])
                for kind in (Kind.ANOMALY, Kind.CULPRIT, Kind.INCIDENT):
                    watch.see_documents(kind, await pipeline.find(kind, since=watch.injection.time), self._now())
                failed_over |= any(
                    each["takes_traffic"] and each["service"] == experiment.service and each["name"] != experiment.service
                    for each in await shop.services()
                )
        self._watch = None
        return Measurement(
            detected=watch.seconds_to("detected"),
            alerted=watch.seconds_to("alerted"),
            repaired=watch.seconds_to("repaired"),
            verified=watch.seconds_to("verified"),
            culprit_first=watch.ranked_first,
            failed_over=failed_over,
            downtime=downtime.total / 1e9,
            lost=downtime.lost,
            taken_over=await traffic_taken_over(pipeline, experiment.service, watch.injection.time),
            alerts=tuple(watch.alerts),
        )

    async def _start(self, stack: AsyncExitStack, far: str) -> tuple[ApiClient, ShopProcess, Child, Before]:
        """All parts; a service that is to be `far` runs behind a link, and all others where it can reach them."""
        options, mesh = self._options, self._mesh
        placing: tuple[str, ...] = mesh.ports.for_shop() if mesh is not None else ()
        options.data_dir.mkdir(parents=True, exist_ok=True)
        if far:
            self._link = await stack.enter_async_context(Link(options.data_dir / "link.log", options.seed))
            ends = self._link.ends
            placing += ("--services-host", ends.near, "--away", far, ends.namespace, ends.far)
            options = replace(options, otlp_host=ends.near)
        receiver = await stack.enter_async_context(WebhookReceiver(options.webhook_port, self._notified))
        pipeline = await stack.enter_async_context(ApiClient(f"http://127.0.0.1:{options.console_port}"))
        process = await stack.enter_async_context(up(options, receiver.url, mesh.settings() if mesh is not None else None))
        give_up = time.monotonic() + START_SECONDS
        while not await pipeline.healthy():
            process.check()
            if time.monotonic() > give_up:
                raise ChaosError(f"{pipeline.url} is not healthy after {START_SECONDS:.0f} s; see {options.data_dir}/up.log")
            await asyncio.sleep(POLL_SECONDS)
        # Only an operator gets audit records whole, as their hashes need them.
        proof = authorization(pipeline.url, options.data_dir)
        pipeline.prove(proof)
        if mesh is not None:
            await mesh.govern(pipeline.url, proof)
        before = Before(self._now(), await pipeline.status())
        grpc, http = f"{options.otlp_host}:{options.otlp_grpc_port}", f"{options.otlp_host}:{options.otlp_http_port}"
        shop = await stack.enter_async_context(ShopProcess(options.data_dir / "shop", options.shop_port, grpc, http, placing))
        await shop.ready()
        if mesh is not None:
            await mesh.attend()
        users = await stack.enter_async_context(shop.users(options.users_per_second, options.seed))
        self._report(f"warm-up for {options.warm_up_seconds:.0f} s")
        await asyncio.sleep(options.warm_up_seconds)
        return pipeline, shop, users, before

    def _notified(self, payload: Body) -> None:
        if self._watch is not None:
            self._watch.see_notification(payload, self._now())


def _needs_envoy(experiment: Experiment) -> bool:
    return isinstance(experiment, HttpChaos) and experiment.spec.through == "envoy"


def _no_link(experiment: Experiment, why_not: str) -> str:
    return why_not if isinstance(experiment, NetworkChaos) else ""


async def traffic_taken_over(pipeline: ApiClient, service: str, since: int) -> int:
    """How many stored calls another instance of a service answered since then than its first, whose name it has."""
    calls = await pipeline.find(Kind.HOP, since, MAX_CALLS, [f"callee.name:{service}"]) if service else []
    return sum(call["callee"]["instance"] not in {service, ""} for call in calls)
