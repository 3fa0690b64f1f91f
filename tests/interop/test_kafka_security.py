"""Kafka with TLS and SASL: a span goes all the way, and a refusal is one line that names the setting."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx2
import pytest
from aiokafka import AIOKafkaProducer

from telemetry import otlp
from tests.generated import traces
from tests.interop.test_kafka_producers import dead_letters, find
from tests.services import KAFKA_PASSWORD, KAFKA_USER, secure
from tests.system.cluster import Role
from tests.system.exactness import QUICK
from tests.system.processes import Up

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def by_password(kafka: str, ca: Path, mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
    return {
        "SPANLOOM_LOG": f"kafka://{secure(kafka, 'password')}",
        "SPANLOOM_KAFKA__CA_FILE": str(ca),
        "SPANLOOM_KAFKA__SASL_MECHANISM": mechanism,
        "SPANLOOM_KAFKA__USERNAME": KAFKA_USER,
        "SPANLOOM_KAFKA__PASSWORD": KAFKA_PASSWORD,
    }


def by_certificate(kafka: str, certificates: Path) -> dict[str, str]:
    return {
        "SPANLOOM_LOG": f"kafka://{secure(kafka, 'certificate')}",
        "SPANLOOM_KAFKA__CA_FILE": str(certificates / "ca.pem"),
        "SPANLOOM_KAFKA__CERT_FILE": str(certificates / "client.pem"),
    }


def by_the_systems_authorities(kafka: str, certificates: Path) -> dict[str, str]:
    """OpenSSL takes the system's CAs from where SSL_CERT_FILE says."""
    settings = by_password(kafka, certificates / "ca.pem", "PLAIN")
    settings["SSL_CERT_FILE"] = settings.pop("SPANLOOM_KAFKA__CA_FILE")
    return settings | {"SPANLOOM_KAFKA__TLS": "true"}


def spanloom(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spanloom.cli", *arguments]
    return subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False, timeout=60)


async def test_a_span_goes_from_the_collector_over_tls_and_sasl_into_the_store(
    kafka: str, certificates: Path, tmp_path: Path
) -> None:
    settings = by_password(kafka, certificates / "ca.pem")
    made = spanloom(settings, "setup", "kafka")
    assert made.returncode == 0, made.stderr
    collector = Role("collector", tmp_path / "collector", **by_the_systems_authorities(kafka, certificates))
    up = Up(tmp_path, **QUICK, **settings)
    try:
        collector.start()
        up.start()
        collector.wait_ready(150)
        up.wait_ready(150)
        (spans,) = traces(1, seed=500)
        async with httpx2.AsyncClient(timeout=20) as client:
            headers = {"content-type": "application/x-protobuf"}
            answer = await client.post(f"{collector.otlp}/v1/traces", content=otlp.encode_spans(spans), headers=headers)
        assert answer.status_code == 200, answer.text
        assert len(await find(up, "span", 12, trace_id=spans[0].trace_id.hex())) == 12
        assert 'spanloom_lag_records{topic="otlp_spans"}' in httpx2.get(f"{up.console}/metrics").text
    finally:
        collector.stop()
        up.stop()
    said = collector.log.read_text() + (tmp_path / "up.log").read_text()
    assert KAFKA_PASSWORD not in said
    assert "Traceback" not in said


async def test_dead_letters_are_listed_and_replayed_with_a_clients_certificate(kafka: str, certificates: Path) -> None:
    settings = by_certificate(kafka, certificates)
    assert spanloom(settings, "setup", "kafka").returncode == 0
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        headers = [("spanloom.reason", b"unreadable"), ("spanloom.topic", b"zipkin_spans"), ("spanloom.partition", b"0")]
        await producer.send_and_wait("spanloom-dlq", b"value", headers=headers)
    assert "unreadable" in [letter["reason"] for letter in await dead_letters(kafka, "zipkin_spans", 1)]
    assert "unreadable" in (await asyncio.to_thread(spanloom, settings, "dlq", "list")).stdout
    replayed = (await asyncio.to_thread(spanloom, settings, "dlq", "replay")).stdout  # with those of other tests, if there are
    assert re.search(r"^zipkin_spans: [1-9]\d* replayed", replayed, re.MULTILINE)


@pytest.mark.parametrize("command", [("setup", "kafka"), ("worker",), ("dlq", "list")])
def test_a_wrong_password_is_one_line_and_no_second_try(
    kafka: str, certificates: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    settings = by_password(kafka, certificates / "ca.pem") | {
        "SPANLOOM_KAFKA__PASSWORD": "looking glass",
        "SPANLOOM_STORE": "http://127.0.0.1:1",
        "SPANLOOM_DATA_DIR": str(tmp_path),
    }
    done = spanloom(settings, *command)
    assert done.returncode == 1, done.stderr
    assert done.stderr == (
        f"spanloom: {secure(kafka, 'password')}: it refuses the user 'alice' by SCRAM-SHA-512: kafka.username or "
        "kafka.password is wrong\n"
    )


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"CA_FILE": "other-ca.pem"}, "kafka.ca_file names the CAs to trust"),
        ({"CA_FILE": None, "TLS": "true"}, "kafka.ca_file names the CAs to trust"),
        ({"SASL_MECHANISM": "SCRAM-SHA-256"}, "it does not support kafka.sasl_mechanism SCRAM-SHA-256"),
    ],
)
def test_a_refusal_names_the_setting(kafka: str, certificates: Path, wrong: dict[str, str | None], reason: str) -> None:
    settings = by_password(kafka, certificates / "ca.pem")
    for name, value in wrong.items():
        settings.pop(f"SPANLOOM_KAFKA__{name}", None)
        if value:
            settings[f"SPANLOOM_KAFKA__{name}"] = str(certificates / value) if name.endswith("FILE") else value
    done = spanloom(settings, "setup", "kafka")
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert reason in line


def test_a_port_without_sasl_says_that_it_accepts_none(kafka: str) -> None:
    settings = {
        "SPANLOOM_LOG": f"kafka://{kafka}",
        "SPANLOOM_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
        "SPANLOOM_KAFKA__USERNAME": "alice",
        "SPANLOOM_KAFKA__PASSWORD": "any",
    }
    done = spanloom(settings, "setup", "kafka")
    assert done.returncode == 1
    assert "this port does not use SASL and kafka.sasl_mechanism is SCRAM-SHA-512" in done.stderr
