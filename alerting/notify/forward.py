"""Sends alerts on to Alertmanagers, as a Prometheus does: what fires each minute, what resolved for 15 minutes.

What is to be sent follows from the alerts that there are, not from a queue: while an Alertmanager is away nothing piles up,
and when it is back it gets the present state. It is also what another worker sends that takes the environment over.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import orjson
import structlog
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from alerting.alerts import APPROVE
from alerting.notify.http import Poster
from alerting.notify.http_config import HttpConfig
from alerting.notify.notification import DeliveryError
from components.durations import MINUTE, SECOND, parse_duration
from components.secrets import SECRETS
from telemetry.documents import timestamp
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import httpx2

    from alerting.alerts import StoredAlert

log = structlog.get_logger(__name__)

RESEND = MINUTE
VALID = 4 * RESEND
"""How long an Alertmanager believes an alert, ns, that it hears of no more."""
BATCH = 256
"""Most alerts in one request."""
SCAN = SECOND
"""Between two looks for what is due, ns."""
FIRST_WAIT, LONGEST_WAIT = 1 * SECOND, 30 * SECOND
"""Before a request that failed is tried again, doubled at each further failure up to the longest, ns."""
MAX_TARGETS = 20


def _target(text: str) -> str:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.path or parts.query or parts.username:
        raise ValueError(f'"{text}" is not HOST:PORT')
    try:
        _ = parts.port
    except ValueError:
        raise ValueError(f'"{text}" is not HOST:PORT') from None
    return text


def _duration(text: str) -> str:
    try:
        parse_duration(text)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return text


class Targets(BaseModel):
    """Alertmanagers by HOST:PORT. `labels` are for relabelling, which there is none of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    targets: Annotated[tuple[Annotated[str, AfterValidator(_target)], ...], Field(min_length=1, max_length=MAX_TARGETS)]
    labels: dict[str, str] = {}


class AlertmanagersConfig(HttpConfig):
    """Alertmanagers, written as under `alerting.alertmanagers` of Prometheus; each of the targets gets every alert."""

    scheme: Literal["http", "https"] = "http"
    path_prefix: str = "/"
    timeout: Annotated[str, AfterValidator(_duration)] = "10s"
    api_version: Literal["v2"] = "v2"
    static_configs: Annotated[tuple[Targets, ...], Field(min_length=1, max_length=MAX_TARGETS)]

    def urls(self) -> dict[str, str]:
        """Where to post alerts, by target."""
        path = f"/{self.path_prefix.strip('/')}/api/v2/alerts".replace("//", "/")
        return {target: f"{self.scheme}://{target}{path}" for each in self.static_configs for target in each.targets}


@dataclass(slots=True)
class ForwardCounts:
    """What became of alerts for one Alertmanager since the start, as `prometheus_notifications_*` count."""

    sent: int = 0
    errors: int = 0
    dropped: int = 0  # gone before the Alertmanager heard of them
    waiting: int = 0


Key = tuple[str, str]
"""Environment and fingerprint."""


@dataclass(slots=True)
class _Alertmanager:
    url: str
    poster: Poster
    counts: ForwardCounts = field(default_factory=ForwardCounts)
    heard: dict[Key, tuple[int, int, int]] = field(default_factory=dict)  # start and end of an alert; when it was sent
    unheard: set[Key] = field(default_factory=set)
    scanned_at: int = 0
    not_before: int = 0
    wait: int = FIRST_WAIT
    failing: bool = False
    sending: asyncio.Task[None] | None = None


