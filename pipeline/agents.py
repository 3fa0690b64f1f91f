"""Which agent reads which topic: the way of a record through the stages. No stage knows Faust but by this file."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from mode.supervisors import CrashingSupervisor

from pipeline.dead_letters.unusable import usable_or_aside
from pipeline.delivery.record_error import at_record
from pipeline.exchange.topics import Topic
from pipeline.incoming import jaeger_request, otlp_request, zipkin_request
from pipeline.rekey import rekey_logs, rekey_metrics, rekey_spans
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from faust import App, Stream

    from pipeline.act import ActStage
    from pipeline.assemble import AssembleStage
    from pipeline.dead_letters.limits import DeadLetters
    from pipeline.delivery.document_writer import DocumentWriter
    from pipeline.delivery.offset_tracker import OffsetTracker
    from pipeline.exchange.provenance import Sources
    from pipeline.incoming import RekeyCounts
    from pipeline.record import Record
    from pipeline.rekey import Rekey
    from pipeline.score import ScoreStage
    from processors.kernels.protocol import Kernels


def _each(app: App, topic: object, name: str, offsets: OffsetTracker, handle: Callable[[Record], Awaitable[None]]) -> None:
    """Hand over the records of a topic one after another, but those of an assignment that has ended; a failure ends all."""

    @app.agent(topic, name=name, supervisor_strategy=CrashingSupervisor)
    async def agent(stream: Stream[bytes]) -> None:
        async for event in stream.noack().events():
            if not offsets.is_stale(event):
                with offsets.timed():
                    await handle(event)


def rekey_topics(
    app: App,
    topics: Mapping[Topic, Any],
    writer: DocumentWriter,
    track: Callable[[str], OffsetTracker],
    dead: DeadLetters,
    counts: RekeyCounts,
    sources: Sources,
    now: Callable[[], int],
    kernels: Kernels,
) -> None:
    """Stage 1: from the topics of producers to those of traces and of series. `track` makes each agent's tracker."""
    traced, series = topics[Topic.TRACED], topics[Topic.SERIES]
    for topic, request in ((Topic.SPANS, otlp_request), (Topic.JAEGER, jaeger_request), (Topic.ZIPKIN, zipkin_request)):
        name = f"rekey-{topic.name.lower()}"
        rekey_topic(app, name, topics[topic], track(name), dead, rekey_spans(traced, counts, now, kernels, request), sources)
    for topic, rekey in ((Topic.LOGS, rekey_logs), (Topic.METRICS, rekey_metrics)):
        name = f"rekey-{topic.name.lower()}"
        offsets = track(name)
        rekey_topic(app, name, topics[topic], offsets, dead, rekey(traced, series, writer, offsets, counts, now), sources)


def rekey_topic(
    app: App,
    name: str,
    topic: object,
    offsets: OffsetTracker,
    dead: DeadLetters,
    rekey: Rekey,
    sources: Sources | None = None,
) -> None:
    """Do the work of each record; what cannot be used, wholly or in part, goes to the dead letters as it came.

    Its source is announced before; without `sources` nobody asks for it.
    """

    async def handle(record: Record) -> None:
        if sources is not None:
            await sources.announce(record)
            if offsets.is_stale(record):  # it may be by now
                return
        with at_record(record.message.tp, record.message.offset):
            try:
                after, flaw, documents = rekey(record)
            except InputError as error:
                after, flaw, documents = [], error, 0
        if flaw is None:
            dead.usable(record)
        elif await dead.admit(record, flaw, offsets.is_stale):
            after = [*after, dead.send(record, flaw)]
        else:
            return
        await offsets.done(record, after, documents)

    _each(app, topic, name, offsets, handle)


def assemble_traces(app: App, traced: object, stage: AssembleStage, offsets: OffsetTracker, dead: DeadLetters) -> None:
    """Stage 2: feed it, and let it flush."""

    async def handle(record: Record) -> None:
        await stage.wait_for_capacity()
        if not offsets.is_stale(record):
            with at_record(record.message.tp, record.message.offset):
                await usable_or_aside(record, partial(stage.handle, record), offsets, dead)

    _each(app, traced, "assemble", offsets, handle)

    @app.task
    async def flush() -> None:
        await stage.run()


def score_series(app: App, series: object, stage: ScoreStage, offsets: OffsetTracker, dead: DeadLetters) -> None:
    """Stage 3: feed it."""

    async def handle(record: Record) -> None:
        with at_record(record.message.tp, record.message.offset):
            after = await usable_or_aside(record, partial(stage.handle, record), offsets, dead)
        if after is not None:
            await offsets.done(record, after)

    _each(app, series, "score", offsets, handle)


def act_on_signals(app: App, signals: Any, stage: ActStage, offsets: OffsetTracker, dead: DeadLetters) -> None:
    """Stage 4: feed it where partitions of it are ours, and let time pass."""

    async def handle(record: Record) -> None:
        if offsets.is_stale(record):
            return  # its partition was revoked while it waited
        await stage.own(record.message.tp.partition)
        with at_record(record.message.tp, record.message.offset):
            if not offsets.is_stale(record):  # it may be by now
                await usable_or_aside(record, partial(stage.handle, record, offsets), offsets, dead)

    _each(app, signals, "act", offsets, handle)

    @app.on_rebalance_complete.connect  # tables are restored
    async def assigned(_app: App, **_: Any) -> None:
        mine = [tp.partition for tp in app.consumer.assignment() if tp.topic == signals.get_topic_name()]
        for partition in sorted(mine):
            await stage.own(partition)

    @app.task
    async def pass_time() -> None:
        try:
            await stage.run()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not task.cancelling():  # Faust would take it for the end of this task, and say nothing
                raise AssertionError("what the stage waited for was cancelled by somebody else") from None
