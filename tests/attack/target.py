"""The product under attack: `spanloom up` in a process of its own, what it costs, and requests to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal as signals
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.attack.line import must
from tests.attack.telemetry import spans
from tests.services import free_port
from tests.system.processes import run_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Self

PROTOBUF, JSON = "application/x-protobuf", "application/json"
START_SECONDS = 240.0
"""On two cores with other tests beside it; alone it takes 5."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Answer:
    """Of an HTTP request; status 0 if there was none."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")


@dataclass(slots=True)
class Cost:
    """What the product spent between entering and leaving `Product.cost`."""

    cpu: float = 0.0
    peak_mib: int = 0
    grown_mib: int = 0

    def __str__(self) -> str:
        return f"{self.cpu:.1f} CPU-s, +{self.grown_mib} MiB (peak {self.peak_mib})"


class Product:
    """A `spanloom` command on free ports and a folder of its own.

    Args:
        folder: for its data and its log.
        settings: variables, without SPANLOOM_.
        arguments: of the command.
        files: the hard limit of open files; 0 leaves it.
        within: a command that runs the product's as its own.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        files: int = 0,
        settings: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data = folder / "data"
        self.http = free_port(1, 2)
        self.grpc, self.console = self.http + 1, self.http + 2
        self.log_file = folder / "log"
        self._arguments = arguments or ("up",)
        self._within = (
            ("sh", "-c", f'ulimit -Hn {files}; ulimit -Sn {files}; exec "$@"', "sh", *within) if files else (*within,)
        )
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SPANLOOM_")},
            "SPANLOOM_DATA_DIR": str(self.data),
            "SPANLOOM_OTLP_HTTP": f"127.0.0.1:{self.http}",
            "SPANLOOM_OTLP_GRPC": f"127.0.0.1:{self.grpc}",
            "SPANLOOM_CONSOLE": f"127.0.0.1:{self.console}",
            **{f"SPANLOOM_{name}": value for name, value in (settings or {}).items()},
        }
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---------------------------------------------------------------- its life

    def start(self) -> None:
        """Start; `wait_ready` returns when it answers."""
        command = [*self._within, sys.executable, "-m", "spanloom.cli", *self._arguments]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Return when it answers."""
        self.wait_for(lambda: self.get("/healthz", timeout=5).status == 200, seconds, "did not start")

    def wait_for(self, condition: Callable[[], Any], seconds: float, otherwise: str) -> Any:
        """What the condition gives, once that is true; it is asked again and again."""
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            if not self.lives or time.monotonic() > deadline:
                raise AssertionError(f"{otherwise}; its log ends with: {self.log[-1500:]}")
            time.sleep(0.1)

    def ended(self, seconds: float) -> int | None:
        """Its exit code, once it ends by itself; None where it does not."""
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def outcome(self, seconds: float = START_SECONDS) -> int | None:
        """Of a start: None once it is ready, or the exit code with which it ends by itself."""
        deadline = time.monotonic() + seconds
        while True:
            code = self.ended(0.2)
            if code is not None or self.get("/readyz", timeout=5).status == 200:
                return code
            must(time.monotonic() < deadline, f"neither answers nor ends: {self.log[-1500:]}")

    def stop(self) -> int | None:
        """SIGTERM and wait; its exit code. Safe twice."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signals.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def kill(self) -> None:
        """kill -9, and with it what it supervises."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @property
    def lives(self) -> bool:
        """Whether the process, or its supervisor, is there."""
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def pid(self) -> int:
        """Of the process that works; it changes when the supervisor starts it again. 0 while there is none."""
        assert self.process is not None
        try:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii").split()
        except OSError:
            return 0
        return int(children[0]) if children else self.process.pid

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another `spanloom` command with the same settings, to its end."""
        return run_command(self.environment, *arguments)

    # ---------------------------------------------------------------- what it costs

    @property
    def cpu(self) -> float:
        """CPU-seconds so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self, what: str = "VmRSS") -> int:
        """Resident memory in MiB; with VmHWM its peak."""
        lines = Path(f"/proc/{self.pid}/status").read_text("utf-8").splitlines()
        return next(int(line.split()[1]) >> 10 for line in lines if line.startswith(what))

    @contextlib.contextmanager
    def cost(self) -> Iterator[Cost]:
        """Measure what happens inside. The process must be the same afterwards."""
        pid, cpu, before = self.pid, self.cpu, self.memory()
        Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")  # the peak begins anew
        cost = Cost()
        yield cost
        assert self.pid == pid, f"the process was ended and started again; its log ends with: {self.log[-1500:]}"
        cost.cpu, cost.peak_mib = self.cpu - cpu, self.memory("VmHWM")
        cost.grown_mib = max(0, cost.peak_mib - before)

    # ---------------------------------------------------------------- requests

    @property
    def token(self) -> str:
        """What the deployment on one machine made for whoever owns its files; empty without one."""
        file = self.data / "token"
        return file.read_text().strip() if file.exists() else ""

    @property
    def authorised(self) -> dict[str, str]:
        """Headers of an admin."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    def get(self, path: str, timeout: float = 30, port: int = 0, headers: Mapping[str, str] | None = None) -> Answer:
        """GET of the console's port, as nobody."""
        return self.request("GET", path, b"", port or self.console, headers, timeout)

    def post(
        self,
        path: str,
        body: bytes,
        content_type: str,
        port: int = 0,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> Answer:
        """POST to the console's port, as nobody."""
        given = {"content-type": content_type, **(headers or {})}
        return self.request("POST", path, body, port or self.console, given, timeout)

    def export(
        self, body: bytes, signal: str = "traces", timeout: float = 60, kind: str = PROTOBUF, encoding: str = ""
    ) -> Answer:
        """An OTLP/HTTP export."""
        headers = {"content-encoding": encoding} if encoding else {}
        return self.post(f"/v1/{signal}", body, kind, self.http, headers, timeout)

    def request(
        self,
        method: str,
        path: str,
        body: bytes,
        port: int,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
        source: str = "127.0.0.1",
    ) -> Answer:
        """Any request, from an address of loopback; status 0 where the connection broke."""
        started = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout, source_address=(source, 0))
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            response = connection.getresponse()
            content = response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, content, time.monotonic() - started)
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, {}, repr(error).encode(), time.monotonic() - started)
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        """Its counters."""
        answer = self.get("/api/v1/status", headers=self.authorised)
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.json
        return found

    def stored_afterwards(self, service: str = "afterwards") -> float:
        """Seconds until a span sent now is found; the process must be the same one."""
        pid, started = self.pid, time.monotonic()
        trace = os.urandom(16)
        must(self.export(spans(service, 1, trace=trace)).status == 200, "an honest request is not accepted")
        self.wait_for(lambda: self.find("span", f"trace_id:{trace.hex()}"), 90, "what comes afterwards is not stored")
        must(self.pid == pid, "the process was ended")
        return time.monotonic() - started

    def find(self, kind: str, where: str = "", limit: int = 100) -> list[dict[str, Any]]:
        """Stored documents."""
        answer = self.get(
            f"/api/v1/find?kind={kind}&limit={limit}" + (f"&where={where}" if where else ""), headers=self.authorised
        )
        assert answer.status == 200, answer
        found: list[dict[str, Any]] = answer.json
        return found
