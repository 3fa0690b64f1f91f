"""Spans a second and CPU-seconds for 100,000 spans: collect, assemble, index, each alone and all together.

Run: `make bench`, or `python -m tests.benchmarks.pipeline --help`. Input: 8 services, 12 spans a trace, 20 attributes a span,
240 spans a request, half of the requests over OTLP/HTTP and half over gRPC. The CPU time is that of the measured process,
children and all; the sender is another process. Beside them, in the same run, protobuf's C library parses the same requests.
"""

from __future__ import annotations

import asyncio
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

import click
import grpc.aio
import httpx2
from rich.console import Console

from telemetry import otlp
from tests.benchmarks import alone
from tests.benchmarks.alone import SPANS_A_TRACE, Input, Measured
from tests.benchmarks.report import Run
from tests.generated import trace
from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPANS = 60_000
SAVED = Path("build/bench")
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


def collect(given: Input) -> Measured:
    """OTLP to the embedded log."""
    values = list(alone.requests(given))
    with Process("-c", "from tests.benchmarks.alone import collect; collect()") as process:
        process.wait(f"http://{process.http}/")
        wall, cpu = time.perf_counter(), process.cpu()
        asyncio.run(send(process, values))
        return Measured(given.spans, time.perf_counter() - wall, process.cpu() - cpu)


def later(end: int) -> Iterator[bytes]:
    """Traces of a minute after: they move event time, so that what was sent before is closed without waiting for the clock."""
    chance = random.Random(3)
    for _ in range(64):  # some for each partition
        yield otlp.encode_spans(trace(chance, end + 60_000_000_000))


def together(given: Input) -> Measured:
    """The whole of `spanloom up`: OTLP in, everything stored."""
    values = list(alone.requests(given))
    with Process("-m", "spanloom.cli", "up", "--once") as process:
        process.wait(f"http://{process.console}/healthz")
        wall, cpu = time.perf_counter(), process.cpu()
        asyncio.run(send(process, values))
        asyncio.run(send(process, list(later(given.end))))
        status = f"http://{process.console}/api/v1/status"
        while httpx2.get(status, timeout=60).json()["spans_stored"] < given.spans:
            time.sleep(0.1)
        return Measured(given.spans, time.perf_counter() - wall, process.cpu() - cpu)


STAGES: dict[str, Callable[[Input], Measured]] = {
    "parse": alone.parse,
    "collect": collect,
    "assemble": alone.assemble,
    "index": alone.index,
    "together": together,
}


def apart(stage: str, given: Input) -> Measured:
    """A stage in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(STAGES[stage], given).result()


@click.command()
@click.option("--spans", default=SPANS, show_default=True, help="How many.")
@click.option("--rate", default=1, show_default=True, help="Event time: so many hundred requests of users a second.")
@click.option("--request-spans", default=240, show_default=True, help="Spans of an export request.")
@click.option("--rounds", default=1, show_default=True, help="Runs of each stage, all stages in turn.")
@click.option("--only", multiple=True, type=click.Choice([name for name in STAGES if name != "parse"]), help="Not all stages.")
@click.option("--json", "as_json", is_flag=True, help="For a program: also what was measured on which machine.")
def main(spans: int, rate: int, request_spans: int, rounds: int, only: tuple[str, ...], *, as_json: bool) -> None:
    """Measure the stages, print them beside the last run of the same input, and save them in build/bench."""
    given = Input(spans - spans % SPANS_A_TRACE, rate, request_spans)
    errors = Console(stderr=True)
    run = Run.of(given)
    for number in range(rounds):
        for name in STAGES:
            if not only or name in {"parse", *only}:
                with errors.status(f"{name}: {given.spans:,} spans, round {number + 1} of {rounds}"):
                    run.add(name, apart(name, given))
    before = run.save(SAVED)
    if as_json:
        sys.stdout.write(run.to_json() + "\n")
    else:
        Console().print(run.table(before))


if __name__ == "__main__":
    main()
