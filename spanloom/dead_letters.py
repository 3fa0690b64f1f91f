"""Where `spanloom dlq` finds the dead letters: on Kafka, in a log that nobody has open, or at the process that has it."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
import orjson
from yarl import URL

from durable_log.errors import LogError, LogLockedError
from pipeline.dead_letters.letters import replay_dead_letters
from pipeline.dead_letters.on_kafka import dead_letters_on_kafka, place_on_kafka
from pipeline.dead_letters.on_log import PATH, LogDeadLetters, LogPlace
from pipeline.dead_letters.skip import skip as pass_over
from pipeline.runtime.kafka_access import client_settings
from pipeline.runtime.log_url import directory_of
from pipeline.runtime.shared_log import shared_log
from spanloom.access.local_token import authorization
from spanloom.process.store_file import is_shared
from spanloom.process.stores import open_store
from spanloom.wiring import Log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from components.tls import TlsConfig
    from pipeline.dead_letters.letters import DeadLetterTopic
    from spanloom.clock import Now
    from spanloom.config import Config
    from telemetry.json_object import JsonObject

ANSWER_SECONDS = 600.0
"""How long the process that has the log may be silent: it answers a replay when all of it is on the log."""


async def list_dead_letters(config: Config, now: Now) -> AsyncIterator[dict[str, object]]:
    """What is known of each, oldest first.

    Raises:
        SpanloomError: the log cannot be read; says why.
    """
    try:
        async with _dead_letters(config, now) as dead:
            async for letter in dead.read(replayed=True):
                yield letter.describe()
    except LogLockedError as locked:
        async with _owner(config, locked) as client, client.stream("GET", PATH) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                yield orjson.loads(line)


async def replay(config: Config, now: Now, *, again: bool) -> dict[str, int]:
    """Send them to where they came from; returns how many went to each topic, and to the store.

    Raises:
        SpanloomError: the log, a topic or the store did not do its part; says why.
    """
    try:
        async with _dead_letters(config, now) as dead:
            # A DuckDB file belongs to the process that has the log, which is this one if it is the embedded log.
            shared = is_shared(config.store_url) or config.log_url.startswith("log:")
            store = open_store(config) if shared else None
            try:
                return await replay_dead_letters(dead, store, again=again)
            finally:
                if store is not None:
                    await store.close()
    except LogLockedError as locked:
        async with _owner(config, locked) as client:
            answer = await client.post(f"{PATH}/replay", json={"again": again})
            if not answer.is_success:
                raise LogError(f"{answer.url}: {answer.text}") from locked
            sent: dict[str, int] = answer.json()
            return sent


async def skip(config: Config, now: Now, topic: str, partition: int, offset: int, *, dry_run: bool) -> dict[str, object]:
    """Skip a record, or only show it; returns what is known of it.

    Raises:
        SpanloomError: there is no such record, or the log does not keep the skip; says why.
    """
    if config.log_url.startswith("kafka://"):
        async with place_on_kafka(client_settings(Log(config).app)) as place:
            return await pass_over(place, topic, partition, offset, dry_run=dry_run)
    try:
        with shared_log(directory_of(URL(config.log_url)).resolve(), now) as durable:
            return await pass_over(LogPlace(durable), topic, partition, offset, dry_run=dry_run)
    except LogLockedError as locked:
        async with _owner(config, locked) as client:
            asked = {"topic": topic, "partition": partition, "offset": offset, "look": dry_run}
            answer = await client.post(f"{PATH}/skip", json=asked)
            if not answer.is_success:
                raise LogError(f"{answer.url}: {answer.text}") from locked
            found: JsonObject = answer.json()
            return found


@asynccontextmanager
async def _dead_letters(config: Config, now: Now) -> AsyncIterator[DeadLetterTopic]:
    if config.log_url.startswith("kafka://"):
        async with dead_letters_on_kafka(client_settings(Log(config).app)) as dead:
            yield dead
    else:
        with shared_log(directory_of(URL(config.log_url)).resolve(), now) as durable:
            yield LogDeadLetters(durable)


@asynccontextmanager
async def _owner(config: Config, locked: LogLockedError) -> AsyncIterator[httpx2.AsyncClient]:
    url, proof = config.console.url, authorization(config.console.url, config.data_dir)
    trust = _own_certificate(config.console.tls) if config.console.tls else True
    try:
        async with httpx2.AsyncClient(
            base_url=url, headers=proof, verify=trust, timeout=ANSWER_SECONDS, trust_env=False
        ) as client:
            yield client
    except httpx2.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise LogError(f"{locked}. Asked at {url} (console.host, console.port): {reason}") from error


def _own_certificate(tls: TlsConfig) -> ssl.SSLContext:
    """Trust in the certificate of this machine's console, and in no other, whatever name it is for."""
    context = ssl.create_default_context(cafile=str(tls.certificate))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return context
