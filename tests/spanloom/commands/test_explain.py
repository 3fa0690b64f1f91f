from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from spanloom.commands.explain import explain
from telemetry.documents import span_document
from tests.generated import traces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRACE = next(traces(1))
TRACE_ID = TRACE[0].trace_id.hex()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The spans of the trace as OTLP-JSON lines, one span twice."""

    def line(number: int) -> str:
        span = TRACE[number]
        plain = {
            "traceId": span.trace_id.hex(),
            "spanId": span.span_id.hex(),
            "parentSpanId": span.parent_span_id.hex(),
            "name": span.name,
            "kind": int(span.kind),
            "startTimeUnixNano": str(span.start),
            "endTimeUnixNano": str(span.end),
        }
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": span.service}}]}
        return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [plain]}]}]})

    path = tmp_path / "spans.jsonl"
    path.write_text("\n".join(line(number) for number in (*range(len(TRACE)), 3)))
    return path


class Api(BaseHTTPRequestHandler):
    """What the console answers: the one trace."""

    def do_GET(self) -> None:
        found = self.path == f"/api/v1/traces/{TRACE_ID}"
        body = {"spans": [span_document(span).body for span in TRACE]} if found else {"error": "nothing is stored"}
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_each_span_is_told_with_its_reason_parents_before_children(url: str) -> None:
    done = CliRunner().invoke(explain, [TRACE_ID, "--url", url])
    assert done.exit_code == 0, done.output
    assert done.stdout.count("edge: ") == len(TRACE)
    first, why = done.stdout.splitlines()[:2]
    assert first.startswith("gateway /buy server")
    assert why == "edge: a server span without a parent: the call came from outside"


def test_files_and_the_api_tell_the_same(url: str, file: Path) -> None:
    told = [
        json.loads(CliRunner().invoke(explain, [TRACE_ID.upper(), *source, "--json"]).stdout)
        for source in (["--url", url], ["--from", str(file)])
    ]
    assert [item["copies"] for item in told[0]] == [1] * len(TRACE)
    assert sorted(item["copies"] for item in told[1]) == [1] * (len(TRACE) - 1) + [2]
    assert [(item["span_id"], item["depth"]) for item in told[0]] == [(item["span_id"], item["depth"]) for item in told[1]]


def test_a_trace_that_nobody_has_is_a_failure_and_a_wrong_id_is_wrong_usage(url: str) -> None:
    missing = CliRunner().invoke(explain, ["0" * 31 + "1", "--url", url])
    assert missing.exit_code == 1
    assert "no span of trace" in str(missing.exception)
    assert CliRunner().invoke(explain, ["12"]).exit_code == 2


def test_a_console_that_is_not_there_is_named_with_what_to_do() -> None:
    done = CliRunner().invoke(explain, [TRACE_ID, "--url", "http://127.0.0.1:1"])
    assert done.exit_code == 1
    assert "start `spanloom up`" in str(done.exception)
