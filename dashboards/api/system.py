"""`GET /api/v1/system`: how the pipeline itself is: stages, what is dropped, dead letters, store, versions, configuration."""

from __future__ import annotations

import asyncio
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response  # noqa: TC002  FastAPI reads annotations at run time
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request  # noqa: TC002  as above

from alerting.alerts import RESERVED
from components.access.identity import identity_of
from components.access.roles import Right
from dashboards.api.errors import ERRORS
from dashboards.read_models.alerts import is_open, standing
from stores.store import Aggregation, AnyOf, Equals, OneOf
from stores.store import Query as StoreQuery
from telemetry.documents import Kind
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.json_object import JsonObject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client import CollectorRegistry

    from dashboards.api.answers import Answers
    from dashboards.read_models.bounded_reads import BoundedReads
    from stores.store import Store

STAGES: Mapping[str, tuple[str, ...]] = {
    "rekey": ("otlp_spans", "otlp_logs", "otlp_metrics", "jaeger_spans", "zipkin_spans"),
    "assemble": ("spanloom-traced",),
    "score": ("spanloom-series",),
    "act": ("spanloom-signals",),
}
"""The topics that each stage reads."""

COMPONENTS = ("faust-streaming", "duckdb", "elasticsearch", "aiokafka", "fastapi", "pydantic")
OWN = "spanloom"
"""The service of alerts about the pipeline itself."""

MAX_ALERTS = 500


class AskedSystem(BaseModel):
    """Nothing can be asked for."""

    model_config = ConfigDict(extra="forbid")


class Stage(BaseModel):
    """A stage of the pipeline in this process. Null: not known here."""

    name: str
    running: bool
    lag: int | None = Field(description="records that wait in its topics")
    in_flight: int | None = Field(description="records that were read and whose offset is held")


class StalledPartition(BaseModel):
    """A partition whose records are not being read."""

    topic: str
    partition: int
    offset: int
    cause: str


class StoreState(BaseModel):
    """How much is stored."""

    kind: str
    size_bytes: int | None
    documents: dict[str, int]
    oldest: int | None = Field(description="start of the oldest span, ns since the epoch")


class CacheState(BaseModel):
    """The answers that viewers share, since the start of the process."""

    made: int
    shared: int
    evicted: int
    kept: int
    capacity: int


class ComponentVersion(BaseModel):
    """The version of something that this process runs on."""

    component: str
    version: str


class OwnAlert(BaseModel):
    """An alert about the pipeline itself that fires or is about to."""

    fingerprint: str
    name: str
    environment: str
    labels: dict[str, str]
    state: str
    summary: str
    since: int


class ListeningReceiver(BaseModel):
    """What takes telemetry in, and where."""

    name: str = Field(description="as in `otlp_http`")
    host: str = Field(description="that it listens at; empty for those who may not operate")
    port: int


class System(BaseModel):
    """The answer: of the process that answers."""

    now: int
    version: str
    stages: list[Stage]
    stalled: list[StalledPartition]
    dropped: dict[str, int] = Field(description="since the start, by reason")
    dead_letters: int | None = Field(description="records sent to the dead letters since the start; null: not of this process")
    store: StoreState
    cache: CacheState
    versions: list[ComponentVersion]
    counters: dict[str, int]
    own_alerts: list[OwnAlert]
    receivers: list[ListeningReceiver] = Field(description="of this process, else as they are configured")
    configuration: JsonObject | None = Field(description="masked; for operators only, null for others and where there is none")


@dataclass(frozen=True, slots=True)
class SystemParts:
    """What `/api/v1/system` is about.

    Attributes:
        store: how much it keeps is shown.
        status: the counters of `/api/v1/status`.
        registry: of the process.
        configuration: as people may see it, where there is one.
        receivers: the host and port of each receiver, by name.
    """

    store: Store
    status: Callable[[], JsonObject]
    registry: CollectorRegistry
    configuration: JsonObject | None = None
    receivers: Callable[[], Mapping[str, str]] = dict


