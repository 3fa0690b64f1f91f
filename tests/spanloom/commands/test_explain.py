from __future__ import annotations

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from processors.call_graph import call_graph
from spanloom.commands.explain import explain
from telemetry.documents import hop_document
from telemetry.documents.signals import span_document
from tests.generated import traces
from tests.processors.traces import CLIENT, CONSUMER, INTERNAL, OTHER_TRACE, PRODUCER, SERVER, span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from telemetry.spans import Span

TRACE = next(traces(1))
TRACE_ID = TRACE[0].trace_id.hex()


def line(span: Span) -> str:
    """A span as a line of OTLP-JSON."""
    plain = {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex(),
        "name": span.name,
        "kind": int(span.kind),
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(span.end),
        "links": [{"traceId": link.trace_id.hex(), "spanId": link.span_id.hex()} for link in span.links],
    }
    resource = [{"key": key, "value": {"stringValue": value}} for key, value in span.resource.attributes.items()]
    return json.dumps({"resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": [{"spans": [plain]}]}]})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The spans of the trace, one of them twice."""
    path = tmp_path / "spans.jsonl"
    path.write_text("\n".join(map(line, [*TRACE, TRACE[3]])))
    return path


class Api(BaseHTTPRequestHandler):
    """What the console answers: the one trace."""

    def do_GET(self) -> None:
        found = self.path == f"/api/v1/traces/{TRACE_ID}"
        shifts = [7_000_000 if number == 1 else 0 for number in range(len(TRACE))]
        spans = [
            span_document(span).body | {"adjusted": {"start": span.start + shift, "shift": shift, "error": 250_000}}
            for span, shift in zip(TRACE, shifts, strict=True)
        ]
        hops = [hop_document(hop, 1, 0, 0).body for hop in call_graph(TRACE).hops]
        body = {"spans": spans, "hops": hops} if found else {"error": "nothing is stored"}
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


def test_each_span_is_reported_with_its_reason_parents_before_children(url: str) -> None:
    done = CliRunner().invoke(explain, [TRACE_ID, "--url", url])
    assert done.exit_code == 0, done.output
    assert done.stdout.count("edge: ") == len(TRACE)
    first, why = done.stdout.splitlines()[:2]
    assert first.startswith("gateway /buy server")
    assert done.stdout.count("clock +7.000 ms ± 0.250 ms") == 1
    assert why == "edge: a server span without a parent: the call came from outside"


def deep(depth: int) -> list[Span]:
    """A span in a span in a span, with a name that would clear the screen and write on."""
    return [span(n, n - 1, "a", INTERNAL, n, 10_000 - n, name=f"op{n}\x1b[2J\u202e\n{'x' * 90}") for n in range(1, depth + 1)]


@pytest.mark.parametrize("columns", [80, 300])
def test_the_deepest_span_is_reported_whole_at_any_width(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    path = tmp_path / "spans.jsonl"
    path.write_text("\n".join(map(line, deep(200))))
    lines = CliRunner().invoke(explain, [deep(1)[0].trace_id.hex(), "--from", str(path)]).stdout.splitlines()
    assert len(lines) == 2 * 200
    assert lines[2].startswith("└─ a op2")
    assert lines[-2].strip().startswith(f"└─ level 199 a op200\ufffd[2J\ufffd\ufffd{'x' * 90} internal")
    assert lines[-2].index("└─") == 3 * 19
    assert lines[-1].strip() == "no edge: its parent belongs to the same service: work, not a call"
    assert "\x1b" not in "".join(lines)


def test_files_and_the_api_tell_the_same(url: str, file: Path) -> None:
    reported = [
        json.loads(CliRunner().invoke(explain, [TRACE_ID.upper(), *source, "--json"]).stdout)
        for source in (["--url", url], ["--from", str(file)])
    ]
    assert [item["copies"] for item in reported[0]] == [1] * len(TRACE)
    assert sorted(item["copies"] for item in reported[1]) == [1] * (len(TRACE) - 1) + [2]
    assert [(item["span_id"], item["depth"]) for item in reported[0]] == [
        (item["span_id"], item["depth"]) for item in reported[1]
    ]


def test_times_are_reported_as_recorded_and_by_the_roots_clock(tmp_path: Path) -> None:
    ms = 1_000_000
    spans = [
        span(1, 0, "a", CLIENT, 1000 * ms, 1050 * ms, host="x"),
        span(2, 1, "b", SERVER, 715 * ms, 735 * ms, host="y"),
    ]
    path = tmp_path / "spans.jsonl"
    path.write_text("\n".join(map(line, spans)))
    asked = [spans[0].trace_id.hex(), "--from", str(path)]
    assert "20.000 ms clock +300.000 ms ± 15.000 ms" in CliRunner().invoke(explain, asked).stdout
    _, reported = json.loads(CliRunner().invoke(explain, [*asked, "--json"]).stdout)
    assert (reported["start"], reported["end"]) == (715 * ms, 735 * ms)
    assert reported["adjusted"] == {"start": 1015 * ms, "shift": 300 * ms, "error": 15 * ms}


def test_a_trace_that_nobody_has_is_a_failure_and_a_wrong_id_is_wrong_usage(url: str) -> None:
    missing = CliRunner().invoke(explain, ["0" * 31 + "1", "--url", url])
    assert missing.exit_code == 1
    assert "no span of trace" in str(missing.exception)
    assert CliRunner().invoke(explain, ["12"]).exit_code == 2


def test_a_console_that_is_not_there_is_named_with_what_to_do() -> None:
    done = CliRunner().invoke(explain, [TRACE_ID, "--url", "http://127.0.0.1:1"])
    assert done.exit_code == 1
    assert "start `spanloom up`" in str(done.exception)


def test_files_tell_who_sent_a_message_from_another_trace(tmp_path: Path) -> None:
    sender = replace(span(7, 0, "shop", PRODUCER, 1, 2), trace_id=OTHER_TRACE)
    alike = replace(sender, trace_id=OTHER_TRACE[:15] + b"x")  # ids of spans are unique within a trace
    receiver = span(1, 0, "mail", CONSUMER, 8, 9, links=[(OTHER_TRACE, 7), (alike.trace_id, 7), (OTHER_TRACE, 8)])
    first, second = tmp_path / "receiver.jsonl", tmp_path / "senders.jsonl"
    first.write_text(line(receiver))
    second.write_text("\n".join(map(line, (sender, alike, sender))))
    arguments = [receiver.trace_id.hex(), "--from", str(first), "--from", str(second), "--json"]
    (reported,) = json.loads(CliRunner().invoke(explain, arguments).stdout)
    sent = "a consumer span with a link to the span of another trace that sent the message"
    unseen = "a consumer span with a link to a span that was not seen: its message came from the queue"
    assert sorted(reported["why"].split("; ")) == [unseen, sent, sent]


def test_spans_of_one_environment_are_explained_and_one_without_any_says_which_there_are(tmp_path: Path) -> None:
    staged = [
        replace(
            one,
            resource=replace(one.resource, attributes={**one.resource.attributes, "deployment.environment.name": "staging"}),
        )
        if one.resource.service == "payment"
        else one
        for one in TRACE
    ]
    path = tmp_path / "staged.jsonl"
    path.write_text("\n".join(map(line, staged)))
    asked = [TRACE_ID, "--from", str(path), "--json"]
    everything = json.loads(CliRunner().invoke(explain, asked).stdout)
    own = json.loads(CliRunner().invoke(explain, [*asked, "--environment", "staging"]).stdout)
    assert {item["environment"] for item in everything} == {"default", "staging"}
    assert own == [item for item in everything if item["environment"] == "staging"]
    assert {item["service"] for item in own} == {"payment"}
    assert " in staging " in CliRunner().invoke(explain, asked[:-1]).stdout
    failed = CliRunner().invoke(explain, [*asked, "--environment", "live"])
    assert failed.exit_code == 1
    assert "no span in environment 'live'; it has some in default, staging" in str(failed.exception)
