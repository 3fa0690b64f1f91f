from __future__ import annotations

from typing import Any

from dashboards.read_models.alerts import is_open, standing
from dashboards.read_models.timeline import timeline
from telemetry.documents import Kind
from tests.dashboards import shop


def bodies(kind: Kind) -> list[dict[str, Any]]:
    found = [document for document in shop.signal_documents() if document.kind is kind]
    return [document.body | {"_id": document.id, "@timestamp": document.time} for document in found]


def test_what_goes_on_is_reported_once_and_what_comes_back_again() -> None:
    first = bodies(Kind.ANOMALY)[0]
    later = [
        first | {"start": first["start"] + seconds * shop.SECOND, "end": first["end"] + seconds * shop.SECOND}
        for seconds in (5, 10, 200)
    ]
    reported = timeline([*reversed(later), first], [], [], [])
    assert [event.time for event in reported] == [later[-1]["end"], first["end"]]


def test_a_ranking_is_news_when_its_first_places_change() -> None:
    ranking = bodies(Kind.CULPRIT)[0]
    same = ranking | {"@timestamp": shop.NOW}
    other = ranking | {"@timestamp": shop.NOW + 1, "ranking": [{"service": "cart", "score": 0.5}]}
    assert [event.text for event in timeline([], [ranking, same, other], [], [])] == [
        "cart 0.50",
        "payment 0.91, checkout 0.20",
    ]


def test_an_incident_is_reported_by_its_states_whatever_the_order() -> None:
    revisions = bodies(Kind.INCIDENT)
    expected = [
        "restart-the-culprit on payment: closed, latency is back to what is usual",
        "restart-the-culprit on payment: repairing",
    ]
    for order in (revisions, revisions[::-1]):
        assert [event.text for event in timeline([], [], [], order)] == expected


def test_an_alert_stands_as_its_last_change_says_and_a_new_one_of_its_labels_is_another() -> None:
    changes = bodies(Kind.ALERT)
    assert [(alert["service"], alert["state"]) for alert in standing(reversed(changes))] == [
        ("payment", "firing"),
        ("cart", "resolved"),
    ]
    cart = next(change for change in changes if change["service"] == "cart")
    again = cart | {"active_at": shop.NOW, "time": shop.NOW, "state": "pending"}
    found = standing([*changes, again])
    assert [(alert["service"], alert["state"], is_open(alert)) for alert in found] == [
        ("payment", "firing", True),
        ("cart", "pending", True),
        ("cart", "resolved", False),
    ]
