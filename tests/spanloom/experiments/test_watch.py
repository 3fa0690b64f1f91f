from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from spanloom.experiments.account import audit_holds, shortfalls
from spanloom.experiments.watch import MILESTONES, DemoWatch, Injection
from telemetry.documents import Kind, anomaly_document, culprits_document
from telemetry.findings import Anomaly, AnomalyKind, CulpritRanking, Suspect
from telemetry.metrics import Series

SECOND = 1_000_000_000
INJECTED = 1_000 * SECOND


def watching() -> DemoWatch:
    return DemoWatch(Injection("payment", {"kind": "latency", "milliseconds": 400}, INJECTED))


def anomaly(service: str, end: int) -> dict[str, Any]:
    document = anomaly_document(
        Anomaly(
            kind=AnomalyKind.LATENCY,
            series=Series("latency", (("service", service),)),
            service=service,
            start=end - 5 * SECOND,
            end=end,
            score=0.98,
            expected=0.01,
            seen=0.41,
            unit="s",
            why="latency 41 times what is usual",
        )
    )
    return document.body | {"_id": document.id, "@timestamp": document.time}


def ranking(time: int, *pairs: tuple[str, float]) -> dict[str, Any]:
    document = culprits_document(CulpritRanking(time, "demo", "a", tuple(Suspect(service, score) for service, score in pairs)))
    return document.body | {"_id": document.id, "@timestamp": document.time}


def incident(state: str, restart: str, change: int, service: str = "payment") -> dict[str, Any]:
    steps = [
        {"name": "take-out", "phase": "isolate", "undoes": "", "progress": "done", "detail": ""},
        {"name": "restart", "phase": "repair", "undoes": "", "progress": restart, "detail": ""},
        {"name": "give-back", "phase": "repair", "undoes": "take-out", "progress": "waiting", "detail": ""},
    ]
    return {
        "_id": f"i.{change}",
        "@timestamp": INJECTED + change,
        "id": "i",
        "service": service,
        "playbook": "restart",
        "opened": INJECTED + 1,
        "ended": int(state in {"closed", "escalated"}),
        "state": state,
        "why": "",
        "steps": steps,
    }


def notification(status: str, *alerts: tuple[str, str], began: int = INJECTED) -> dict[str, Any]:
    return {
        "version": "4",
        "status": status,
        "alerts": [
            {
                "status": state,
                "labels": {"alertname": "Slow", "service": service},
                "annotations": {"summary": f"{service} is slow"},
                "fingerprint": service,
                "startsAt": datetime.fromtimestamp(began / SECOND, UTC).isoformat(),
            }
            for service, state in alerts
        ],
    }


def at(seconds: float) -> int:
    return INJECTED + int(seconds * SECOND)


def test_a_round_in_which_all_happens_is_complete_and_its_figures_are_seconds_since_the_injection() -> None:
    watch = watching()
    assert watch.missing() == [text.format(service="payment") for text in MILESTONES.values()]
    watch.see_documents(Kind.ANOMALY, [anomaly("payment", at(5))], at(6))
    watch.see_documents(Kind.CULPRIT, [ranking(at(6), ("payment", 0.9), ("checkout", 0.4))], at(6.5))
    watch.see_notification(notification("firing", ("payment", "firing"), ("checkout", "firing")), at(9))
    watch.see_documents(Kind.INCIDENT, [incident("isolating", "waiting", 1)], at(10))
    watch.see_documents(Kind.INCIDENT, [incident("verifying", "done", 2)], at(12))
    watch.see_documents(Kind.INCIDENT, [incident("closed", "done", 3)], at(25))
    watch.see_notification(notification("resolved", ("checkout", "resolved")), at(30))
    assert not watch.complete
    watch.see_notification(notification("firing", ("payment", "resolved"), ("cart", "firing")), at(31))
    assert watch.complete
    assert watch.missing() == []
    figures = watch.figures()
    assert figures["injected"] == {"service": "payment", "kind": "latency", "milliseconds": 400}
    assert figures["injected_ranked_first"] is True
    assert figures["culprits"] == [["payment", 0.9], ["checkout", 0.4]]
    seconds = [figures[f"seconds_to_{step}"] for step in ("detect", "alert", "repair", "verify", "resolve")]
    assert seconds == [6.0, 9.0, 12.0, 25.0, 31.0]
    assert [entry.event for entry in watch.entries] == [
        *(
            "anomaly",
            "culprits",
            "alert",
            "alert",
            "playbook",
            "playbook",
            "playbook",
            "playbook",
            "resolved",
            "resolved",
            "alert",
        )
    ]


