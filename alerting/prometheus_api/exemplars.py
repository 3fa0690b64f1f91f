"""Exemplars of stored metrics under their series' names in Prometheus: which trace a measurement was taken in.

As Prometheus has them from a classic histogram, an exemplar belongs to the bucket that its value fell into; that of a counter
or gauge to the series itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from alerting.prometheus_api.evaluation import plain
from alerting.promql.matchers import MatchType, all_match
from alerting.promql.vectors import NAME
from alerting.rules.history import metric_of
from components.durations import MINUTE
from processors.series.points import label_name, points_of, prometheus_name
from stores.layout import ENVIRONMENT
from stores.store import Equals, Query
from telemetry.documents import Kind
from telemetry.environment import EVERY_ENVIRONMENT
from telemetry.resource import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerting.promql.matchers import Matcher
    from telemetry.documents import Body
    from telemetry.json_object import JsonObject

MAX_METRICS = 20
"""Metrics of one answer."""
MAX_POINTS = 1_000
"""Points of a metric that are read for their exemplars, the newest."""
MAX_EXEMPLARS = 1_000
"""Of one answer, the newest."""
MAX_NAMES = 10_000
MAX_BYTES = 32 << 20
"""Bytes of the documents of one metric."""
DELAY = 2 * MINUTE
"""A point comes this much later than the measurements that it sums up, at most: an exporter sends once a minute, usually."""


class MetricDocuments(Protocol):
    """What stored metrics are read from; a part of `Store`."""

    async def find(self, query: Query) -> list[Body]:
        """The documents of a query."""
        ...

    async def values(self, query: Query, field: str) -> list[str]:
        """The values of a keyword field in them."""
        ...


async def exemplars_of(
    store: MetricDocuments,
    selectors: Sequence[tuple[Matcher, ...]],
    start: int,
    end: int,
    environment: str,
    seconds: float,
) -> tuple[list[JsonObject], list[str]]:
    """The exemplars of series that one of the selectors matches, as Prometheus writes them, and warnings.

    Args:
        store: has the metrics.
        selectors: of a query.
        start: of the measurements, ns.
        end: of the measurements, ns; included.
        environment: whose.
        seconds: that each read may take.

    Raises:
        StoreError: the store cannot be read, or not in time.
    """
    where = () if environment == EVERY_ENVIRONMENT else (Equals(ENVIRONMENT, environment),)
    until = min(end + DELAY, 2**63 - 1)
    asked = Query(Kind.METRIC, where, start, until, limit=MAX_NAMES, seconds=seconds)
    names = [name for name in await store.values(asked, "name") if any(_may_be(each, name) for each in selectors)]
    found: dict[tuple[tuple[str, str], ...], dict[tuple[int, str], JsonObject]] = {}
    warnings = set[str]()
    if len(names) > MAX_METRICS:
        warnings.add(f"the first {MAX_METRICS} of {len(names)} metrics were looked at: name one")
    for name in names[:MAX_METRICS]:
        of_metric = (*where, Equals("name", name))
        query = Query(
            Kind.METRIC, of_metric, start, until, descending=True, limit=MAX_POINTS, seconds=seconds, max_bytes=MAX_BYTES
        )
        bodies = await store.find(query)
        if len(bodies) == MAX_POINTS:
            warnings.add(f"the newest {MAX_POINTS:,} points of {name[:200]} were looked at")
        for body in bodies:
            _collect(body, selectors, start, end, found)
    return _answer(found, warnings), sorted(warnings)


def _may_be(selector: tuple[Matcher, ...], name: str) -> bool:
    """Whether it may match a series of this metric, whose unit and type are not known yet."""
    begins = prometheus_name(name, "", monotonic=False)
    return all(
        each.value.startswith(begins) if each.type is MatchType.EQUAL else True for each in selector if each.name == NAME
    )


def _collect(
    body: Body,
    selectors: Sequence[tuple[Matcher, ...]],
    start: int,
    end: int,
    found: dict[tuple[tuple[str, str], ...], dict[tuple[int, str], JsonObject]],
) -> None:
    """Add the exemplars of a point under their series."""
    own = [each for each in body.get("exemplars", ()) if each["value"] is not None and start <= each["time"] <= end]
    if not own:
        return
    series = [{NAME: point.series.name, **dict(point.series.labels)} for point in points_of(metric_of(body))]
    buckets = sorted(
        ((float(labels["le"]), labels) for labels in series if labels[NAME].endswith("_bucket") and "le" in labels),
        key=lambda bucket: bucket[0],
    )
    for exemplar in own:
        value = float(exemplar["value"])
        labels = next((labels for bound, labels in buckets if value <= bound), series[0] if series else None)
        if labels is None or not any(all_match(each, labels) for each in selectors):
            continue
        written = {"labels": _labels(exemplar), "value": plain(value), "timestamp": exemplar["time"] // 10**6 / 1000}
        found.setdefault(tuple(sorted(labels.items())), {})[exemplar["time"], exemplar.get("trace_id", "")] = written


def _labels(exemplar: Mapping[str, object]) -> dict[str, str]:
    """Those of an exemplar: what was measured, and the span and trace that it was measured in."""
    attributes = exemplar.get("attributes")
    labels = {label_name(key): text_of(value) for key, value in attributes.items()} if isinstance(attributes, dict) else {}
    return labels | {key: str(exemplar[key]) for key in ("trace_id", "span_id") if exemplar.get(key)}


def _answer(
    found: Mapping[tuple[tuple[str, str], ...], Mapping[tuple[int, str], JsonObject]], warnings: set[str]
) -> list[JsonObject]:
    """By series, each in order of time."""
    times = sorted((key[0] for exemplars in found.values() for key in exemplars), reverse=True)
    least = 0
    if len(times) > MAX_EXEMPLARS:
        least = times[MAX_EXEMPLARS - 1]
        warnings.add(f"the newest {MAX_EXEMPLARS:,} of {len(times):,} exemplars are returned")
    answer: list[JsonObject] = []
    for labels, exemplars in sorted(found.items()):
        shown = [one for (time, _), one in sorted(exemplars.items()) if time >= least]
        if shown:
            answer.append({"seriesLabels": dict(labels), "exemplars": shown})
    return answer
