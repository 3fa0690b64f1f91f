"""Runs Envoy: starts it, looks after it, starts it again, drains it; rules of interception are there only while it is ready."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from typing import TYPE_CHECKING, Protocol

import structlog

from agent.bootstrap import bootstrap
from agent.envoy import Envoy, find_program
from agent.errors import InterceptError
from agent.identity import resource
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from agent.config import AgentConfig
    from agent.metrics import AgentMetrics
    from agent.relay.relay import Relay
    from agent.run_folder import RunFolder

log = structlog.get_logger(__name__)

FIRST_BACKOFF = 0.1
"""Seconds before another start; doubled with each that did not last."""

LASTED = 60.0
"""Seconds after which a start counts as a success, and the next backoff is the first again."""

CHECKS_PER_RETRY = 5
"""Health checks between two tries to set rules that could not be set."""

RETIRE_SECONDS = 10.0
"""How much longer than it should a predecessor may take to end."""


class Interception(Protocol):
    """What sends traffic to Envoy."""

    @property
    def gone(self) -> asyncio.Event:
        """Set when the rules vanished though nobody removed them."""

    async def begin(self, envoy: int) -> None:
        """Set the rules; they vanish when the process of this id ends.

        Raises:
            InterceptError: they cannot be set.
        """

    async def end(self) -> None:
        """Remove the rules. Safe before `begin` and twice."""


class Guard:
    """Envoy, from start to stop, whatever happens to it.

    Args:
        config: of the agent.
        folder: where its sockets and bootstrap are.
        relay: learns when Envoy ended by itself.
        interception: None for proxies that applications are configured to use.
        metrics: what is counted.

    Attributes:
        ready: whether Envoy is.
        pid: of Envoy, 0 while there is none.
    """

    def __init__(
        self, config: AgentConfig, folder: RunFolder, relay: Relay, interception: Interception | None, metrics: AgentMetrics
    ) -> None:
        self._config, self._folder, self._relay = config, folder, relay
        self._interception, self._metrics = interception, metrics
        self._program = find_program(config.envoy)
        self._envoy: Envoy | None = None
        self._epoch, self._upgrade = 0, False
        self._handover = max(2, round(config.envoy.drain_seconds))  # seconds until a successor ends the one before
        self._retiring: asyncio.Task[None] | None = None
        self._intercepting = False
        self.ready = False
        self.pid = 0

    async def run(self) -> None:
        """Keep Envoy running until cancelled; `stop` then ends it."""
        tries, loop = 0, asyncio.get_running_loop()
        while True:
            started = loop.time()
            reason = await self._one()
            self._set_ready(ready=False)
            self._metrics.envoy_ends.labels(reason).inc()
            self._relay.envoy_crashed()
            tries = 0 if loop.time() - started > LASTED else tries + 1
            delay = min(FIRST_BACKOFF * 2 ** min(tries, 20), self._config.envoy.max_backoff_seconds)
            log.error("envoy_ended", reason=reason, restart_in_seconds=delay)
            await asyncio.sleep(delay)

    async def _one(self) -> str:
        """One Envoy from its start to its end, or to that of the last that took over from it; why it ended."""
        await self._end_retiring()
        self._epoch, self._upgrade = 0, False
        envoy = await self._start()
        self._have(envoy)
        try:
            if not await envoy.wait_ready(self._config.envoy.start_seconds):
                return "exit" if envoy.ended else "start"
            self._set_ready(ready=True)
            log.info("envoy_ready", pid=envoy.pid)
            await self._intercept(envoy)
            return await self._watch(envoy)
        finally:
            if (last := self._envoy) is not None:
                if not last.ended and not self._cancelling():
                    await last.kill()
                if last.ended:
                    await self._end_interception()
                    await last.stop()

    def _have(self, envoy: Envoy) -> None:
        self._envoy, self.pid = envoy, envoy.pid

    @staticmethod
    def _cancelling() -> bool:
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0

    async def _watch(self, envoy: Envoy) -> str:
        """Why Envoy ended, or has to."""
        config, failed, checks = self._config.envoy, 0, 0
        end, gone = asyncio.create_task(envoy.wait()), asyncio.create_task(self._gone())
        try:
            while failed < config.failed_checks:
                await asyncio.wait({end, gone}, timeout=config.check_seconds, return_when=asyncio.FIRST_COMPLETED)
                if end.done():
                    return "signal" if end.result() < 0 else "exit"
                if gone.done():
                    self._metrics.intercept_failures.inc()
                    log.error("interception_vanished", hint="the rules are set again")
                    await self._set_rules_again(envoy)
                    gone = asyncio.create_task(self._gone())
                if self._upgrade and self._retiring is None and (successor := await self._successor()) is not None:
                    end.cancel()
                    gone.cancel()
                    await asyncio.wait({end, gone})
                    self._retiring = asyncio.create_task(self._retire(envoy))
                    envoy = successor
                    await self._set_rules_again(envoy)
                    end, gone = asyncio.create_task(envoy.wait()), asyncio.create_task(self._gone())
                checks += 1
                if not self._intercepting and checks % CHECKS_PER_RETRY == 0:
                    await self._intercept(envoy)
                failed = 0 if await envoy.ready(config.check_seconds) else failed + 1
                self._set_ready(ready=failed == 0)
        finally:
            end.cancel()
            gone.cancel()
            await asyncio.wait({end, gone})
        return "unhealthy"

    def upgrade(self) -> None:
        """Let another Envoy take over, at the next check: its program or bootstrap has changed. No connection is refused."""
        self._upgrade = True

    async def _successor(self) -> Envoy | None:
        """An Envoy that has taken over the listeners; None, and no change, if it cannot."""
        self._upgrade = False
        self._epoch += 1
        successor = None
        try:
            self._program = find_program(self._config.envoy)
            successor = await self._start()
            if await successor.wait_ready(self._config.envoy.start_seconds):
                self._have(successor)
                self._metrics.upgrades.labels("done").inc()
                log.info("envoy_upgraded", pid=successor.pid)
                return successor
            reason = "it did not become ready"
        except SpanloomError as error:
            reason = str(error)
        self._epoch -= 1
        if successor is not None:
            await successor.kill()
            await successor.stop()
        self._metrics.upgrades.labels("failed").inc()
        log.error("upgrade_failed", reason=reason, hint="the Envoy before goes on; a restart of the agent has the new one")
        return None

    async def _retire(self, envoy: Envoy) -> None:
        """Its successor ends it when the time for draining is over."""
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(envoy.wait(), self._handover + RETIRE_SECONDS)
        finally:
            await envoy.stop(0.1)
            self._retiring = None

    async def _end_retiring(self) -> None:
        if (retiring := self._retiring) is not None:
            retiring.cancel()
            await asyncio.wait({retiring})

    async def _set_rules_again(self, envoy: Envoy) -> None:
        await self._end_interception()
        await self._intercept(envoy)

    async def _gone(self) -> None:
        await (self._interception.gone.wait() if self._interception is not None else asyncio.Event().wait())

    async def _intercept(self, envoy: Envoy) -> None:
        if self._interception is None:
            return
        try:
            await self._interception.begin(envoy.pid)
        except InterceptError as error:
            self._metrics.intercept_failures.inc()
            log.error("interception_failed", reason=str(error), hint="traffic flows as without the agent")  # noqa: TRY400
        else:
            self._set_intercepting(intercepting=True)

    def _set_intercepting(self, *, intercepting: bool) -> None:
        self._intercepting = intercepting
        self._metrics.intercepting.set(intercepting)

    async def _end_interception(self) -> None:
        self._set_intercepting(intercepting=False)
        if self._interception is not None:
            await self._interception.end()

    async def stop(self) -> None:
        """Traffic past Envoy first, then requests in flight, then Envoy. Safe before start and twice."""
        self._set_ready(ready=False)
        await self._end_interception()
        await self._end_retiring()
        envoy, self._envoy, self.pid = self._envoy, None, 0
        if envoy is not None:
            await envoy.drain(self._config.envoy.drain_seconds)
            await envoy.stop()

    async def _start(self) -> Envoy:
        self._metrics.envoy_starts.inc()
        config, admin = self._config, self._folder.admin(self._epoch)
        admin.unlink(missing_ok=True)  # of one that was killed
        content = json.dumps(bootstrap(config, self._folder.relay, admin)).encode()
        file = self._folder.write(f"bootstrap-{self._epoch}.json", content)
        command = [
            str(self._program),
            *("--config-path", str(file)),
            *("--base-id", str(self._folder.base_id)),
            *("--restart-epoch", str(self._epoch)),
            *("--concurrency", str(config.envoy.concurrency)),
            *("--log-level", config.envoy.log_level),
            *("--log-format", "[%l][%n] %v"),
            *("--drain-time-s", str(max(1, self._handover - 1))),
            *("--parent-shutdown-time-s", str(self._handover)),
        ]
        # Envoy decodes no percent signs there.
        attributes = ",".join(f"{key}={re.sub('[,=]', '_', value)}" for key, value in resource(config).items())
        environment = {"OTEL_RESOURCE_ATTRIBUTES": attributes, "HOME": "/", "PATH": os.defpath}
        return await Envoy.start(command, admin, self._folder.user, environment, self._metrics)

    def _set_ready(self, *, ready: bool) -> None:
        self.ready = ready
        self._metrics.envoy_ready.set(ready)
