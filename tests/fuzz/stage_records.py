"""Values of the records between our own stages: whoever may write to Kafka may write them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import orjson

from alerting.alertmanager.silences import Silences
from alerting.playbooks.api.approval import Answer
from alerting.rules.book import RuleBook
from pipeline.exchange import codec, learning
from pipeline.exchange.codec import HEADER, BatchKind, LogLine
from pipeline.exchange.inner_records import received
from processors.assembly.assembler import ExemplarReference, LogReference
from processors.assembly.edges import by_cost, edge_from_body
from processors.assembly.window_merge import WindowMerge
from processors.root_cause.sampled_trace import TemplatedLine, sampled_trace
from telemetry.documents import anomaly_document
from telemetry.documents.read_back import anomaly_from_body
from telemetry.metrics import Point, Series
from telemetry.span_links import LinkQuery, LinkTarget, SpanReference
from tests.fuzz.target import Target
from tests.generated import traces
from tests.pipeline.exchange.test_inner_bodies import ANOMALIES, ANSWERS, EDGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_TRACE, _SPAN = bytes(range(1, 17)), bytes(range(1, 9))
_TIME = 1_700_000_000_000_000_000
SETTINGS = [
    {
        "silences": [
            {"id": "s", "matchers": [["service", "=~", "cart.*"]], "starts_at": 1, "ends_at": _TIME, "updated_at": 2,
             "created_by": "ann", "comment": "known"},
        ],
        "rules": [{"namespace": "ours", "changed_at": 3, "groups": {"g": "name: g\nrules:\n- {alert: A, expr: up == 0}\n"}}],
        "switches": [{"environment": None, "stopped_by": "ann", "by": "ann", "at": 4}],
    }
]  # fmt: skip
_WORDS = (b"null", b"[]", b"{}", b"[[", b'"zz"', b"-1", b"1e400", b"18446744073709551616", b"true", b'"\\ud800"', b'"series":')


def _target(name: str, decode: Callable[[bytes], Iterable[Any]], encode: Callable[[Any], bytes], value: bytes) -> Target:
    def run(data: bytes) -> None:
        encode(list(decode(data)))

    return Target(f"records-{name}", run, (value,), _WORDS)


def _of_bodies(batch: BatchKind, bodies: list[dict[str, Any]]) -> Target:
    """Bodies, and what the stages make of them."""

    def run(data: bytes) -> None:
        event = SimpleNamespace(headers={HEADER: batch.value.encode()}, value=data)
        items = received(event, [batch])[1]
        match batch:
            case BatchKind.EDGES:
                WindowMerge().add(items, _TIME)
                by_cost(map(edge_from_body, items))
            case BatchKind.ANOMALIES:
                for body in items:
                    anomaly_document(anomaly_from_body(body))
            case BatchKind.ANSWERS:
                [Answer(**body) for body in items]
            case BatchKind.SETTINGS:
                silences, rules = Silences(), RuleBook()
                for body in items:
                    silences.merge(body.get("silences", []))
                    rules.merge(body.get("rules", []))
                assert not rules.merge(rules.changes(0)), "its own changes are no news"

    return Target(f"records-{batch.value}", run, (orjson.dumps(bodies),), _WORDS)


TARGETS = (
    _target(
        "log-references",
        codec.decode_log_references,
        codec.encode_log_references,
        codec.encode_log_references([LogReference(_TRACE, "id", _TIME, 9)]),
    ),
    _target(
        "exemplars",
        codec.decode_exemplars,
        codec.encode_exemplars,
        codec.encode_exemplars([ExemplarReference(_TRACE, _SPAN, _TIME, "m", 1.5)]),
    ),
    _target(
        "receipts",
        codec.decode_link_queries,
        codec.encode_link_queries,
        codec.encode_link_queries([LinkQuery(SpanReference(_TRACE, _SPAN), _TRACE, _TIME)]),
    ),
    _target(
        "origins",
        codec.decode_link_targets,
        codec.encode_link_targets,
        codec.encode_link_targets(
            [LinkTarget(_TRACE, SpanReference(_TRACE, _SPAN), True, 1, 2, "cart", "cart-1", "host", _TIME)]
        ),
    ),
    _target(
        "points",
        codec.decode_points,
        codec.encode_points,
        codec.encode_points([Point(Series("m", (("a", "b"),), total=True), _TIME, 1.5)]),
    ),
    _target(
        "logs",
        codec.decode_logs,
        codec.encode_logs,
        codec.encode_logs([LogLine("cart", "cart-1", "prod", _TIME, 9, "text", _TRACE, _SPAN)]),
    ),
    _target("traces", learning.decode_traces, learning.encode_traces, learning.encode_traces([sampled_trace(next(traces(1)))])),
    _target(
        "log-templates",
        learning.decode_lines,
        learning.encode_lines,
        learning.encode_lines([TemplatedLine("prod", _TRACE, _SPAN, "id", "'paid <*>'", _TIME, 9)]),
    ),
    *(
        _of_bodies(batch, bodies)
        for batch, bodies in (
            (BatchKind.EDGES, EDGES),
            (BatchKind.ANOMALIES, ANOMALIES),
            (BatchKind.ANSWERS, ANSWERS),
            (BatchKind.SETTINGS, SETTINGS),
        )
    ),
)