def test_what_was_before_the_fault_or_about_another_service_is_no_milestone() -> None:
    watch = watching()
    watch.see_documents(Kind.ANOMALY, [anomaly("payment", INJECTED), anomaly("cart", at(5))], at(6))
    watch.see_documents(Kind.CULPRIT, [ranking(INJECTED, ("payment", 0.9))], at(6))
    watch.see_documents(Kind.INCIDENT, [incident("closed", "done", 1, service="cart")], at(7))
    watch.see_notification(notification("firing", ("cart", "firing")), at(8))
    watch.see_notification(notification("resolved", ("cart", "resolved")), at(9))
    assert len(watch.missing()) == len(MILESTONES)


def test_every_alert_that_begins_after_the_fault_is_seen_whatever_its_service() -> None:
    watch = DemoWatch(Injection("", {}, INJECTED))
    watch.see_notification(notification("firing", ("web", "firing"), began=INJECTED - SECOND), INJECTED + SECOND)
    watch.see_notification(notification("firing", ("web", "firing"), ("cart", "firing")), INJECTED + 2 * SECOND)
    assert watch.alerts == ["Slow for cart"]
    assert watch.seconds_to("alerted") is None


def test_another_service_ranked_first_is_not_hidden() -> None:
    watch = watching()
    watch.see_documents(Kind.CULPRIT, [ranking(at(6), ("checkout", 0.9), ("payment", 0.8))], at(6))
    assert not watch.ranked_first
    assert "checkout is ranked before payment" in watch.missing()
    assert watch.figures()["injected_ranked_first"] is False


def test_a_repair_that_was_escalated_is_not_verified() -> None:
    watch = watching()
    watch.see_documents(Kind.INCIDENT, [incident("escalated", "failed", 1)], at(6))
    assert {"no playbook repaired payment", "the repair of payment was not verified from telemetry"} <= set(watch.missing())


def test_documents_seen_again_are_reported_once() -> None:
    watch = watching()
    for _ in range(3):
        watch.see_documents(Kind.ANOMALY, [anomaly("payment", at(5))], at(6))
        watch.see_documents(Kind.INCIDENT, [incident("isolating", "intended", 1)], at(7))
    assert len(watch.entries) == 3


def test_the_account_names_every_figure_that_does_not_agree() -> None:
    agreeing = {
        "spans_sent": 100,
        "spans_lost_by_the_shop": 0,
        "spans_died": 0,
        "spans_joined": 100,
        "spans_stored": 100,
        "audit_verified": True,
    }
    assert shortfalls(agreeing) == []
    for changed in (
        {"spans_lost_by_the_shop": 1},
        {"spans_joined": 99},
        {"spans_stored": 101},
        {"audit_verified": False},
    ):
        assert len(shortfalls(agreeing | changed)) == 1
    killed = agreeing | {"spans_died": 3, "spans_joined": 102, "spans_stored": 102}
    assert shortfalls(killed) == [], "a killed process may have sent what it did not tell of any more"
    assert "the shop sent no spans" in shortfalls(agreeing | {"spans_sent": 0})


def test_an_empty_audit_trail_proves_nothing() -> None:
    assert not audit_holds([])
