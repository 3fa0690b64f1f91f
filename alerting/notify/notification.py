"""A notification: what one integration of a receiver gets for one group of alerts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from components.secrets import SECRETS
from telemetry.documents import digest, timestamp
from telemetry.errors import SpanloomError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerting.alerts import StoredAlert
    from telemetry.json_object import JsonObject

ZERO_TIME = "0001-01-01T00:00:00Z"
"""What Alertmanager writes for a time that is not there."""


class DeliveryError(SpanloomError):
    """A receiver did not take a notification.

    Args:
        reason: its answer; kept without secrets.
        retry: whether trying again may help.
        retry_after: seconds that the receiver asked to wait, 0 if it did not.
    """

    def __init__(self, reason: str, *, retry: bool, retry_after: float = 0) -> None:
        super().__init__(SECRETS.mask(reason))
        self.retry = retry
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Integration:
    """One way to reach a receiver: `webhook`, the second of the receiver `team`, is `team/webhook[1]`."""

    receiver: str
    kind: str
    index: int = 0
    send_resolved: bool = True

    @property
    def id(self) -> str:
        """Its name among all."""
        return f"{self.receiver}/{self.kind}[{self.index}]"


@dataclass(frozen=True, slots=True)
class Notification:
    """Alerts of one group for one integration. Times in nanoseconds; `retry_period` is how long it is worth trying."""

    integration: Integration
    group_key: str
    group_labels: Mapping[str, str]
    firing: tuple[StoredAlert, ...]
    resolved: tuple[StoredAlert, ...]
    time: int
    retry_period: int
    previous: int = 0  # when the group was last notified: distinguishes a repetition from a retry
    key: str = field(init=False)
    alerts: tuple[StoredAlert, ...] = field(init=False)
    """What it is about, in Alertmanager's order; resolved ones only for who wants them."""

    def __post_init__(self) -> None:
        wanted = self.firing + self.resolved if self.integration.send_resolved else self.firing
        object.__setattr__(self, "alerts", tuple(sorted(wanted, key=_place)))
        parts = [self.group_key, self.integration.id, str(self.previous)]
        parts += [f"+{alert.fingerprint}{alert.starts_at}" for alert in self.firing]
        parts += [f"-{alert.fingerprint}{alert.ends_at}" for alert in self.resolved]
        object.__setattr__(self, "key", digest(*parts))

    def with_firing(self, firing: tuple[StoredAlert, ...]) -> Notification:
        """The same with other texts in its alerts; the key stays."""
        return replace(self, firing=firing)

    @property
    def status(self) -> str:
        """`firing` while any alert does."""
        return "firing" if self.firing else "resolved"

    @property
    def common_labels(self) -> dict[str, str]:
        """The labels that all of its alerts have."""
        return common([alert.labels for alert in self.alerts])

    @property
    def group_hash(self) -> str:
        """What other systems know the group by: the same for what fires and for its end, and the same as Alertmanager's."""
        return hashlib.sha256(self.group_key.encode()).hexdigest()


def _place(alert: StoredAlert) -> tuple[object, ...]:
    """Where an alert stands among others, as Alertmanager sorts them.

    By job, by instance, those without one last; then those with fewer labels first. Of as many labels, the one that lacks
    the first name that not both have comes first.
    """
    labels = alert.labels
    first = [(name not in labels, labels.get(name, "")) for name in ("job", "instance")]
    return (*first, len(labels), [(_backwards(name), labels[name]) for name in sorted(labels)])


@lru_cache(maxsize=10_000)
def _backwards(name: str) -> str:
    """Sorts in the opposite order of the name."""
    return "".join(chr(_LAST - ord(sign)) for sign in name) + chr(_LAST)


_LAST = 0x10FFFF


class Notifier(Protocol):
    """Sends notifications to one place."""

    async def send(self, notification: Notification) -> None:
        """Deliver.

        Raises:
            DeliveryError: it was not accepted.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Safe twice."""
        ...


def common(maps: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The pairs that all of them have."""
    if not maps:
        return {}
    first, *rest = maps
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in rest)}


def template_data(notification: Notification, external_url: str, limit: int = 0) -> JsonObject:
    """The data of a notification as webhooks and templates have them, in Alertmanager's webhook format, version 4.

    https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """
    alerts = notification.alerts
    shown = alerts[:limit] if limit else alerts
    firing = {alert.fingerprint for alert in notification.firing}
    return {
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": len(alerts) - len(shown),
        "status": notification.status,
        "receiver": notification.integration.receiver,
        "groupLabels": dict(notification.group_labels),
        "commonLabels": common([alert.labels for alert in alerts]),
        "commonAnnotations": common([alert.annotations for alert in alerts]),
        "externalURL": external_url,
        "alerts": [alert_body(alert, firing=alert.fingerprint in firing) for alert in shown],
    }


def alert_body(alert: StoredAlert, *, firing: bool) -> dict[str, object]:
    """One alert of the webhook format."""
    return {
        "status": "firing" if firing else "resolved",
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": timestamp(alert.starts_at),
        "endsAt": ZERO_TIME if firing else timestamp(alert.ends_at),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }
