"""Messages between traces, as stage 2 stores them: the same hops in whichever order senders, receivers and answers come."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.exchange import codec, partitions
from pipeline.exchange.codec import HEADER, BatchKind
from processors.assembly.assembler import ExemplarReference
from processors.call_graph.span_links import OpenLinkQueries, link_queries_of, link_target, message_from
from telemetry import otlp
from telemetry.documents import Kind
from telemetry.spans import SpanLink
from tests.generated import START
from tests.pipeline.parts import Event, KeepingTopic, KilledError, MemoryStore
from tests.pipeline.test_any_arrival import HASTY, TICK, arrival, placed
from tests.pipeline.test_assemble import CONFIG, PARTITIONS, SECOND, TOPIC, Worker, expected, stored
from tests.processors.traces import CONSUMER, INTERNAL, OTHER_TRACE, PRODUCER, SERVER, TRACE, sid, span
from tests.processors.traces import traces as any_trace

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Iterable, Sequence

    from stores.store import Written
    from telemetry.documents import Document
    from telemetry.spans import Span

KAFKA = {"messaging.system": "kafka", "messaging.destination.name": "paid"}


@dataclass
class Log:
    """The partitions of the topic of traces: what stage 1 sent, and the answers of stage 2."""

    records: list[list[tuple[BatchKind, bytes]]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    committed: list[int] = field(default_factory=lambda: [0] * PARTITIONS)

    def send_spans(self, spans: Iterable[Span]) -> None:
        for partition, part in by_owner((one.trace_id, one) for one in spans).items():
            self.records[partition].append((BatchKind.SPANS, otlp.encode_spans(part)))

    def send_receipts(self, spans: Iterable[Span]) -> None:
        found = ((receipt.message.trace_id, receipt) for span in spans for receipt in link_queries_of(span))
        for partition, part in by_owner(found).items():
            self.records[partition].append((BatchKind.LINK_QUERIES, codec.encode_link_queries(part)))

    def take_answers(self, worker: Worker) -> bool:
        """Put on the log what a worker has sent; whether it was anything."""
        sent, worker.traced.sent = worker.traced.sent, []
        for item in sent:
            assert item.partition is not None
            self.records[item.partition].append((BatchKind(item.headers[HEADER].decode()), item.value))
        return bool(sent)

    def commit(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.acked:
                partition = event.message.partition
                self.committed[partition] = max(self.committed[partition], event.message.offset + 1)

    @property
    def ends(self) -> list[int]:
        return [len(part) for part in self.records]


def by_owner(items: Iterable[tuple[bytes, Any]]) -> dict[int, list[Any]]:
    parts: dict[int, list[Any]] = {}
    for trace_id, item in items:
        parts.setdefault(partitions.of_trace(trace_id, PARTITIONS), []).append(item)
    return parts


async def read(worker: Worker, log: Log, given: list[Event], chance: random.Random) -> None:
    """Read all partitions to their ends, each in its order and together in any, until no answer comes any more."""
    following = list(log.committed)
    while True:
        while ready := [number for number, end in enumerate(log.ends) if following[number] < end]:
            partition = chance.choice(ready)
            batch, value = log.records[partition][following[partition]]
            event = Event(TOPIC, partition, following[partition], value, batch)
            following[partition] += 1
            given.append(event)
            worker.take(event)
            if chance.random() < 0.4:
                await worker.stage.flush()
                log.take_answers(worker)
        await worker.stage.close()
        if not log.take_answers(worker):
            return


def as_one_batch(spans: list[Span]) -> dict[str, Any]:
    """What a batch job makes of all spans, each trace with the origins of all its messages."""
    senders = {message_from(span): span for span in spans}
    receipts = {(item.receiver, item.message): item for span in spans for item in link_queries_of(span)}
    origins = [link_target(item, senders[item.message]) for item in receipts.values() if item.message in senders]
    return expected(spans, origins)


@st.composite
def telemetry(draw: st.DrawFn) -> list[Span]:
    """A few traces with links to one another."""
    drawn = draw(st.lists(any_trace(max_spans=5), min_size=2, max_size=4))
    apart = draw(st.sampled_from((TICK, SECOND)))
    spans = []
    for number, trace in enumerate(drawn, 1):
        other = (number % len(drawn) + 1).to_bytes(16, "big")

        def link(one: SpanLink, other: bytes = other) -> SpanLink:
            return replace(one, trace_id=other) if one.trace_id == OTHER_TRACE else one

        linked = [replace(span, links=tuple(map(link, span.links))) for span in trace]
        received = draw(st.lists(st.tuples(st.sampled_from(trace), st.integers(1, 5)), max_size=3))
        linked += [
            replace(item, span_id=sid(200 + at), kind=CONSUMER, links=(SpanLink(other, sid(sender)),))
            for at, (item, sender) in enumerate(received)
        ]
        spans += placed(linked, number, apart)
    return spans


@dataclass
class EndingTopic(KeepingTopic):
    """Ends the process before or after its n-th record."""

    kill_at: int = -1
    after: bool = False
    count: int = 0

    async def send(self, **record: Any) -> Awaitable[None]:
        self.count += 1
        if self.count == self.kill_at and not self.after:
            raise KilledError
        confirmed = await super().send(**record)
        if self.count == self.kill_at:
            raise KilledError
        return confirmed


@settings(max_examples=100)
@given(
    telemetry(),
    st.data(),
    st.sampled_from((0, SECOND // 2, 3 * SECOND)),
    st.lists(st.tuples(st.booleans(), st.integers(1, 12), st.booleans()), max_size=3),
    st.randoms(use_true_random=False),
)
def test_a_message_between_traces_is_one_hop_whichever_of_sender_receiver_and_answer_comes_first(
    spans: list[Span], data: st.DataObject, delay: int, kills: list[tuple[bool, int, bool]], chance: random.Random
) -> None:
    again = data.draw(st.lists(st.sampled_from(spans), max_size=3))
    log, late = Log(), []
    for batch in arrival(spans, again, chance, delay):
        log.send_spans(batch)
        late.append(batch)
        while late and chance.random() < 0.6:  # a receipt comes after the span that it is of, however long after
            log.send_receipts(late.pop(chance.randrange(len(late))))
            if chance.random() < 0.1:
                log.send_receipts(batch)
    for batch in late:
        log.send_receipts(batch)
    store = MemoryStore()
    for at_write, kill_at, after in [*kills, (True, -1, False)]:
        store.kill_at, store.after, store.writes = kill_at if at_write else -1, after, 0
        answers = EndingTopic(PARTITIONS, kill_at=-1 if at_write else kill_at, after=after)
        worker, given_events = Worker(store, HASTY, answers), list[Event]()
        with contextlib.suppress(KilledError):
            asyncio.run(read(worker, log, given_events, chance))
        log.take_answers(worker)
        log.commit(given_events)
    assert stored(store) == as_one_batch(spans)
    assert log.committed == log.ends


def trace(number: int, *spans: Span) -> list[Span]:
    """Spans of a trace of its own, their times in milliseconds."""
    return [
        replace(one, trace_id=bytes([number]) * 16, start=START + one.start * 1_000_000, end=START + one.end * 1_000_000)
        for one in spans
    ]


SENDERS = [trace(number, span(1, 0, "shop", PRODUCER, number, number + 1, attributes=KAFKA)) for number in (1, 2, 3)]
(RECEIVER,) = trace(
    9, span(1, 0, "mail", CONSUMER, 50, 60, attributes=KAFKA, links=[(bytes([n]) * 16, 1) for n in (1, 2, 3, 4)])
)


async def test_a_batch_receive_names_each_sender_and_how_long_its_message_waited() -> None:
    worker, log = Worker(MemoryStore()), Log()
    spans = [*(span for sender in SENDERS for span in sender), RECEIVER]
    log.send_spans(spans)
    log.send_receipts(spans)
    events = deliver(log)
    for event in events:
        worker.take(event)
    await worker.stage.flush()  # all are open: the answers come before the receiver closes
    assert log.take_answers(worker)
    for event in deliver(log, [sum(event.message.partition == number for event in events) for number in range(PARTITIONS)]):
        worker.take(event)
    await worker.stage.close()
    hops = stored(worker.store)["hops"].values()
    received = sorted((hop["caller"]["name"], hop["queue_wait"]) for hop in hops if hop["callee"]["name"] == "mail")
    assert received == [("kafka:paid", None), ("shop", 46_000_000), ("shop", 47_000_000), ("shop", 48_000_000)]
    assert worker.stage.counts.merged == worker.stage.counts.corrections == 0
    assert (worker.stage.messages.answered, worker.stage.messages.unseen) == (3, 1)


async def test_a_message_whose_sender_comes_after_all_was_closed_is_joined_and_its_edges_corrected() -> None:
    store, log = MemoryStore(), Log()
    sender = SENDERS[0]
    log.send_spans([RECEIVER])
    log.send_receipts([RECEIVER])
    worker = Worker(store)
    for event in deliver(log):
        worker.take(event)
    await worker.stage.close()
    unseen = [document.body for (kind, _), document in store.documents.items() if kind is Kind.RECEIPT]
    assert len(unseen) == worker.stage.messages.unseen == 4
    before = log.ends
    log.send_spans(sender)
    restarted = Worker(store, CONFIG)
    for event in deliver(log, before):
        restarted.take(event)
    await restarted.stage.close()
    before = log.ends
    assert log.take_answers(restarted)
    for event in deliver(log, before):
        restarted.take(event)
    await restarted.stage.close()
    assert stored(store) == as_one_batch([*sender, RECEIVER])
    assert restarted.stage.counts.corrections > 0


async def test_a_span_that_comes_late_leaves_the_senders_that_are_known() -> None:
    late = replace(RECEIVER, span_id=b"llllllll", parent_span_id=RECEIVER.span_id, kind=SERVER, links=())
    worker, log = Worker(MemoryStore()), Log()
    spans = [*SENDERS[0], RECEIVER]
    following = [0] * PARTITIONS
    for step in ("spans", "receipts", "answers", "late"):
        match step:
            case "spans":
                log.send_spans(spans)
            case "receipts":
                log.send_receipts(spans)
            case "answers":
                log.take_answers(worker)
            case _:
                log.send_spans([late])
        for event in deliver(log, following):
            worker.take(event)
        following = log.ends
        await worker.stage.close()
    assert stored(worker.store) == as_one_batch([*spans, late])


async def test_an_origin_of_a_trace_that_could_not_be_stored_is_stored_as_nothing() -> None:
    worker = Worker(MemoryStore())
    (receipt, *_) = link_queries_of(RECEIVER)
    answer = link_target(receipt, SENDERS[0][0])
    event = Event(TOPIC, 0, 0, codec.encode_link_targets([answer]), BatchKind.LINK_TARGETS)
    worker.take(event)
    await worker.stage.close()
    assert not worker.store.documents
    assert event.acked


def test_what_is_sent_between_stages_comes_back_as_it_was() -> None:
    receipts = list(link_queries_of(RECEIVER))
    assert codec.decode_link_queries(codec.encode_link_queries(receipts)) == receipts
    answers = [link_target(receipts[0], SENDERS[0][0]), link_target(receipts[1], replace(SENDERS[1][0], kind=SERVER))]
    assert codec.decode_link_targets(codec.encode_link_targets(answers)) == answers


def test_only_spans_that_receive_are_receipts_and_only_of_other_traces() -> None:
    receiver = span(1, 0, "a", CONSUMER, 0, 1, links=[(TRACE, 2), (OTHER_TRACE, 3)])
    assert [item.message for item in link_queries_of(receiver)] == [(OTHER_TRACE, sid(3))]
    assert not list(link_queries_of(replace(receiver, kind=SERVER)))


def deliver(log: Log, start: list[int] | None = None) -> list[Event]:
    """The records from these offsets on."""
    return [
        Event(TOPIC, number, offset, value, batch)
        for number, part in enumerate(log.records)
        for offset, (batch, value) in enumerate(part)
        if offset >= (start[number] if start else 0)
    ]


@pytest.mark.parametrize("batch", [BatchKind.LINK_QUERIES, BatchKind.LINK_TARGETS, BatchKind.EXEMPLARS])
async def test_a_partition_that_has_got_nothing_else_since_a_restart_does_not_hold_it_for_ever(batch: BatchKind) -> None:
    worker = Worker(MemoryStore(), live=True)
    receipt = next(link_queries_of(RECEIVER))
    value = {
        BatchKind.LINK_QUERIES: codec.encode_link_queries([receipt]),
        BatchKind.LINK_TARGETS: codec.encode_link_targets([link_target(receipt, SENDERS[0][0])]),
        BatchKind.EXEMPLARS: codec.encode_exemplars([ExemplarReference(RECEIVER.trace_id, b"s" * 8, 0, "latency", 1.0)]),
    }[batch]
    event = Event(TOPIC, 0, 0, value, batch)
    worker.take(event)
    for _ in range(5):
        await worker.stage.flush()
        worker.now += SECOND
    assert event.acked


async def test_what_was_sent_while_the_partition_was_revoked_acknowledges_nothing_of_its_new_assignment() -> None:
    answers, log = SlowTopic(PARTITIONS), Log()
    worker = Worker(MemoryStore(), CONFIG, answers)
    sender = SENDERS[0]
    log.send_receipts([RECEIVER])
    log.send_spans(sender)
    events = deliver(log)
    for event in events:
        worker.take(event)
    flushing = asyncio.create_task(worker.stage.flush())
    await answers.sending.wait()
    tps = {event.message.tp for event in events}
    worker.offsets.drop(tps)
    worker.stage.drop(tps)
    again = deliver(log)
    for event in again:
        worker.take(event)
    answers.go.set()
    await flushing
    assert not any(event.acked for event in again)


@dataclass
class SlowTopic(KeepingTopic):
    """Waits with each record until it may go."""

    sending: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, **record: Any) -> Awaitable[None]:
        self.sending.set()
        await self.go.wait()
        return await super().send(**record)


class CutStore(MemoryStore):
    """Stores a part of the first write that takes a hop off a window, and ends the process, as two shards may do."""

    cut = False

    async def write(self, documents: Sequence[Document]) -> Written:
        kept = [document for document in documents if not document.body.get("retracted")]
        if len(kept) < len(documents) and not self.cut:
            self.cut = True
            await super().write(kept)
            raise KilledError
        return await super().write(documents)


@pytest.mark.parametrize("more", [0, 1])
async def test_a_hop_that_moves_to_its_senders_window_is_counted_once_though_a_crash_cut_the_write(more: int) -> None:
    store, log = CutStore(), Log()
    early = [replace(one, start=one.start - 10 * SECOND, end=one.end - 10 * SECOND) for one in SENDERS[0]]
    late = [
        replace(RECEIVER, span_id=sid(50 + number), parent_span_id=RECEIVER.span_id, kind=INTERNAL, links=())
        for number in (1, 2)
    ]
    answer = link_target(next(link_queries_of(RECEIVER)), early[0])
    owner = partitions.of_trace(RECEIVER.trace_id, PARTITIONS)
    log.send_spans([RECEIVER])
    await read_alone(store, log)
    log.records[owner] = [(BatchKind.LINK_TARGETS, codec.encode_link_targets([answer]))]
    with pytest.raises(KilledError):
        await read_alone(store, log)
    log.send_spans(late[:more])
    await read_alone(store, log)
    log.records[owner] = []
    log.send_spans(late)
    await read_alone(store, log)
    found = stored(store)
    hops = found["hops"].values()
    assert sorted(hop["caller"]["name"] for hop in hops) == ["kafka:paid", "kafka:paid", "kafka:paid", "shop"]
    assert sum(calls for calls, *_ in found["edges"].values()) == 4


async def read_alone(store: MemoryStore, log: Log) -> None:
    """Let a worker that has just started read all of the log."""
    worker = Worker(store)
    for event in deliver(log):
        worker.take(event)
    await worker.stage.close()


async def test_corrections_of_a_window_that_comes_back_to_where_it_was_are_all_made() -> None:
    store, log = MemoryStore(), Log()
    owner = partitions.of_trace(RECEIVER.trace_id, PARTITIONS)
    ids = (number.to_bytes(16, "big") for number in range(1, 100))
    other = next(id_ for id_ in ids if partitions.of_trace(id_, PARTITIONS) == owner)
    receivers = [replace(RECEIVER, trace_id=trace_id, links=RECEIVER.links[:1]) for trace_id in (RECEIVER.trace_id, other)]
    early = [replace(one, start=one.start - 10 * SECOND, end=one.end - 10 * SECOND) for one in SENDERS[0]]
    for receiver in receivers:
        log.records[owner] = []
        log.send_spans([receiver])
        await read_alone(store, log)
        answers = [link_target(receipt, early[0]) for receipt in link_queries_of(receiver)]
        log.records[owner] = [(BatchKind.LINK_TARGETS, codec.encode_link_targets(answers))]
        await read_alone(store, log)
    assert {key.caller.name: calls for (key, _), (calls, *_) in stored(store)["edges"].items()} == {"shop": 2}


async def test_receipts_alone_do_not_keep_event_time_from_running() -> None:
    worker, log = Worker(MemoryStore(), live=True), Log()
    log.send_spans([RECEIVER])
    log.send_receipts([RECEIVER])
    first, *rest = deliver(log)
    worker.take(first)
    for offset in range(100):
        await worker.stage.flush()
        worker.now += SECOND
        event = rest[offset % len(rest)]
        worker.take(Event(TOPIC, first.message.partition, offset + 1, event.value or b"", BatchKind.LINK_QUERIES))
    assert first.acked


def test_a_receipt_that_was_not_asked_for_is_not_given_up_and_holds_up_no_other() -> None:
    waiting = OpenLinkQueries(wait=10, most=1)
    first, second, *_ = link_queries_of(RECEIVER)
    waiting.add(1, 0, [first])
    waiting.new()
    waiting.add(2, 0, [second, replace(first, receiver=b"another receiver")])
    assert [receipt for receipt, _, _ in waiting.overdue(1000)] == [first]
    waiting.new()
    assert len(waiting.overdue(1000)) == 2
    assert not waiting
