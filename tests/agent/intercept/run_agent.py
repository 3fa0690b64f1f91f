"""An agent as a process of its own, in whichever network namespace it is started: `python -m ... DATA SETTINGS`.

It prints the process id of Envoy each time that its interception begins.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from agent.agent import TrafficAgent
from agent.config import AgentConfig
from components.http.health import Health
from spanloom import clock


async def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    registry, health = CollectorRegistry(), Health()
    config = AgentConfig.model_validate(json.loads(sys.argv[2]))
    async with TrafficAgent(config, Path(sys.argv[1]), clock.system, registry, health) as agent:
        task = asyncio.create_task(agent.run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        said = ""
        while not task.done():
            pid = str(agent.status()["envoy_pid"])
            intercepting = registry.get_sample_value("spanloom_agent_intercepting")
            starts = registry.get_sample_value("spanloom_agent_intercept_failures_total")
            if intercepting and f"{pid} {starts}" != said:
                said = f"{pid} {starts}"
                sys.stdout.write(f"{pid}\n")
                sys.stdout.flush()
            await asyncio.wait({task}, timeout=0.02)


if __name__ == "__main__":
    asyncio.run(main())
