"""Places for which a revision is compiled, and read by Envoy, before its release."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from governance.compile.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from governance.model import Policies

MAX_PLACES = 5


def tried_at(policies: Policies, sites: Iterable[Site]) -> Sequence[Site]:
    """Those of the fleet that differ most, and one that has both listeners for each governed service."""
    found = {replace(each, labels=()) for each in sites}
    governed = sorted({each.service for _, section in policies.sections() for each in section} - {"*"}) or ["any"]
    found |= {
        Site(service, inbound=10_000, application=10_001, outbound=10_002, telemetry=True) for service in governed[:MAX_PLACES]
    }
    return sorted(found, key=lambda each: (each.service not in governed, each.service))[:MAX_PLACES]
