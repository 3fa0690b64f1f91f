"""What an application says of the log in the terms of Faust and Kafka, as the log has it: a URL, and how topics are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mode.utils.times import want_seconds

from durable_log.partition import TopicSettings
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from yarl import URL

    from telemetry.json_object import JsonObject

COMPACTED_SEGMENT_BYTES = 4 << 20
"""A table is restored from its changelog at the start, and only ended segments are compacted."""


def directory_of(url: URL) -> Path:
    """The directory that a `log:` URL names.

    Raises:
        ConfigError: no directory.
    """
    host, path = url.host or "", url.path
    if host in {"", ".", ".."} and path not in {"", "/"}:
        return Path(f"{host}{path}")
    raise ConfigError(f"{url}: not a directory; write log:///absolute/directory or log://./relative")


def topic_settings(
    partitions: int,
    *,
    retention: object = None,
    compacting: bool | None = None,
    deleting: bool | None = None,
    config: JsonObject | None = None,
) -> TopicSettings:
    """How Faust and Kafka say a topic is kept, as the log has it.

    Of Kafka's topic configuration `cleanup.policy`, `retention.ms`, `retention.bytes` and `segment.bytes` count; the
    others are about brokers. -1 is Kafka's "no bound".
    """
    config = config or {}
    policy = str(config.get("cleanup.policy", "compact" if compacting else "")).split(",")
    compact = "compact" in policy
    keep_all = compact and not (deleting or "delete" in policy)
    default = TopicSettings(partitions)
    retention_ms = config.get("retention.ms", int(want_seconds(retention) * 1000) if retention else default.retention_ms)
    return TopicSettings(
        partitions,
        compact=compact,
        retention_ms=0 if keep_all else max(0, int(retention_ms)),
        retention_bytes=0 if keep_all else max(0, int(config.get("retention.bytes", default.retention_bytes))),
        segment_bytes=int(config.get("segment.bytes", COMPACTED_SEGMENT_BYTES if compact else default.segment_bytes)),
    )
