"""Alerts in, notifications out: routing, grouping, silences, inhibition, with all of their state in one place.

The time is passed in; nothing here waits or sends. Call `advance` every second or so, make `snapshot` durable, then hand
what it gave to a `Sender`, and give back each outcome with `settle`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from alerting.alertmanager.dispatch import AlertGroups, Suppression
from alerting.alertmanager.inhibition import CallPaths, Explained, Inhibition
from alerting.alertmanager.marks import apart, together
from alerting.alertmanager.silences import Silences
from alerting.alerts import AlertStore, StoredAlert, from_change
from components.durations import MINUTE
from telemetry.documents import digest, notification_document
from telemetry.errors import InputError, OverloadedError
from telemetry.sentences import parts_of
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alerting.alert_state import AlertChange
    from alerting.alertmanager.config import AlertmanagerConfig
    from alerting.alertmanager.routes import Route
    from alerting.notify.notification import Notification
    from alerting.notify.sender import Delivery
    from telemetry.documents import Document
    from telemetry.json_object import JsonObject

log = structlog.get_logger(__name__)

VERSION = 1
EDGES_LIVE = 15 * MINUTE
"""How long an edge of the call graph counts as live after it was last seen."""


@dataclass(frozen=True, slots=True)
class Muting:
    """Who mutes an alert now: ids of silences, fingerprints of alerts, and the culprit in the call graph among them."""

    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    explained: Explained | None = None


@dataclass(frozen=True, slots=True)
class Advance:
    """What is to be sent, and documents of what was suppressed."""

    notifications: list[Notification]
    documents: list[Document]


class Alertmanager:
    """The state of one environment's alerts.

    Args:
        config: routes and receivers.
        external_url: where users reach this instance.
        silences: of all environments.
        grouped_by: labels that are always part of a group: receivers must not take the groups of two environments for one.
        external_labels: of all alerts that are made here.
    """

    def __init__(
        self,
        config: AlertmanagerConfig,
        external_url: str = "",
        silences: Silences | None = None,
        grouped_by: Iterable[str] = (),
        external_labels: Mapping[str, str] | None = None,
    ) -> None:
        self.config = config
        self.external_url = external_url
        self.alert_store = AlertStore()
        self.silences = Silences() if silences is None else silences
        self._grouped_by = frozenset(grouped_by)
        self._external = dict(external_labels or {})
        self._to_relabel = False
        self.calls = CallPaths(EDGES_LIVE)
        self.groups = AlertGroups(config.root, config.integrations, self._muted, self._grouped_by)
        self._inhibition = Inhibition((), (), self.calls, (), 0)

    def replace_config(self, config: AlertmanagerConfig, now: int) -> None:
        """Replace the configuration; the notification log of receivers that stay is kept."""
        state = {**self.groups.snapshot(), "not_before": {}}  # by the same name it may be another receiver
        self.config = config
        self.groups = AlertGroups(config.root, config.integrations, self._muted, self._grouped_by)
        self.groups.restore(state)
        for alert in self.alert_store:
            self.groups.put(alert, now)

    def handle(self, changes: Iterable[AlertChange], now: int) -> None:
        """Handle changes of our own rules. Alerts beyond the limit of the alert store are dropped and counted there."""
        self._relabel(now)
        for change in changes:
            url = f"{self.external_url}/alerts/{change.fingerprint}" if self.external_url else ""
            alert = from_change(change, url)
            if alert is not None:
                with suppress(OverloadedError):
                    self.put_own(alert, now)

    def put_own(self, alert: StoredAlert, now: int) -> None:
        """Take one alert that is made here: with the external labels.

        Raises:
            OverloadedError: too many alerts.
        """
        self.put(replace(alert.with_external(self._external), own=True), now)

    def put(self, alert: StoredAlert, now: int) -> None:
        """Take one alert.

        Raises:
            OverloadedError: too many alerts.
        """
        self.groups.put(self.alert_store.put(alert), now)

    def _relabel(self, now: int) -> None:
        """What fires under the external labels of before ends, and fires under those of today: as with a Prometheus."""
        if not self._to_relabel:
            return
        self._to_relabel = False
        outdated = [alert for alert in self.alert_store if alert.own and not alert.resolved(now)]
        log.info("external_labels_changed", alerts=len(outdated), hint="they resolve, and fire with the new labels")
        for alert in outdated:
            relabelled = alert.with_external(self._external)
            if relabelled.fingerprint != alert.fingerprint:
                self.put(replace(alert, ends_at=now, updated_at=now), now)
                with suppress(OverloadedError):  # a rule's is offered again
                    self.put(relabelled, now)

    def see_calls(self, edges: Iterable[tuple[str, str]], now: int) -> None:
        """Take live edges of the call graph: caller and callee."""
        self.calls.add(edges, now)

    def advance(self, now: int) -> Advance:
        """Flush the groups that are due."""
        self._relabel(now)
        self.alert_store.prune(now)
        self.silences.prune(now)
        due = self.groups.next_flush()
        if due is None or due > now:
            return Advance([], [])
        self.see_alerts(now)
        flush = self.groups.flush(now)
        notifications = [self._with_callers(notification, now) for notification in flush.notifications]
        return Advance(notifications, [_suppression_document(item, now) for item in flush.suppressions])

    def settle(self, delivery: Delivery) -> Document:
        """Take the outcome of a delivery; its document."""
        self.groups.settle(delivery.notification, delivery.time, delivered=delivery.delivered, not_before=delivery.not_before)
        return delivery.document()

    def muting(self, alert: StoredAlert, now: int) -> Muting:
        """Who mutes an alert, as of the last `see_alerts`."""
        return Muting(tuple(self.silences.matching(alert.labels, now)), *self._inhibition.by(alert))

    def see_alerts(self, now: int) -> None:
        """Bring inhibition up to date with the alerts that there are now."""
        self._inhibition = Inhibition(self.config.inhibit, self.config.topology, self.calls, self.alert_store, now)

    def _muted(self, alert: StoredAlert, route: Route, now: int) -> Suppression | None:
        found = self.muting(alert, now)
        if found.inhibited_by:
            reason, why = ",".join(found.inhibited_by), found.explained
            return Suppression(alert, "inhibition", reason, why.path if why else (), why.until if why else 0)
        intervals = self.config.intervals or {}
        for name in route.mute_time_intervals:
            if any(interval.holds(now) for interval in intervals[name]):
                return Suppression(alert, "time interval", name)
        active = route.active_time_intervals
        if active and not any(interval.holds(now) for name in active for interval in intervals[name]):
            return Suppression(alert, "time interval", Wording.OUTSIDE_OF(intervals=", ".join(active)))
        if found.silenced_by:
            return Suppression(alert, "silence", ",".join(found.silenced_by))
        return None

    def _with_callers(self, notification: Notification, now: int) -> Notification:
        """Name under each culprit the callers whose alerts it mutes."""
        if not any(self._inhibition.is_culprit(alert) for alert in notification.firing):
            return notification
        callers: dict[str, set[str]] = {}
        for alert in self.alert_store:
            explained = None if alert.resolved(now) else self._inhibition.explained(alert)
            if explained is not None:
                callers.setdefault(explained.culprit.fingerprint, set()).add(" -> ".join(explained.path))
        firing = tuple(
            replace(alert, annotations={**alert.annotations, "callers": "; ".join(sorted(callers[alert.fingerprint]))})
            if alert.fingerprint in callers
            else alert
            for alert in notification.firing
        )
        return notification.with_firing(firing)

    def snapshot(self) -> JsonObject:
        """Everything as plain data."""
        return apart(
            {
                "version": VERSION,
                "alerts": self.alert_store.snapshot(),
                "silences": self.silences.snapshot(),
                "groups": self.groups.snapshot(),
                "calls": self.calls.snapshot(),
                "external_labels": self._external,
            }
        )

    def restore(self, state: JsonObject) -> None:
        """Take a snapshot in place of what is held; its silences beside those of other environments.

        Raises:
            InputError: a snapshot of another version.
        """
        if state.get("version") != VERSION:
            raise InputError(f"alertmanager snapshot of version {state.get('version')!r}; this release reads version {VERSION}")
        state = together(state)
        self.alert_store.restore(state["alerts"])
        self.silences.merge(state["silences"])
        self.groups.restore(state["groups"])
        self.calls.restore(state["calls"])
        self._to_relabel = state.get("external_labels", {}) != self._external


def _suppression_document(suppression: Suppression, now: int) -> Document:
    """One document for an alert's whole time under one reason: looking again yields the same id.

    The time after the culprit resolved is one of its own; `until` says when it ends at the latest.
    """
    alert = suppression.alert
    key = [alert.fingerprint, str(alert.starts_at), suppression.by, suppression.reason]
    if suppression.until:
        key.append(str(suppression.until))
    body = {
        "key": digest(*key),
        "outcome": "suppressed",
        "by": suppression.by,
        "reason": suppression.reason,
        **({"reason_parts": parts} if (parts := parts_of(suppression.reason)) else {}),
        "path": list(suppression.path),
        "until": suppression.until,
        "alerts": [alert.document_fingerprint],
        "labels": dict(alert.labels),
    }
    return notification_document(body, now)
