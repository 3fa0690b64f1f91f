from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.playbooks.story import timeline_of
from telemetry.documents import Kind
from telemetry.findings import Anomaly, AnomalyKind, CulpritRanking, Suspect
from telemetry.findings import Evidence as Reason
from telemetry.metrics import Series
from tests.alerting.playbooks.world import SECOND, START, Alert, Processes, healer, pass_time, playbooks, stored

if TYPE_CHECKING:
    from pathlib import Path

    from alerting.playbooks.kernel.healer import Healer

TRACE = bytes(range(16))


def reported(made: Healer) -> str:
    trail = stored(made.outbox()[0], Kind.AUDIT)
    incident = next(record["incident"] for record in trail if record["event"] == "matched")
    return "\n".join(timeline_of(incident, trail))


def seen(made: Healer) -> None:
    """What the pipeline concluded before the alert fired."""
    reason = Reason("trace", 2.0, "GET /cart: 3 ms became 311 ms in itself", (TRACE,))
    ranking = (Suspect("cart", 5.1234567, evidence=(reason,)), Suspect("shop", 1.0))
    made.evidence.add_ranking(CulpritRanking(START, "default", "a", ranking))
    series = Series("self_time", (("service", "cart"),))
    slow = Anomaly(AnomalyKind.LATENCY, series, "cart", START - SECOND, START, 0.95, 0.003, 0.311, "s", "why")
    made.evidence.add_anomaly(slow)


def test_a_repair_that_helped_is_reported_with_its_reasons_its_steps_and_its_proof(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world)
    seen(made)
    made.on_alert(Alert("cart", annotations={"summary": "cart is slow"}), START)
    now = pass_time(made, world, START, 8)
    made.on_alert(Alert("cart", state="resolved"), now)
    story = reported(made)
    for line in (
        "repair on cart/a",
        "closed after 5.0 s: recovery proven",
        "alert Slow (instance a, service cart, severity critical): cart is slow",
        "its rule, of group services, saw 3: latency > 1",
        "suspect 1 of 2, with a score of 5.123",
        "GET /cart: 3 ms became 311 ms in itself",
        "unusual: self_time{service=cart}: 0.311 s, usually 0.003 s",
        f"traces: {TRACE.hex()}",
        "a repair touches 1 instance and 50% of all calls",
        "restart: restart name=cart/a, which must not run twice",
        "recovery: PROVEN, it held for 5s",
        "+7.0 s  the alert resolved",
        "on record: records 2 to",
    ):
        assert line in story
    order = [story.index(word) for word in ("why", "what happened", "restart is done", "verify recovery", "PROVEN", "closed: ")]
    assert order == sorted(order)


def test_a_repair_that_failed_says_what_failed_and_what_was_undone(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"}, failing={"restart"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    pass_time(made, world, START, 1)
    story = reported(made)
    assert "escalated after 0.0 s: step 'restart' failed" in story
    assert "restart FAILED: restart cart/a: refused" in story
    assert story.index("rolling back") < story.index("undo ") < story.index("is undone") < story.index("escalated to on-call")


def test_an_open_incident_says_so(tmp_path: Path) -> None:
    world = Processes(sick={"cart/a"})
    made = healer(playbooks(tmp_path), world)
    made.on_alert(Alert("cart"), START)
    pass_time(made, world, START, 2)
    assert "is still open" in reported(made)
