"""What the check of access counts about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class AccessMetrics:
    """Counters of refused requests and of logins."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refused = Counter(
            "spanloom_access_refused_requests",
            "Requests refused; reason is host, origin, unauthenticated, forbidden or too_many_failures.",
            ("reason",),
            registry=registry,
        )
        self.failed_logins = Counter("spanloom_access_failed_logins", "Wrong tokens and logins.", registry=registry)
        self.logins = Counter("spanloom_access_logins", "Logins of browsers, by how.", ("source",), registry=registry)
