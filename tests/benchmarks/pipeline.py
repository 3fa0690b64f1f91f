"""Spans a second and CPU-seconds for 100,000 spans: collect, assemble, index, each alone and all together.

Run: `make bench`, or `python -m tests.benchmarks.pipeline [--spans N] [--json]`. Input: 8 services, 12 spans a trace, 20
attributes a span, 240 spans a request, half of the requests over OTLP/HTTP and half over gRPC. The CPU time is that of the
measured process, children and all; the sender is another process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import grpc.aio
import httpx2
from rich.console import Console
from rich.table import Table

from telemetry import otlp
from tests.benchmarks import alone
from tests.benchmarks.alone import SPANS_A_TRACE, Measured
from tests.generated import MILLISECOND, START, trace
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPANS = 60_000
SENDERS = 4
PATIENCE = 120.0
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """A real process of the product on ports and a folder of its own, from entering to leaving."""

    def __init__(self, *command: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._command = [sys.executable, *command]
        self.http, self.grpc, self.console = (f"127.0.0.1:{free_port()}" for _ in range(3))

    def __enter__(self) -> Self:
        settings = {"DATA_DIR": self._folder.name, "OTLP_HTTP": self.http, "OTLP_GRPC": self.grpc, "CONSOLE": self.console}
        environment = os.environ | {f"SPANLOOM_{name}": value for name, value in settings.items()}
        self._log = (Path(self._folder.name) / "log.txt").open("wb")
        self._process = subprocess.Popen(self._command, env=environment, stdout=self._log, stderr=self._log)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()
        self._folder.cleanup()

    def cpu(self) -> float:
        """CPU-seconds so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS  # user and system time: see proc(5)

    def wait(self, url: str) -> None:
        """Return when something answers there."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                httpx2.get(url, timeout=5)
            except httpx2.HTTPError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{url} does not answer: {(Path(self._folder.name) / 'log.txt').read_text()[-2000:]}")


async def send(process: Process, values: list[bytes]) -> None:
    """Send requests, every second one over gRPC; all are acknowledged on return."""
    todo = iter(enumerate(values))
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as http, grpc.aio.insecure_channel(process.grpc) as channel:
        export: Any = channel.unary_unary(EXPORT)

        async def sender() -> None:
            for number, value in todo:
                if number % 2:
                    await export(value)
                else:
                    answer = await http.post(
                        f"http://{process.http}/v1/traces", content=value, headers={"content-type": "application/x-protobuf"}
                    )
                    answer.raise_for_status()

        await asyncio.gather(*(sender() for _ in range(SENDERS)))


def collect(values: list[bytes], spans: int) -> Measured:
    """OTLP to the embedded log."""
    with Process("-c", "from tests.benchmarks.alone import collect; collect()") as process:
        process.wait(f"http://{process.http}/")
        wall, cpu = time.perf_counter(), process.cpu()
        asyncio.run(send(process, values))
        return Measured(spans, time.perf_counter() - wall, process.cpu() - cpu)


def later(end: int) -> Iterator[bytes]:
    """Traces of a minute after: they move event time, so that what was sent before is closed without waiting for the clock."""
    chance = random.Random(3)
    for _ in range(64):  # some for each partition
        yield otlp.encode_spans(trace(chance, end + 60_000_000_000))


def together(values: list[bytes], spans: int) -> Measured:
    """The whole of `spanloom up`: OTLP in, everything stored."""
    with Process("-m", "spanloom.cli", "up", "--once") as process:
        process.wait(f"http://{process.console}/healthz")
        wall, cpu = time.perf_counter(), process.cpu()
        asyncio.run(send(process, values))
        asyncio.run(send(process, list(later(START + 10 * MILLISECOND * spans // SPANS_A_TRACE))))
        status = f"http://{process.console}/api/v1/status"
        while httpx2.get(status, timeout=60).json()["spans_stored"] < spans:
            time.sleep(0.1)
        return Measured(spans, time.perf_counter() - wall, process.cpu() - cpu)


def apart(stage: Callable[[int], Measured], spans: int) -> Measured:
    """A stage in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(stage, spans).result()


def main() -> None:
    """Measure, say how far it is, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=SPANS)
    parser.add_argument("--only", choices=("collect", "assemble", "index", "together"))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    spans = asked.spans - asked.spans % SPANS_A_TRACE
    errors = Console(stderr=True)
    with errors.status(f"making {spans:,} spans"):
        values = list(alone.requests(spans))
    stages: dict[str, Callable[[], Measured]] = {
        "collect": lambda: collect(values, spans),
        "assemble": lambda: apart(alone.assemble, spans),
        "index": lambda: apart(alone.index, spans),
        "together": lambda: together(values, spans),
    }
    found: dict[str, Measured] = {}
    for name, measure in stages.items():
        if asked.only in {None, name}:
            with errors.status(f"{name}: {spans:,} spans"):
                found[name] = measure()
    if asked.json:
        sys.stdout.write(
            json.dumps({name: {"spans_per_second": m.rate, "cpu_seconds_per_100k": m.cost} for name, m in found.items()}) + "\n"
        )
        return
    table = Table("stage", "spans/s", "CPU-s per 100,000 spans", title=f"{spans:,} spans, {os.cpu_count()} CPUs")
    for name, measured in found.items():
        table.add_row(name, f"{measured.rate:,.0f}", f"{measured.cost:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
