"""What no input may bring about and yet must have a way out: a record that ends the process, state that cannot be read."""

from __future__ import annotations

import asyncio
import json
import os
import re
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from durable_log.log import DurableLog
from spanloom import clock
from spanloom.process.exit_codes import CRASHED, FAILED
from tests.attack.cluster_target import export, producer, stored
from tests.attack.line import Line, must
from tests.attack.telemetry import spans
from tests.system.processes import injected
from tests.system.test_crash import FAULT, PARTITION, TOPIC, append

if TYPE_CHECKING:
    from subprocess import CompletedProcess

    from tests.attack.bench import Bench
    from tests.attack.target import Product
    from tests.system.cluster import Cluster, Role

SKIP = re.compile(r"spanloom (dlq skip \S+-changelog \d+ \d+)")
GARBAGE = b"\xff\x00garbage"
MOST = 12
"""Starts: state has fewer values."""
DAMAGED = (b"0/engine", b"0/healer")
"""On Kafka, where a start takes longer, two of the values that nothing brings back."""


def a_record_that_ends_the_process_can_be_skipped(bench: Bench) -> str:
    """A record of the embedded log at which a stage fails for a fault of ours; then `spanloom dlq skip`."""
    own = bench.product("up", "--once")
    own.environment["PYTHONPATH"] = injected(bench.folder(), FAULT)
    offset = asyncio.run(append(own.data / "log", TOPIC, b"", **{"test.fail": b"1"}))
    own.start()
    code = own.ended(240)
    must(code == CRASHED, f"exit code {code}: {own.log[-300:]}")
    _skipped(own, own.log, offset)
    own.start()
    own.wait_ready()
    seconds = own.stored_afterwards()
    _is_a_letter(own.command("dlq", "list", "--json"), offset)
    own.stop()
    return f"exit {code}, skipped, the next span stored after {seconds:.0f} s"


def a_record_on_kafka_that_ends_the_worker_can_be_skipped(bench: Bench) -> str:
    """The same on an internal topic of Kafka: no worker knows of a way but that."""
    with bench.other_worker("--once", PYTHONPATH=injected(bench.folder(), FAULT)) as (cluster, worker):

        async def produce() -> int:
            async with producer(cluster) as sender:
                sent = await sender.send_and_wait(TOPIC, b"", partition=PARTITION, headers=[("test.fail", b"1")])
                return int(sent.offset)

        offset = asyncio.run(produce())
        worker.start()
        code = worker.ended(240)
        said = worker.log.read_text(errors="replace")
        must(code == CRASHED, f"exit code {code}: {said[-300:]}")
        _skipped(worker, said, offset)
        worker.start()
        worker.wait_ready()
        seconds = _stored_afterwards(cluster)
        _is_a_letter(worker.command("dlq", "list", "--json"), offset)
    return f"exit {code}, skipped, the next span stored after {seconds:.0f} s"


def _skipped(of: Product | Role, said: str, offset: int) -> None:
    """The log names the record, and it is passed over by hand."""
    place = f"{TOPIC}[{PARTITION}] offset {offset}: KeyError"
    must(place in said, f"the record is not named: {said[-500:]}")
    nowhere = of.command("dlq", "skip", TOPIC, str(PARTITION), str(offset + 1000), "--yes")
    must(nowhere.returncode not in {0, CRASHED}, f"an offset that is not there: exit code {nowhere.returncode}")
    must("Traceback" not in nowhere.stderr, f"an offset that is not there: {nowhere.stderr[-300:]}")
    done = of.command("dlq", "skip", TOPIC, str(PARTITION), str(offset), "--yes", "--json")
    must(done.returncode == 0, f"not skipped: {done.stderr[-300:]}")
    must(json.loads(done.stdout)["headers"] == {"test.fail": "1"}, f"what was skipped is not said: {done.stdout}")


def _is_a_letter(listed: CompletedProcess[str], offset: int) -> None:
    letters = [json.loads(line) for line in listed.stdout.splitlines()]
    places = [(each["topic"], each["offset"]) for each in letters]
    must((TOPIC, offset) in places, f"not among the dead letters: {places[-9:]}")


