from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from stores.elasticsearch import attribute_names
from stores.elasticsearch.attribute_names import BURST, MAX_NAMES, SENDER_BURST, SENDERS, AttributeNames, fields_of
from stores.elasticsearch.client import connect
from stores.elasticsearch.store import ElasticsearchStore
from stores.elasticsearch.templates import data_stream, install
from stores.store import Equals, Query, Written
from telemetry.documents import Document, Kind

if TYPE_CHECKING:
    import pytest

NOON = 1_700_000_000_000_000_000


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def admitted(names: AttributeNames, sender: str, wanted: range) -> int:
    return sum(names.admits("attributes", f"{sender}.{number}", "x", sender) for number in wanted)


def test_new_names_of_one_sender_are_bounded_and_others_have_room() -> None:
    names = AttributeNames(Clock())
    assert admitted(names, "noisy", range(1500)) == SENDER_BURST
    assert admitted(names, "quiet", range(40)) == 40
    assert names.refused == {"sender": 1500 - SENDER_BURST, "time": 0, "all": 0}


def test_a_sender_may_add_some_names_a_minute_later() -> None:
    clock = Clock()
    names = AttributeNames(clock)
    admitted(names, "noisy", range(SENDER_BURST))
    clock.now = 60.5
    assert admitted(names, "noisy", range(1000, 2000)) == 10


def test_new_names_of_many_senders_are_bounded_together() -> None:
    names = AttributeNames(Clock())
    assert sum(admitted(names, f"sender {number}", range(10)) for number in range(100)) == BURST
    assert names.refused["time"] == 1000 - BURST


def test_a_name_that_is_known_costs_nothing() -> None:
    names = AttributeNames(Clock())
    names.learn({f"attributes.known.{number}": "keyword" for number in range(1000)})
    assert all(names.admits("attributes", f"known.{number}", "x", "any") for number in range(1000))
    assert admitted(names, "any", range(SENDER_BURST)) == SENDER_BURST


def test_names_in_all_are_bounded_however_long_it_takes() -> None:
    clock = Clock()
    names = AttributeNames(clock)
    count = 0
    for hour in range(100):
        clock.now = hour * 3600.0
        count += sum(admitted(names, f"sender {hour} {number}", range(10)) for number in range(20))
    assert count == len(names) == MAX_NAMES
    assert names.refused["all"] > 0


def test_senders_that_are_remembered_are_bounded() -> None:
    names = AttributeNames(Clock())
    for number in range(2 * SENDERS):
        names.admits("attributes", f"n{number}", "x", f"sender {number}")
    assert len(names._senders) <= SENDERS


def test_the_fields_of_a_mapping_have_their_full_names_and_types() -> None:
    mapping = {
        "attributes": {"type": "passthrough", "properties": {"http.route": {"type": "keyword"}}},
        "resource": {"properties": {"attributes": {"type": "passthrough", "properties": {"n": {"type": "long"}}}}},
    }
    assert fields_of(mapping) == {"attributes.http.route": "keyword", "resource.attributes.n": "long"}


def span(number: int, service: str, **attributes: object) -> Document:
    body = {"attributes": attributes, "resource": {"attributes": {"service.name": service}}}
    return Document(Kind.SPAN, f"{number:048x}", NOON, body)


async def test_1500_new_names_of_one_sender_make_few_fields_and_are_stored_found_and_given_back(elasticsearch: str) -> None:
    client = connect(elasticsearch)
    await install(client)
    namespace = uuid.uuid4().hex
    store = ElasticsearchStore(client, namespace)
    documents = [span(number, "noisy", **{f"key.{number}": f"value {number}"}) for number in range(1500)]
    assert await store.write(documents) == Written(1500, 0)
    assert await store.write([span(2000, "quiet", mine=1)]) == Written(1, 0)
    await store.refresh([Kind.SPAN])
    mapping = await client.indices.get_mapping(index=data_stream(Kind.SPAN, namespace))
    fields = {name for index in mapping.values() for name in fields_of(index["mappings"]["properties"])}
    assert len([name for name in fields if name.startswith("attributes.key.")]) <= SENDER_BURST
    assert "attributes.mine" in fields
    for number in (0, 1499):
        (found,) = await store.find(Query(Kind.SPAN, [Equals(f"attributes.key.{number}", f"value {number}")]))
        assert found["attributes"] == {f"key.{number}": f"value {number}"}
    assert store.counters()["unmapped"] >= 1500 - SENDER_BURST
    await store.close()


async def test_another_process_knows_the_names_that_are_in_the_mapping(
    elasticsearch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(elasticsearch)
    await install(client)
    namespace = uuid.uuid4().hex
    first = ElasticsearchStore(client, namespace)
    await first.write([span(1, "cart", old="x")])
    monkeypatch.setattr(attribute_names, "BURST", 0)  # no name is new to it
    second = ElasticsearchStore(client, namespace)
    await asyncio.gather(second.write([span(2, "cart", old="y")]), second.write([span(3, "cart", old=5)]))
    assert second.counters()["unmapped"] == 0, "a number is text to a field of text"
    await second.write([span(4, "cart", new="x")])
    assert second.counters()["unmapped"] == 1
    await client.close()
