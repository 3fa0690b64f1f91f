"""The alerts that there are, wherever they come from: our own rules, or a Prometheus that posts them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from alerting.alert_state import AlertState, fingerprint
from components.durations import MINUTE
from telemetry.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alerting.alert_state import AlertChange
    from telemetry.json_object import JsonObject

MAX_ALERTS = 20_000
"""Most alerts held; a new one beyond is refused."""
KEEP_RESOLVED = 15 * MINUTE
"""How long a resolved alert stays, so that a late group can still notify of it."""

RESERVED = frozenset({"RepairApprovalRequested", "RepairEscalated", "RepairBreakerOpened", "RepairsStopped", "RepairRefused"})
"""Names of alerts by which repairs ask and notify humans; no other alert may have one of them."""

APPROVE = "approve"
"""The annotation with the link by which a repair is approved. It is for receivers: who only reads the API must not approve."""


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """One alert as receivers see it. `ends_at` is 0 for one that fires until it is reported as ended.

    Of its labels, `added` are external labels: what is stored of its rule has `own_fingerprint`, which is without them.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: int
    ends_at: int
    updated_at: int
    generator_url: str = ""
    fingerprint: str = ""
    added: Mapping[str, str] = field(default_factory=dict)
    own_fingerprint: str = ""  # empty: the same as the other
    own: bool = False  # made here; others are posted

    @property
    def document_fingerprint(self) -> str:
        """What documents name it by, however external labels may change."""
        return self.own_fingerprint or self.fingerprint

    def with_external(self, external: Mapping[str, str]) -> StoredAlert:
        """The alert with these external labels and no others. As in Prometheus, a label of its own wins unless it is empty."""
        if not external and not self.added:
            return self
        own = {name: value for name, value in self.labels.items() if name not in self.added}
        added = {name: value for name, value in external.items() if not own.get(name)}
        labels = own | added
        return replace(
            self, labels=labels, added=added, fingerprint=fingerprint(labels), own_fingerprint=fingerprint(own) if added else ""
        )

    def resolved(self, now: int) -> bool:
        """Whether it has ended."""
        return 0 < self.ends_at <= now

    def body(self) -> JsonObject:
        """Plain data."""
        body = {
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "starts_at": self.starts_at,
            "ends_at": self.ends_at,
            "updated_at": self.updated_at,
            "generator_url": self.generator_url,
            "fingerprint": self.fingerprint,
        }
        return body | {"own": self.own} | ({"added": dict(self.added)} if self.added else {})


def stored_alert(body: JsonObject) -> StoredAlert:
    """The alert of a body; its fingerprint comes from the labels."""
    labels, added = body["labels"], body.get("added", {})
    own = {name: value for name, value in labels.items() if name not in added}
    # A version before did not say whose it is: what others post has an end, and none of our names.
    is_own = body.get("own", body["ends_at"] == 0 or labels.get("alertname") in RESERVED)
    marks = {"fingerprint": fingerprint(labels), "own_fingerprint": fingerprint(own) if added else "", "own": is_own}
    return StoredAlert(**body | marks)


def from_change(change: AlertChange, generator_url: str = "") -> StoredAlert | None:
    """The alert of a rule's change; None for a change that concerns no receiver."""
    if change.state not in {AlertState.FIRING, AlertState.RESOLVED}:
        return None
    return StoredAlert(
        change.labels, change.annotations, change.starts_at, change.ends_at, change.time, generator_url, change.fingerprint
    )


@dataclass(slots=True)
class AlertStore:
    """Alerts by fingerprint."""

    max_alerts: int = MAX_ALERTS
    refused: int = 0
    _alerts: dict[str, StoredAlert] = field(default_factory=dict)

    def __iter__(self) -> Iterator[StoredAlert]:
        return iter(self._alerts.values())

    def __len__(self) -> int:
        return len(self._alerts)

    def get(self, identity: str) -> StoredAlert | None:
        """The alert of a fingerprint."""
        return self._alerts.get(identity)

    def of_rule(self, identity: str) -> StoredAlert | None:
        """The alert that a rule knows by this fingerprint, which is without external labels."""
        found = self._alerts.get(identity)
        if found is not None:
            return found
        return next((alert for alert in self._alerts.values() if alert.own_fingerprint == identity), None)

    def put(self, alert: StoredAlert) -> StoredAlert:
        """Keep an alert, merged with what is known of it: while it goes on, it began when it was first seen to.

        Raises:
            OverloadedError: too many alerts already.
        """
        known = self._alerts.get(alert.fingerprint)
        if known is None and len(self._alerts) >= self.max_alerts:
            self.refused += 1
            raise OverloadedError(f"{len(self._alerts)} alerts are held, the most allowed; resolve some or raise the bound", 30)
        if known is not None and not known.resolved(alert.updated_at) and known.starts_at < alert.starts_at:
            alert = replace(alert, starts_at=known.starts_at)
        self._alerts[alert.fingerprint] = alert
        return alert

    def prune(self, now: int) -> None:
        """Drop alerts that resolved long ago."""
        for identity in [key for key, alert in self._alerts.items() if 0 < alert.ends_at <= now - KEEP_RESOLVED]:
            del self._alerts[identity]

    def snapshot(self) -> list[JsonObject]:
        """Plain data."""
        return [alert.body() for alert in self._alerts.values()]

    def restore(self, state: list[JsonObject]) -> None:
        """Take a snapshot's alerts in place of what is held."""
        self._alerts = {alert.fingerprint: alert for alert in map(stored_alert, state)}
