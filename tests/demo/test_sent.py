from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from demo.shop.telemetry import CountEnded, CountingExporter, Sent

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_that_spans_have_ended_is_said_before_they_are_sent_so_a_kill_takes_no_count_with_it() -> None:
    reported: list[dict[str, int]] = []
    at_export: list[dict[str, int]] = []

    class Inner:
        def export(self, _: Sequence[Any]) -> Any:
            at_export.append(reported[-1])
            return SimpleNamespace(name="SUCCESS")

    sent = Sent(reported.append)
    ended = CountEnded(sent)
    exporter = CountingExporter(Inner(), "spans", sent)
    spans = [SimpleNamespace(context=SimpleNamespace(trace_flags=SimpleNamespace(sampled=True))) for _ in range(3)]
    for span in spans:
        ended.on_end(span)
    assert reported == []
    exporter.export(spans)
    assert (at_export[0]["spans_ended"], at_export[0]["spans_sent"]) == (3, 0)
    assert reported[-1]["spans_sent"] == 3
