"""Settings of the way into Kafka. What a broker says to them: tests/interop/test_kafka_security.py."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from pipeline.runtime.kafka_access import KafkaConfig, UnreachableError, check_access
from telemetry.errors import ConfigError
from tests.certificates import make_certificates
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path


def made(**settings: Any) -> dict[str, Any]:
    return KafkaConfig.model_validate(settings).for_faust()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"username": "alice"}, "username needs sasl_mechanism"),
        ({"sasl_mechanism": "PLAIN", "username": "alice"}, "sasl_mechanism needs username and password"),
        ({"key_file": "key.pem"}, "key_file needs cert_file"),
        ({"sasl_mechanism": "GSSAPI"}, "Input should be 'PLAIN'"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings: dict[str, str], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        made(**settings)


@pytest.mark.parametrize("setting", ["ca_file", "cert_file"])
def test_a_file_that_cannot_be_used_is_named_with_its_setting(tmp_path: Path, setting: str) -> None:
    (tmp_path / "text").write_text("not PEM")
    for name in ("missing", "text"):
        with pytest.raises(ConfigError, match=rf"kafka\.{setting}: .*/{name}: no PEM file"):
            made(**{setting: tmp_path / name})


def test_tls_trusts_the_authorities_that_are_named_and_checks_the_brokers_name(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    context = made(ca_file=tmp_path / "ca.pem", cert_file=tmp_path / "client.pem")["broker_credentials"].context
    assert [one["subject"] for one in context.get_ca_certs()] == [
        one["subject"] for one in ssl.create_default_context(cafile=tmp_path / "ca.pem").get_ca_certs()
    ]
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


def test_without_tls_and_sasl_there_are_no_credentials() -> None:
    assert made(compression="none") == {}
    assert "broker_credentials" in made(tls=True)


async def test_a_port_where_nobody_listens_is_distinguished_from_a_refusal() -> None:
    with pytest.raises(UnreachableError, match=r"cannot be reached: .*: is Kafka running, is its address right"):
        await check_access({"bootstrap_servers": [f"127.0.0.1:{free_port()}"]})
