"""The life of alerts: pending, firing, resolved. Time comes in with each evaluation; follows Prometheus's alerting rules."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from telemetry.documents import alert_document
from telemetry.errors import InputError
from telemetry.resource import labelled_service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.promql.vectors import Labels
    from telemetry.documents import Document
    from telemetry.json_object import JsonObject

VERSION = 1
_FNV_OFFSET, _FNV_PRIME = 14695981039346656037, 1099511628211


class AlertState(StrEnum):
    """Where an alert is in its life. `INACTIVE` ends one that never fired."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"
    INACTIVE = "inactive"


def fingerprint(labels: Mapping[str, str]) -> str:
    """What Prometheus and Alertmanager identify a label set by: 64-bit FNV-1a of sorted names and values, in hex."""
    state = _FNV_OFFSET
    for name in sorted(labels):
        for byte in name.encode() + b"\xff" + labels[name].encode() + b"\xff":
            state = (state ^ byte) * _FNV_PRIME & 0xFFFFFFFFFFFFFFFF
    return f"{state:016x}"


@dataclass(frozen=True, slots=True)
class AlertChange:
    """An alert that changed its state at `time`. Times in nanoseconds, 0 where it has not come to that."""

    fingerprint: str
    state: AlertState
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    value: float
    time: int
    active_at: int  # since when the expression holds
    starts_at: int  # since when it fires
    ends_at: int  # when it resolved
    group: str = ""
    expr: str = ""
    file: str = ""  # of its rule; `api:NAMESPACE` where that came over HTTP

    @property
    def service(self) -> str:
        """The service that it is about, by the labels `service` and `service_namespace`; empty for none."""
        return labelled_service(self.labels)

    def document(self) -> Document:
        """What is stored of it."""
        return alert_document(
            {
                "fingerprint": self.fingerprint,
                "state": self.state.value,
                "labels": dict(self.labels),
                "annotations": dict(self.annotations),
                "service": self.service,
                "value": self.value if math.isfinite(self.value) else None,
                "time": self.time,
                "active_at": self.active_at,
                "starts_at": self.starts_at,
                "ends_at": self.ends_at,
                "group": self.group,
                "expr": self.expr,
            }
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What an evaluation says of one alert."""

    value: float
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Alert:
    """One alert that is pending or firing."""

    labels: Labels
    annotations: Mapping[str, str]
    value: float
    active_at: int
    fired_at: int | None = None
    keep_since: int | None = None  # since when only keep_firing_for holds it

    @property
    def state(self) -> AlertState:
        """Pending until it fired."""
        return AlertState.PENDING if self.fired_at is None else AlertState.FIRING

    def change(self, state: AlertState, time: int, *, group: str, expr: str, file: str = "") -> AlertChange:
        """The alert as a change for notifications and documents."""
        labels = dict(self.labels)
        return AlertChange(
            fingerprint(labels),
            state,
            labels,
            self.annotations,
            self.value,
            time,
            self.active_at,
            self.fired_at or 0,
            time if state in {AlertState.RESOLVED, AlertState.INACTIVE} else 0,
            group,
            expr,
            file,
        )


@dataclass(slots=True)
class RuleAlerts:
    """The alerts of one rule. `hold` and `keep` are its `for` and `keep_firing_for`, in nanoseconds."""

    hold: int
    keep: int
    group: str
    expr: str
    file: str = ""
    alerts: dict[Labels, Alert] = field(default_factory=dict)

    def update(self, at: int, found: Mapping[Labels, Found]) -> list[AlertChange]:
        """Take the result of an evaluation at a time; the alerts that changed their state, each change once."""
        changes: list[AlertChange] = []
        for labels, new in found.items():
            known = self.alerts.get(labels)
            if known is None:
                known = self.alerts[labels] = Alert(labels, new.annotations, new.value, at)
                if self.hold > 0:
                    changes.append(self._transition(known, AlertState.PENDING, at))
            known.value, known.annotations, known.keep_since = new.value, new.annotations, None
            if known.fired_at is None and at - known.active_at >= self.hold:
                known.fired_at = at
                changes.append(self._transition(known, AlertState.FIRING, at))
        for labels in [labels for labels in self.alerts if labels not in found]:
            gone = self.alerts[labels]
            if gone.fired_at is not None and self.keep > 0:
                gone.keep_since = at if gone.keep_since is None else gone.keep_since
                if at - gone.keep_since < self.keep:
                    continue
            del self.alerts[labels]
            changes.append(self._transition(gone, _ended(gone), at))
        return changes

    def clear(self, at: int) -> list[AlertChange]:
        """End every alert: the rule is gone, or has too many of them."""
        changes = [self._transition(alert, _ended(alert), at) for alert in self.alerts.values()]
        self.alerts.clear()
        return changes

    def active(self, at: int) -> list[AlertChange]:
        """Every alert as it stands."""
        return [self._transition(alert, alert.state, at) for alert in self.alerts.values()]

    def _transition(self, alert: Alert, state: AlertState, at: int) -> AlertChange:
        return alert.change(state, at, group=self.group, expr=self.expr, file=self.file)

    def snapshot(self) -> JsonObject:
        """Plain data."""
        return {
            "version": VERSION,
            "alerts": [
                {
                    "labels": dict(alert.labels),
                    "annotations": dict(alert.annotations),
                    "value": repr(alert.value),
                    "active_at": alert.active_at,
                    "fired_at": alert.fired_at,
                    "keep_since": alert.keep_since,
                }
                for alert in self.alerts.values()
            ],
        }

    def restore(self, state: JsonObject) -> None:
        """Take a snapshot's alerts in place of what is held.

        Raises:
            InputError: a snapshot of another version.
        """
        if state.get("version") != VERSION:
            raise InputError(f"alert snapshot of version {state.get('version')!r}; this release reads version {VERSION}")
        self.alerts = {}
        for item in state["alerts"]:
            labels = tuple(sorted(item["labels"].items()))
            self.alerts[labels] = Alert(
                labels, item["annotations"], float(item["value"]), item["active_at"], item["fired_at"], item["keep_since"]
            )


def _ended(alert: Alert) -> AlertState:
    return AlertState.INACTIVE if alert.fired_at is None else AlertState.RESOLVED
