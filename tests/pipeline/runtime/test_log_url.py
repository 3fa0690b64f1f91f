from __future__ import annotations

from pathlib import Path

import faust
import pytest

from durable_log.partition import TopicSettings
from pipeline.runtime.log_url import directory_of, topic_settings
from telemetry.errors import ConfigError


def test_how_a_topic_is_kept_follows_faust_and_kafka() -> None:
    default = TopicSettings(4)
    assert topic_settings(4) == default
    assert topic_settings(4, retention=60.0).retention_ms == 60_000
    assert topic_settings(4, config={"retention.ms": -1, "retention.bytes": 5}).retention_ms == 0
    assert topic_settings(4, config={"retention.bytes": "1000"}).retention_bytes == 1000
    table = topic_settings(4, compacting=True)
    assert (table.compact, table.retention_ms, table.retention_bytes) == (True, 0, 0)
    window = topic_settings(4, compacting=True, deleting=True, retention=60.0)
    assert (window.compact, window.retention_ms) == (True, 60_000)
    assert topic_settings(4, config={"cleanup.policy": "compact"}) == table


@pytest.mark.parametrize(
    ("url", "path"), [("log:///var/log%20s", "/var/log s"), ("log://./data/log", "data/log"), ("log://../x", "../x")]
)
def test_a_url_names_a_directory(tmp_path: Path, url: str, path: str) -> None:
    assert directory_of(faust.App("x", broker=url, datadir=str(tmp_path)).conf.broker[0]) == Path(path)


@pytest.mark.parametrize("url", ["log://", "log:///", "log://data/x"])
def test_a_url_without_a_directory_is_refused_with_what_to_write(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="write log:///absolute"):
        directory_of(faust.App("x", broker=url, datadir=str(tmp_path)).conf.broker[0])
