"""The account at the end of a run: what the shop has sent against what the pipeline has stored, and the audit trail."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.audit import verify
from telemetry.documents import Kind, latest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spanloom.api_client import ApiClient
    from spanloom.experiments.shop import ShopProcess
    from telemetry.documents import Body

POLL_SECONDS = 1.0
SETTLE_SECONDS = 60.0
"""How long the pipeline may take to store the last of what was sent, once no more is."""


@dataclass(frozen=True, slots=True)
class Before:
    """How the pipeline stood before the shop sent anything: a folder that was used before holds more than this run."""

    time: int
    status: Body


async def reconciliation(pipeline: ApiClient, shop: ShopProcess, before: Before, proxied_service: str = "") -> Body:
    """Wait until all that was sent is stored, or the time for that is over; the figures as they then are.

    Args:
        pipeline: what stores.
        shop: what sent.
        before: how the pipeline stood.
        proxied_service: the one whose proxy answered requests by itself, which the service has not counted: of its spans
            those that are stored count as sent.
    """
    give_up = time.monotonic() + SETTLE_SECONDS
    while True:
        sent = await shop.sent()
        status = await pipeline.status()
        stored = status["spans_stored"] - before.status["spans_stored"]
        proxied = sent.get("spans_by_proxy", 0)
        if proxied_service:
            where = [f"resource.attributes.service.name:{proxied_service}"]
            proxied = max(proxied, len(await pipeline.find_all(Kind.SPAN, before.time, where)))
        late = time.monotonic() > give_up
        all_exported = sent["spans_ended"] == sent["spans_sent"] + sent["spans_failed"]
        if late or (all_exported and 0 <= stored - sent["spans_sent"] - proxied <= sent.get("spans_died", 0)):
            traces = latest(await pipeline.find_all(Kind.TRACE, before.time))
            joined = sum(trace["span_count"] for trace in traces)
            if late or joined == stored:
                break
        await asyncio.sleep(POLL_SECONDS)
    return {
        "spans_sent": sent["spans_sent"],
        "spans_lost_by_the_shop": sent["spans_ended"] - sent["spans_sent"],
        "spans_died": sent.get("spans_died", 0),  # with a process that was killed; some may have been sent
        "spans_by_proxy": proxied,  # as the services behind it count their requests and calls; it may lose some
        "spans_joined": joined,
        "spans_stored": stored,
        "traces": len(traces),
        "logs_sent": sent["logs_sent"],
        "logs_joined": status["logs_joined"] - before.status["logs_joined"],
        "audit_verified": audit_holds(await pipeline.find_all(Kind.AUDIT)),
    }


def audit_holds(records: Sequence[Body]) -> bool:
    """Whether there is an audit trail and each of its chains is whole."""
    chains: dict[str, list[Body]] = {}
    for record in sorted(records, key=lambda record: record["sequence"]):
        chains.setdefault(record["chain"], []).append(record)
    return bool(chains) and not any(verify(chain) for chain in chains.values())


def shortfalls(figures: Body) -> list[str]:
    """A sentence for each figure of an account that is not as it must be."""
    sent, joined, stored = figures["spans_sent"], figures["spans_joined"], figures["spans_stored"]
    proxied = figures.get("spans_by_proxy", 0)
    possible = range(sent, sent + proxied + figures["spans_died"] + 1)
    found = []
    if not sent:
        found.append("the shop sent no spans")
    if figures["spans_lost_by_the_shop"]:
        found.append(f"{figures['spans_lost_by_the_shop']} spans ended in the shop but were not acknowledged by the pipeline")
    by_proxy = f", and {proxied} by a proxy," if proxied else ""
    if stored not in possible:
        found.append(f"{sent} spans were sent{by_proxy} but {stored} are stored")
    if joined not in possible:
        found.append(f"{sent} spans were sent{by_proxy} but {joined} are joined into traces")
    if proxied and joined != stored and joined in possible and stored in possible:
        found.append(f"{stored} spans are stored but {joined} are joined into traces")
    if not figures["audit_verified"]:
        found.append("the audit trail is missing or broken")
    return found
