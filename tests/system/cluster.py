"""The distributed deployment as real processes: Kafka, Elasticsearch, a collector, workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from spanloom.access.local_token import authorization
from tests.services import answers, free_port, listens, running
from tests.system.processes import run_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self


ALL = "rekey,assemble,score,act"


class Service:
    """Kafka or Elasticsearch with data that outlive it."""

    def __init__(self, name: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._name, self._folder = name, folder
        self.port = free_port(1 if name == "kafka" else 100)
        self._running: AbstractContextManager[Any] | None = None

    def start(self) -> None:
        """Return when it answers."""
        url = f"http://127.0.0.1:{self.port}/_cluster/health?wait_for_status=yellow"
        self._running = running(
            self._name, self._folder, self.port, (lambda: listens(self.port)) if self._name == "kafka" else lambda: answers(url)
        )
        self._running.__enter__()

    def stop(self) -> None:
        """SIGTERM and wait. Safe twice."""
        if self._running is not None:
            self._running.__exit__(None, None, None)
            self._running = None


class Role:
    """One `spanloom ROLE` process, supervised as it ships.

    Attributes:
        python: of an environment in which a release is installed; this one's by default.
        cwd: where it runs. Another release has to run where this checkout is not, which would be imported.
    """

    def __init__(self, role: str, folder: Path, *arguments: str, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        http = free_port(1, 2)
        grpc, console = http + 1, http + 2
        self.url, self.otlp = f"http://127.0.0.1:{console}", f"http://127.0.0.1:{http}"
        self.log = folder / "log"
        self._data = folder / "data"
        self._arguments = [role, *arguments]
        self.environment = {
            **os.environ,
            "SPANLOOM_DATA_DIR": str(self._data),
            "SPANLOOM_CONSOLE": f"127.0.0.1:{console}",
            "SPANLOOM_OTLP_HTTP": f"127.0.0.1:{http}",
            "SPANLOOM_OTLP_GRPC": f"127.0.0.1:{grpc}",
            **settings,
        }
        self.python, self.cwd = sys.executable, Path.cwd()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def proof(self) -> dict[str, str]:
        """The header of its owner, who may change things."""
        return authorization(self.url, self._data)

    def start(self) -> None:
        """Start; `wait_ready` tells when it answers."""
        with self.log.open("ab") as log:
            command = [self.python, "-m", "spanloom.cli", *self._arguments]
            self._process = subprocess.Popen(command, env=self.environment, cwd=self.cwd, stdout=log, stderr=log)

    def wait_ready(self, seconds: float = 120.0) -> None:
        """Return when it answers."""
        deadline = time.monotonic() + seconds
        while not answers(f"{self.url}/healthz"):
            assert self._process is not None
            assert self._process.poll() is None and time.monotonic() < deadline, self.log.read_text()[-3000:]  # noqa: PT018
            time.sleep(0.1)

    def kill(self) -> None:
        """kill -9; its child dies with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int | None:
        """SIGTERM, and wait; gives its exit code, once it was started. Safe twice."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `spanloom` command with its settings."""
        return run_command(self.environment, *arguments, python=self.python, cwd=self.cwd)

    def outcome(self, seconds: float = 120.0) -> int | None:
        """Of a start: None once it is ready, or the exit code with which it ends by itself."""
        deadline = time.monotonic() + seconds
        assert self._process is not None
        while (code := self._process.poll()) is None and not answers(f"{self.url}/readyz"):
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.1)
        return code

    def ended(self, seconds: float) -> int | None:
        """Its exit code, once it ends by itself; None where it does not."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    @property
    def lives(self) -> bool:
        """Whether it, or its supervisor, is there."""
        return self._process is not None and self._process.poll() is None

    def metrics(self) -> str:
        """Its metrics, as Prometheus reads them."""
        return httpx2.get(f"{self.url}/metrics", timeout=10).text


class Cluster:
    """Kafka, Elasticsearch with its templates, a collector and a worker for each of `stages`, from entering to leaving."""

    def __init__(self, folder: Path, *stages: str, **settings: str) -> None:
        self.kafka = Service("kafka", folder / "kafka")
        self.elasticsearch = Service("elasticsearch", folder / "elasticsearch")
        self.settings = {
            "SPANLOOM_LOG": f"kafka://127.0.0.1:{self.kafka.port}",
            "SPANLOOM_STORE": f"http://127.0.0.1:{self.elasticsearch.port}",
            "SPANLOOM_KAFKA__SESSION_SECONDS": "6",
            **settings,
        }
        self.collector = Role("collector", folder / "collector", **self.settings)
        self.workers = [
            Role("worker", folder / f"worker-{i}", "--stages", named, **self.settings) for i, named in enumerate(stages)
        ]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.services())
            stack.callback(self.collector.stop)
            self.collector.start()
            stack.enter_context(self.running_workers())
            self.collector.wait_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def services(self) -> Iterator[None]:
        """Kafka and Elasticsearch alone, prepared."""
        with ExitStack() as stack:
            for service in (self.kafka, self.elasticsearch):
                stack.callback(service.stop)
                service.start()
            for part in ("kafka", "elasticsearch"):
                done = self.collector.command("setup", part)
                assert not done.returncode, done.stdout + done.stderr
            yield

    @contextmanager
    def running_workers(self) -> Iterator[None]:
        """The workers, from ready to ended."""
        with ExitStack() as stack:
            for worker in self.workers:
                stack.callback(worker.stop)
                worker.start()
            for worker in self.workers:
                worker.wait_ready()
            yield

    async def lag(self, group: str = "spanloom") -> dict[str, int]:
        """By topic, as Kafka tells it: records that the group has not committed."""
        bootstrap = f"127.0.0.1:{self.kafka.port}"
        topics = ("otlp_spans", "otlp_logs", "otlp_metrics", "spanloom-traced", "spanloom-series")
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            committed = await admin.list_consumer_group_offsets(group)
            described = await admin.describe_topics(list(topics))
        finally:
            await admin.close()
        places = [TopicPartition(item["topic"], part["partition"]) for item in described for part in item["partitions"]]
        async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
            ends = await consumer.end_offsets(places)
        found: dict[str, int] = dict.fromkeys(topics, 0)
        for place in places:
            done = committed[place].offset if place in committed else 0
            found[place.topic] += max(0, ends[place] - max(0, done))
        return found
