"""Stage 2 with spans that share their id on both sides of a call: each is stored once and each call is there once."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from telemetry.documents import Kind
from telemetry.documents.signals import span_document
from tests.generated import START
from tests.pipeline.parts import MemoryStore
from tests.pipeline.test_any_arrival import HASTY, TICK
from tests.pipeline.test_assemble import PARTITIONS, Worker, events, expected, run, stored
from tests.processors.call_graph.test_shared_ids import ANSWER, CALL, EDGE, QUERY

if TYPE_CHECKING:
    from telemetry.spans import Span

SPANS = [
    replace(span, trace_id=b"\1" * 16, start=START + span.start * TICK // 10, end=START + span.end * TICK // 10)
    for span in (EDGE, CALL, ANSWER, QUERY)
]
OTHER = [replace(span, trace_id=b"\2" * 16, start=span.start + 100 * TICK, end=span.end + 100 * TICK) for span in SPANS[:1]]


def arrive(store: MemoryStore, batches: list[list[Span]], *, closing_between: bool) -> None:
    log = events(batches)
    asyncio.run(run(Worker(store, HASTY), log, set(range(len(log))) if closing_between else set()))


@pytest.mark.parametrize("closing_between", [False, True])
def test_both_sides_are_stored_once_in_any_order_in_one_batch_or_several_and_again(*, closing_between: bool) -> None:
    for order in permutations(SPANS):
        for batches in ([list(order)], [[span] for span in order], [[span, *OTHER] for span in order]):
            store = MemoryStore()
            arrive(store, [*batches, *batches], closing_between=closing_between)
            arrive(store, batches, closing_between=closing_between)
            assert stored(store) == expected([span for batch in batches for span in batch])
            own = [key for key in store.documents if key[0] is Kind.SPAN and key[1].startswith("01" * 16)]
            assert len(own) == len(SPANS)


def test_spans_that_the_version_before_stored_under_other_ids_are_not_stored_again() -> None:
    """It had one id for both sides: trace id and span id."""
    chance = random.Random(7)
    for later in (SPANS, SPANS[1:2]):
        before = [span for span in SPANS if span not in SPANS[1:2]]
        store = MemoryStore()
        arrive(store, [before], closing_between=False)
        for span in before:
            document = span_document(span)
            del store.documents[Kind.SPAN, document.id]
            former = f"{span.trace_id.hex()}{span.span_id.hex()}"
            store.documents[Kind.SPAN, former] = replace(document, id=former)
        for _ in range(2):
            mixed = list(later)
            chance.shuffle(mixed)
            arrive(store, [mixed], closing_between=False)
        found = stored(store)
        wanted = expected(SPANS)
        assert found["hops"] == wanted["hops"]
        assert found["edges"] == wanted["edges"]
        assert sorted(map(str, found["spans"].values())) == sorted(map(str, wanted["spans"].values()))


def test_a_crash_between_the_spans_of_the_version_before_and_their_hops_leaves_no_second_span() -> None:
    store = MemoryStore()
    for span in SPANS:
        if span != SPANS[1]:
            document = span_document(span)
            former = f"{span.trace_id.hex()}{span.span_id.hex()}"
            store.documents[Kind.SPAN, former] = replace(document, id=former)
    arrive(store, [SPANS], closing_between=False)
    assert len([key for key in store.documents if key[0] is Kind.SPAN]) == len(SPANS)
    assert stored(store)["hops"] == expected(SPANS)["hops"]
    assert PARTITIONS > 1