def system_routes(parts: SystemParts, reads: BoundedReads, answers: Answers, now: Callable[[], int]) -> APIRouter:
    """`GET /api/v1/system`."""
    router = APIRouter(responses=ERRORS)

    @router.get("/api/v1/system", response_model=System)
    async def give_system(_asked: Annotated[AskedSystem, Query()], request: Request) -> Response:
        """How the pipeline itself is, as the process that answers knows it."""
        at, operates = now(), identity_of(request).may(Right.OPERATE)
        return await answers.give(("system", operates), at, lambda: _system(parts, reads, answers, at, operates=operates))

    return router


async def _system(parts: SystemParts, reads: BoundedReads, answers: Answers, now: int, *, operates: bool) -> System:
    names = await reads.totals(Aggregation(StoreQuery(Kind.ALERT), ("alertname",)))
    own = AnyOf(
        (
            Equals("service", OWN),
            Equals("labels.component", OWN),
            OneOf("alertname", sorted(name for name in (group.key[0] for group in names) if is_own(name))),
        )
    )
    usage, spans, (changes, _) = await asyncio.gather(
        parts.store.usage(),
        reads.totals(Aggregation(StoreQuery(Kind.SPAN))),
        reads.as_many(StoreQuery(Kind.ALERT, [own], descending=True, limit=MAX_ALERTS)),
    )
    status = parts.status()
    return System(
        now=now,
        version=version("spanloom"),
        stages=_stages(status),
        stalled=[StalledPartition.model_validate(one) for one in status.get("stalled", ())],
        dropped=_dropped(parts.registry),
        dead_letters=status.get("dead_letters"),
        store=StoreState(
            kind=type(parts.store).__name__.removesuffix("Store").lower(),
            size_bytes=usage.size_bytes,
            documents=usage.documents,
            oldest=min((group.oldest for group in spans), default=None),
        ),
        cache=CacheState(**answers.counts, kept=len(answers), capacity=answers.capacity),
        versions=_versions(),
        counters={name: value for name, value in status.items() if isinstance(value, int)},
        own_alerts=[
            OwnAlert(
                fingerprint=alert["fingerprint"],
                name=alert["labels"].get("alertname", ""),
                environment=alert.get("environment") or DEFAULT_ENVIRONMENT,
                labels=alert["labels"],
                state=alert["state"],
                summary=alert["annotations"].get("summary", ""),
                since=alert["active_at"],
            )
            for alert in standing(changes)
            if is_open(alert)
        ],
        receivers=[
            ListeningReceiver(name=name, host=host if operates else "", port=int(port))
            for name, (host, _, port) in ((name, at.rpartition(":")) for name, at in sorted(parts.receivers().items()))
        ],
        configuration=parts.configuration if operates else None,
    )


def is_own(alertname: str) -> bool:
    """Whether an alert of this name is about Spanloom: of the rules that it ships with, or about a repair."""
    return alertname.startswith("Spanloom") or alertname in RESERVED


def _stages(status: JsonObject) -> list[Stage]:
    """A stage runs here if it holds offsets; the console alone has none."""
    lag, held = status.get("lag") or {}, status.get("in_flight") or {}
    stages = []
    for name, topics in STAGES.items():
        own = [count for of, count in held.items() if of == name or of.startswith(f"{name}-")]
        waiting = [lag[topic] for topic in topics if topic in lag]
        stages.append(
            Stage(
                name=name,
                running=bool(own),
                lag=sum(waiting) if waiting else None,
                in_flight=sum(own) if own else None,
            )
        )
    return stages


def _dropped(registry: CollectorRegistry) -> dict[str, int]:
    found: dict[str, int] = {}
    for metric in registry.collect():
        if metric.name == "spanloom_dropped":
            for sample in metric.samples:
                if sample.name.endswith("_total") and sample.value:
                    reason = sample.labels.get("reason", "")
                    found[reason] = found.get(reason, 0) + int(sample.value)
    return dict(sorted(found.items()))


def _versions() -> list[ComponentVersion]:
    found = [ComponentVersion(component="python", version=platform.python_version())]
    for name in COMPONENTS:
        try:
            found.append(ComponentVersion(component=name, version=version(name)))
        except PackageNotFoundError:
            continue  # another name of it, or left out of this installation
    return found