def _stored_afterwards(cluster: Cluster) -> float:
    traces = [os.urandom(16) for _ in range(8)]
    export(cluster, b"".join(spans("afterwards", 1, trace=each) for each in traces))
    return stored(cluster, traces)


def state_that_cannot_be_read_names_the_way_out(bench: Bench) -> str:
    """Garbage for every value of every changelog of the embedded log; each start's advice is followed until it runs."""
    own = bench.product("up", "--once")
    with own:
        rule = b"name: kept\nrules:\n- {alert: A, expr: up}\n"
        must(own.post("/api/v1/rules/kept", rule, "application/yaml", headers=own.authorised).status == 202, "no rule was set")
        own.stored_afterwards()
    count = asyncio.run(_garbage(own))
    followed = _follow(own)
    seconds = own.stored_afterwards()
    own.stop()
    return f"{count} values, {followed} given up by hand; the next span stored after {seconds:.0f} s"


async def _garbage(own: Product) -> int:
    log = DurableLog(own.data / "log", clock.system)
    try:
        damaged = 0
        for topic in [name for name in log.topics() if name.endswith("-changelog")]:
            for partition in range(log.partitions(topic) or 0):
                keys, offset = set(), log.start_offset(topic, partition)
                while records := log.read(topic, partition, offset):
                    keys |= {record.key for record in records}
                    offset = records[-1].offset + 1
                for key in keys:
                    await log.append(topic, partition, key, GARBAGE)
                damaged += len(keys)
        must(damaged, "no state was kept")
        return damaged
    finally:
        log.close()


def state_on_kafka_that_cannot_be_read_names_the_way_out(bench: Bench) -> str:
    """The same for two values of a changelog of Kafka, and a key that nobody knows."""
    with bench.other_worker("--once") as (cluster, worker):
        asyncio.run(_garbage_on_kafka(cluster))
        followed = _follow(worker)
        seconds = _stored_afterwards(cluster)
    must(followed == len(DAMAGED), f"{followed} given up by hand")
    return f"{followed} given up by hand; the next span stored after {seconds:.0f} s"


async def _garbage_on_kafka(cluster: Cluster) -> None:
    async with AIOKafkaConsumer(bootstrap_servers=f"127.0.0.1:{cluster.kafka.port}") as consumer:
        topics = [topic for topic in await consumer.topics() if topic.endswith("state-changelog")]
        ends: dict[Any, int] = await consumer.end_offsets([TopicPartition(topic, 0) for topic in topics])
    must(any(ends.values()), f"no state was kept: {ends}")
    async with producer(cluster) as sender:
        for place, end in ends.items():
            for key in (*DAMAGED, b"\xff/nobody") if end else ():
                await sender.send_and_wait(place.topic, GARBAGE, key=key, partition=place.partition)


def _follow(of: Product | Role) -> int:
    """Start it, and give up what it says, until it runs; how many values that were."""
    for followed in range(MOST):
        of.start()
        code = of.outcome()
        if code is None:
            return followed
        said = of.log if isinstance(of.log, str) else of.log.read_text(errors="replace")
        advice = SKIP.findall(said)
        must(code == FAILED and advice, f"exit code {code}, without the way out: {said[-400:]}")
        must("Traceback" not in said, f"a traceback: {said[-400:]}")
        done = of.command(*advice[-1].split(), "--yes")
        must(done.returncode == 0, f"{advice[-1]}: {done.stderr[-300:]}")
    raise AssertionError(f"it does not run after {MOST} values were given up")


LINES = (
    Line("crashes", a_record_that_ends_the_process_can_be_skipped),
    Line("crashes", state_that_cannot_be_read_names_the_way_out),
    Line("crashes", a_record_on_kafka_that_ends_the_worker_can_be_skipped),
    Line("crashes", state_on_kafka_that_cannot_be_read_names_the_way_out),
)
