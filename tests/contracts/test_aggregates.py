"""What stores count, against plain Python over the same documents: both stores give the same answers."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from stores.layout import SERVICE
from stores.store import AllOf, AnyOf, Equals, Exists, Not, OneOf, Query, QuestionRefusedError, Range
from telemetry.documents import Document, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from stores.store import Filter, Store
    from telemetry.documents import Body

NOON = 1_800_000_000_000_000_000
MS = 1_000_000
SPANS = 600


def bodies() -> list[Body]:
    """Spans of sixty traces; attributes are numbers, texts, truth values, lists, absent, and of the resource."""
    chance = random.Random(5)
    found: list[Body] = []
    for number in range(SPANS):
        attributes: Body = {
            "route": f"/{chance.randrange(7)}",
            "http.response.status_code": chance.choice([200, 200, 404, 500, 503]),
        }
        if number % 3 == 0:
            attributes["retried"] = number % 2 == 0
        if number % 5 == 0:
            attributes["tags"] = ["slow", f"t{number % 4}"]
        if number % 7 == 0:
            attributes["ratio"] = chance.choice([0.5, 2.0, -3.25])
        found.append(
            {
                "trace_id": f"{number % 60:032x}",
                "span_id": f"{number:016x}",
                "name": f"op{chance.randrange(5)}",
                "kind": chance.choice(["Server", "Client"]),
                "duration": int(10 ** chance.uniform(3, 10)),
                "status": {"code": chance.choice(["Unset", "Error"])},
                "attributes": attributes,
                "resource": {"attributes": {"service.name": f"s{number % 4}", "host.name": f"h{number % 3}"}},
                "@timestamp": NOON + number * 137 * MS + chance.randrange(MS),
            }
        )
    return found


BODIES = bodies()


@pytest_asyncio.fixture
async def stored(store: Store) -> Store:
    documents = [
        Document(
            Kind.SPAN, body["span_id"], body["@timestamp"], {key: value for key, value in body.items() if key != "@timestamp"}
        )
        for body in BODIES
    ]
    assert (await store.write(documents)).created == SPANS
    await store.refresh([Kind.SPAN])
    return store


def of(name: str) -> Callable[[Body], object]:
    return lambda body: body["attributes"].get(name)


def number_of(name: str) -> Callable[[Body], float]:
    def number(body: Body) -> float:
        value = body["attributes"].get(name)
        return math.nan if value is None else float(value)

    return number


FILTERS: list[tuple[Filter, Callable[[Body], bool]]] = [
    (AllOf([]), lambda _: True),
    (Exists("attributes.retried"), lambda body: of("retried")(body) is not None),
    (Not(Exists("attributes.retried")), lambda body: of("retried")(body) is None),
    (Not(Equals("attributes.http.response.status_code", 200)), lambda body: of("http.response.status_code")(body) != 200),
    (Not(Equals(SERVICE, "s1")), lambda body: body["resource"]["attributes"]["service.name"] != "s1"),
    (
        Range("attributes.http.response.status_code", at_least=500),
        lambda body: body["attributes"]["http.response.status_code"] >= 500,
    ),
    (
        Range("attributes.http.response.status_code", at_least=math.nextafter(404.0, math.inf), below=503),
        lambda body: body["attributes"]["http.response.status_code"] == 500,
    ),
    (Range("attributes.ratio", below=0.5), lambda body: number_of("ratio")(body) < 0.5),
    (Equals("attributes.tags", "t3"), lambda body: "t3" in body["attributes"].get("tags", ())),
    (Not(OneOf("attributes.tags", ["t0", "t1"])), lambda body: not {"t0", "t1"} & set(body["attributes"].get("tags", ()))),
    (
        AnyOf(
            [
                AllOf([Equals("resource.attributes.host.name", "h2"), Range("duration", at_least=10**6)]),
                Equals("attributes.retried", value=True),
            ]
        ),
        lambda body: (
            (body["resource"]["attributes"]["host.name"] == "h2" and body["duration"] >= 10**6) or of("retried")(body) is True
        ),
    ),
    (Not(AnyOf([])), lambda _: True),
    (Equals("attributes.absent", "x"), lambda _: False),
]


async def test_every_condition_selects_what_python_selects(stored: Store) -> None:
    different = []
    for number, (condition, holds) in enumerate(FILTERS):
        wanted = sum(map(holds, BODIES))
        found = await stored.count(Query(Kind.SPAN, [condition]))
        traces = await stored.aggregates.distinct(Query(Kind.SPAN, [condition]), "trace_id")
        distinct = len({body["trace_id"] for body in BODIES if holds(body)})
        if found != wanted or traces.count != distinct or not traces.exact:
            different.append((number, found, wanted, traces, distinct))
    assert different == []


@pytest.mark.parametrize(("sort", "descending"), [("@timestamp", True), ("@timestamp", False), ("duration", True)])
async def test_pages_of_groups_are_those_of_a_sort_in_python(stored: Store, sort: str, descending: bool) -> None:  # noqa: FBT001  a parameter of the test
    condition, holds = FILTERS[5]
    groups: dict[str, list[Body]] = defaultdict(list)
    for body in BODIES:
        if holds(body):
            groups[body["trace_id"]].append(body)
    pick = max if descending else min
    places = {value: pick(body[sort] for body in found) for value, found in groups.items()}
    wanted = sorted(groups, key=lambda value: (-places[value] if descending else places[value], value))
    query = Query(Kind.SPAN, [condition], sort=sort, descending=descending, limit=13)
    found = [
        group for offset in range(0, 60, 13) for group in await stored.aggregates.groups(query, "trace_id", "duration", offset)
    ]
    assert [group.value for group in found] == wanted
    assert {group.value: (group.documents, group.greatest) for group in found} == {
        value: (len(members), max(body["duration"] for body in members)) for value, members in groups.items()
    }


async def test_facets_count_what_a_counter_counts(stored: Store) -> None:
    condition, holds = FILTERS[2]
    fields = [
        SERVICE,
        "name",
        "attributes.http.response.status_code",
        "attributes.tags",
        "attributes.ratio",
        "resource.attributes.host.name",
        "attributes.none",
    ]
    found = await stored.aggregates.facets(Query(Kind.SPAN, [condition], limit=4), fields)
    chosen = [body for body in BODIES if holds(body)]

    def wanted(values: list[object]) -> list[tuple[str, int]]:
        counts = Counter(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:4]

    assert {field: [(bucket.value, bucket.documents) for bucket in buckets] for field, buckets in found.items()} == {
        SERVICE: wanted([body["resource"]["attributes"]["service.name"] for body in chosen]),
        "name": wanted([body["name"] for body in chosen]),
        "attributes.http.response.status_code": wanted([body["attributes"]["http.response.status_code"] for body in chosen]),
        "attributes.tags": wanted([tag for body in chosen for tag in body["attributes"].get("tags", ())]),
        "attributes.ratio": wanted([body["attributes"]["ratio"] for body in chosen if "ratio" in body["attributes"]]),
        "resource.attributes.host.name": wanted([body["resource"]["attributes"]["host.name"] for body in chosen]),
        "attributes.none": [],
    }
    truths = await stored.aggregates.facets(Query(Kind.SPAN, limit=4), ["attributes.retried"])
    counts = Counter(body["attributes"]["retried"] for body in BODIES if "retried" in body["attributes"])
    assert {bucket.value: bucket.documents for bucket in truths["attributes.retried"]} == {
        "true": counts[True],
        "false": counts[False],
    }


async def test_the_grid_is_a_histogram_in_two_directions(stored: Store) -> None:
    origin, step, bounds = NOON - 5 * MS, 7_001 * MS, [10**4, 10**6, 10**9]
    found = await stored.aggregates.grid(Query(Kind.SPAN), origin, step, "duration", bounds)
    wanted = Counter(
        ((body["@timestamp"] - origin) // step, sum(body["duration"] >= bound for bound in bounds)) for body in BODIES
    )
    assert dict(found) == dict(wanted)


async def test_spreads_are_by_group_and_near_the_quantiles(stored: Store) -> None:
    found = await stored.aggregates.spreads(Query(Kind.SPAN, limit=100), [SERVICE, "name", "kind"], "duration")
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for body in BODIES:
        groups[body["resource"]["attributes"]["service.name"], body["name"], body["kind"]].append(body["duration"])
    assert {one.values: (one.documents, one.least, one.greatest) for one in found} == {
        values: (len(durations), min(durations), max(durations)) for values, durations in groups.items()
    }
    for one in found:
        durations = sorted(groups[one.values])
        middle = durations[max(0, len(durations) // 2 - 2) : len(durations) // 2 + 2]
        assert middle[0] <= one.median <= middle[-1]
        assert one.median <= one.p95 <= one.greatest
    (whole,) = await stored.aggregates.spreads(Query(Kind.SPAN), [], "duration")
    assert (whole.values, whole.documents, whole.greatest) == ((), SPANS, max(body["duration"] for body in BODIES))
    assert await stored.aggregates.spreads(Query(Kind.SPAN, until=NOON), [], "duration") == []


async def test_names_of_attributes_are_found_by_their_beginning(stored: Store) -> None:
    query = Query(Kind.SPAN, since=NOON, limit=10)
    assert [(one.place, one.name, one.type) for one in await stored.aggregates.names(query, "R")] == [
        ("attributes", "ratio", "number"),
        ("attributes", "retried", "boolean"),
        ("attributes", "route", "string"),
    ]
    names = {one.name for one in await stored.aggregates.names(query, "")}
    assert {"service.name", "host.name", "tags", "http.response.status_code"} <= names
    assert len(await stored.aggregates.names(Query(Kind.SPAN, limit=2), "")) == 2


async def test_nothing_stored_counts_nothing(store: Store) -> None:
    query, counts = Query(Kind.SPAN), store.aggregates
    assert await counts.groups(query, "trace_id", "duration") == []
    assert (await counts.distinct(query, "trace_id")).count == 0
    assert await counts.facets(query, ["name"]) == {"name": []}
    assert await counts.spreads(query, ["name"], "duration") == []
    assert await counts.grid(query, 0, MS, "duration", [5]) == {}
    assert await counts.names(query, "") == []
    with pytest.raises(QuestionRefusedError):
        await counts.spreads(query, [], "name")
    with pytest.raises(QuestionRefusedError):
        await counts.groups(query, "attributes.x", "duration")