class AlertForwarder:
    """Forwards the alerts of all environments of this process.

    Args:
        configs: the Alertmanagers.
        client: shared; it stays its giver's to close.
        now: nanoseconds since the epoch.
        alerts: those that there are, by environment.

    Raises:
        ConfigError: a certificate cannot be used.
    """

    def __init__(
        self,
        configs: Iterable[AlertmanagersConfig],
        client: httpx2.AsyncClient,
        now: Callable[[], int],
        alerts: Callable[[], Mapping[str, Iterable[StoredAlert]]],
    ) -> None:
        self._now, self._alerts = now, alerts
        self._alertmanagers = {
            url: _Alertmanager(url, Poster(client, config, parse_duration(config.timeout) / SECOND))
            for config in configs
            for url in config.urls().values()
        }

    @property
    def counts(self) -> dict[str, ForwardCounts]:
        """By the URL of the Alertmanager, without what may be secret in it."""
        return {SECRETS.mask(url): each.counts for url, each in self._alertmanagers.items()}

    def advance(self) -> None:
        """Begin to send what is due. Waits for nothing; each Alertmanager has one request under way at most."""
        now = self._now()
        for each in self._alertmanagers.values():
            if each.sending is not None and each.sending.done():
                each.sending.result()
                each.sending = None
            if each.sending is None and now >= each.not_before and now - each.scanned_at >= SCAN:
                each.scanned_at = now
                due = self._due(each, now)
                if due:
                    each.sending = asyncio.create_task(self._send(each, due), name="forward-alerts")

    async def close(self) -> None:
        """Abandon what is under way: whoever goes on sends it again. Safe twice."""
        tasks = [each.sending for each in self._alertmanagers.values() if each.sending is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in self._alertmanagers.values():
            each.sending = None
            await each.poster.close()

    def _due(self, each: _Alertmanager, now: int) -> list[tuple[Key, StoredAlert]]:
        held = self._alerts()
        due: list[tuple[Key, StoredAlert]] = []
        present: set[Key] = set()
        for environment, alerts in held.items():
            for alert in alerts:
                if not alert.own:
                    continue
                key = (environment, alert.fingerprint)
                present.add(key)
                heard = each.heard.get(key)
                if heard is None or heard[:2] != (alert.starts_at, alert.ends_at) or now - heard[2] >= RESEND:
                    due.append((key, alert))
                    if heard is None or heard[:2] != (alert.starts_at, alert.ends_at):
                        each.unheard.add(key)
        # One whose environment went to another worker is that one's to send.
        each.counts.dropped += sum(key[0] in held for key in each.unheard - present)
        each.unheard &= present
        each.heard = {key: heard for key, heard in each.heard.items() if key in present}
        each.counts.waiting = len(due)
        return due

    async def _send(self, each: _Alertmanager, due: list[tuple[Key, StoredAlert]]) -> None:
        for i in range(0, len(due), BATCH):
            batch = due[i : i + BATCH]
            now = self._now()
            body = orjson.dumps([_postable(alert, now) for _, alert in batch])
            try:
                await each.poster.post(each.url, body, {})
            except DeliveryError as error:
                each.counts.errors += len(batch)
                self._failed(each, error)
                if error.retry:
                    return
            else:
                each.counts.sent += len(batch)
                each.wait = FIRST_WAIT
                if each.failing:
                    each.failing = False
                    log.info("alertmanager_recovered", alertmanager=each.url)
            # What it refuses for good is tried again after a minute, as what it has: it may be set right there.
            each.heard |= {key: (alert.starts_at, alert.ends_at, now) for key, alert in batch}
            each.unheard -= {key for key, _ in batch}
            each.counts.waiting -= len(batch)

    def _failed(self, each: _Alertmanager, error: DeliveryError) -> None:
        if error.retry:
            each.not_before = self._now() + max(each.wait, int(error.retry_after * SECOND))
            each.wait = min(each.wait * 2, LONGEST_WAIT)
        if not each.failing:
            each.failing = True
            log.warning(
                "alertmanager_failed",
                alertmanager=each.url,
                reason=str(error),
                hint="see alerting.alertmanagers; it gets all alerts when it answers again",
            )


def _postable(alert: StoredAlert, now: int) -> dict[str, object]:
    """The alert as API v2 takes it. Who only reads that Alertmanager must not approve repairs: the link stays here."""
    link = alert.annotations.get(APPROVE)
    ends = min(alert.ends_at or now + VALID, now + VALID)
    return {
        "labels": dict(alert.labels),
        "annotations": {name: text for name, text in alert.annotations.items() if name != APPROVE},
        "startsAt": timestamp(alert.starts_at),
        "endsAt": timestamp(max(ends, alert.starts_at)),
        "generatorURL": alert.generator_url if alert.generator_url != link else "",
    }
