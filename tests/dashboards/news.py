"""What happens in the shop while somebody looks: an alert fires, a repair waits for a person, a line is logged."""

from __future__ import annotations

from dataclasses import replace

from alerting.alert_state import AlertChange, AlertState, fingerprint
from telemetry.documents import Document, Kind
from telemetry.documents.signals import log_document
from telemetry.logs import ERROR, LogRecord
from telemetry.resource import Resource
from tests.dashboards import shop

ALERT, INCIDENT, LINE = "ShippingSlow", "incident-2", "the queue of shipping is full"


def documents() -> list[Document]:
    """The change of the alert, the repair and the line."""
    labels = {"alertname": ALERT, "service": "shipping", "severity": "page"}
    summary = {"summary": "shipping answers slowly"}
    change = AlertChange(
        fingerprint(labels), AlertState.FIRING, labels, summary, 0.4, shop.NOW, shop.NOW, shop.NOW, 0, "shop", "p95 > 0.2"
    )
    repair = next(one for one in shop.documents() if one.kind is Kind.INCIDENT and one.body["state"] != "closed")
    body = repair.body | {"id": INCIDENT, "state": "approving", "service": "shipping", "instance": "", "opened": shop.NOW}
    line = LogRecord(shop.NOW, LINE, Resource({"service.name": "shipping"}), severity=ERROR, severity_text="ERROR")
    return [change.document(), replace(repair, id=f"{INCIDENT}.2", time=shop.NOW, body=body), log_document(line)]
