"""The services that other tests rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests import services
from tests.services import PORTS_OF_PROCESS, PROCESSES

if TYPE_CHECKING:
    import pytest


async def test_a_record_goes_through_kafka(kafka: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        await producer.send_and_wait("services", b"value", key=b"key", partition=2)
    async with AIOKafkaConsumer("services", bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        record = await consumer.getone()
    assert (record.partition, record.key, record.value) == (2, b"key", b"value")


def test_no_port_is_given_twice_and_none_to_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}
    for process in range(PROCESSES):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{process}")
        ports = services._ports_of_process()
        given[process] = {next(ports) for _ in range(PORTS_OF_PROCESS)}
    assert len(set.union(*given.values())) == PROCESSES * PORTS_OF_PROCESS
    assert max(set.union(*given.values())) < 32_000
