"""The services that other tests rely on."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def test_a_record_goes_through_kafka(kafka: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        await producer.send_and_wait("services", b"value", key=b"key", partition=2)
    async with AIOKafkaConsumer("services", bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        record = await consumer.getone()
    assert (record.partition, record.key, record.value) == (2, b"key", b"value")
