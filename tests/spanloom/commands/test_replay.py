from __future__ import annotations

import asyncio
import gzip
import json
import threading
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from collectors.metrics import CollectorMetrics
from collectors.receivers.otlp_http import OtlpHttpConfig, OtlpHttpReceiver
from spanloom.commands.replay import replay
from telemetry import otlp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

GOOD = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "01" * 16, "spanId": "02" * 8, "name": "pay"}]}]}]}


class Endpoint:
    """A receiver in a thread of its own, as the command runs a loop of its own."""

    max_record_bytes = 1_000_000

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._receiver = OtlpHttpReceiver(OtlpHttpConfig(port=0), self, CollectorMetrics(CollectorRegistry()))

    async def send(self, topic: str, value: bytes, _headers: Mapping[str, bytes]) -> None:
        self.records.append((topic, value))

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._receiver.start(), self._loop).result()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._receiver.stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._receiver.port}"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()
    found.start()
    yield found
    found.stop()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "recording.jsonl.gz"
    path.write_bytes(gzip.compress(f"{json.dumps(GOOD)}\n".encode() * 5))
    return path


def test_files_are_sent_and_the_summary_is_json(endpoint: Endpoint, recording: Path) -> None:
    result = CliRunner().invoke(replay, [str(recording), str(recording), "--endpoint", endpoint.url, "--batch", "4", "--json"])
    summary = json.loads(result.stdout)
    assert summary.pop("seconds") > 0
    assert summary == {
        "lines": 10,
        "spans": 10,
        "logs": 0,
        "points": 0,
        "requests": 3,
        "retries": 0,
        "refused": 0,
        "replaced": 0,
    }
    assert result.exit_code == 0
    assert result.stderr == ""  # no progress bar where there is no terminal
    assert sum(len(otlp.decode_spans(value)) for _, value in endpoint.records) == 10


def test_a_bad_line_ends_the_replay_with_its_place(endpoint: Endpoint, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(f'{{"resourceSpans": [7]}}\n{json.dumps(GOOD)}\n')
    result = CliRunner().invoke(replay, [str(path), "--endpoint", endpoint.url])
    assert result.exit_code == 1
    assert result.stderr == f"spanloom: {path}:1: resourceSpans[0]: must be an object, not 7\n"
    assert endpoint.records == []


def test_keep_going_sends_the_rest_and_still_says_that_something_was_wrong(endpoint: Endpoint, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(f'{{"resourceSpans": [7]}}\n{json.dumps(GOOD)}\n')
    result = CliRunner().invoke(replay, [str(path), "--endpoint", endpoint.url, "--keep-going"])
    assert result.exit_code == 1
    assert f"{path}:1: resourceSpans[0]: must be an object, not 7" in result.stderr
    assert result.stdout.startswith("1 lines in 1 requests: 1 spans")


@pytest.mark.parametrize("arguments", [[], ["missing.jsonl"], [__file__, "--speed", "0"], [__file__, "--speed", "fast"]])
def test_a_wrong_command_is_exit_code_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(replay, arguments).exit_code == 2
