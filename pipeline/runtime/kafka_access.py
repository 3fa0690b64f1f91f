"""The way into Kafka: TLS and SASL as every client of ours uses them, and in words why Kafka refuses access."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import faust
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import IllegalSaslStateError, KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth, server_list
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from components.sender import is_loopback
from telemetry.errors import ConfigError, SpanloomError, UnrecoverableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from pipeline.runtime.app import PipelineApp

DEFAULT_PORT = 9092

ANSWER_SECONDS = 10.0
"""How long a broker may take to let us in; it does so in milliseconds."""


class KafkaAccessRefusedError(UnrecoverableError):
    """Kafka is there and does not take our credentials, or we do not trust its certificate. Waiting will not help."""


class UnreachableError(SpanloomError):
    """No broker answers as Kafka does. It may still be starting."""


class KafkaConfig(BaseModel):
    """The connection to Kafka: TLS and SASL, compression, and how soon a dead worker is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tls: bool = Field(default=False, description="use TLS; naming ca_file or cert_file does so too")
    ca_file: Path | None = Field(default=None, description="PEM file of the CAs to trust; default: those of the system")
    cert_file: Path | None = Field(
        default=None, description="PEM file of the certificate that we show, where Kafka asks for it"
    )
    key_file: Path | None = Field(default=None, description="PEM file of its private key, if that is not in cert_file")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="how to log in; it needs username and password"
    )
    username: str = Field(default="", description="SASL user name")
    password: SecretStr = Field(default=SecretStr(""), description="SASL password")
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(
        default="lz4", description="compression of produced records"
    )
    session_seconds: float = Field(
        default=20.0, ge=6, le=300, description="a worker that is silent for this long loses its partitions to the others"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.sasl_mechanism and not (self.username and self.password.get_secret_value()):
            raise ValueError("sasl_mechanism needs username and password")
        if self.username and not self.sasl_mechanism:
            raise ValueError("username needs sasl_mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
        if self.key_file and not self.cert_file:
            raise ValueError("key_file needs cert_file")
        return self

    def is_open(self, log_url: str) -> bool:
        """Whether whoever reaches the brokers may write: they ask nobody who they are, and are not on this machine alone."""
        scheme, _, hosts = log_url.partition("://")
        if scheme != "kafka" or self.sasl_mechanism or self.cert_file:
            return False
        names = (host.rpartition("@")[2].removeprefix("kafka://") for host in hosts.split(";"))
        return not all(is_loopback(name.rpartition(":")[0] or name) for name in names)

    def for_faust(self) -> dict[str, object]:
        """Faust's settings for TLS, SASL and compression.

        Raises:
            ConfigError: a file cannot be used; names the setting.
        """
        context = self._context()
        settings: dict[str, object] = {}
        if self.compression != "none":
            settings["producer_compression_type"] = self.compression
        if self.sasl_mechanism:
            settings["broker_credentials"] = faust.SASLCredentials(
                username=self.username,
                password=self.password.get_secret_value(),
                mechanism=self.sasl_mechanism,
                ssl_context=context,
            )
        elif context:
            settings["broker_credentials"] = faust.SSLCredentials(context=context)
        return settings

    def _context(self) -> ssl.SSLContext | None:
        if not (self.tls or self.ca_file or self.cert_file):
            return None
        context = ssl.create_default_context()
        try:
            if self.ca_file:
                context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise ConfigError(f"kafka.ca_file: {self.ca_file}: no PEM file of certificates: {error}") from error
        try:
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:
            names = " with kafka.key_file: ".join(str(file) for file in (self.cert_file, self.key_file) if file)
            raise ConfigError(f"kafka.cert_file: {names}: no PEM file of a certificate and its key: {error}") from error
        return context


def client_settings(app: PipelineApp) -> dict[str, object]:
    """Settings of every client of aiokafka: brokers, TLS and SASL."""
    conf = app.conf
    auth = credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context)
    return {"bootstrap_servers": server_list(conf.broker, DEFAULT_PORT), **auth}


async def check_access(settings: Mapping[str, object]) -> None:
    """Return when one of the brokers lets us in.

    aiokafka's clients keep to themselves why they could not connect; here it is asked once, before they start.

    Args:
        settings: of the client, see `client_settings`.

    Raises:
        AccessRefusedError: names the setting that is wrong.
        UnreachableError: none can be reached, or it hangs up, as a broker does that wants TLS and is not offered it.
    """
    auth = {name: value for name, value in settings.items() if name != "bootstrap_servers"}
    failures = []
    for host, port, _ in collect_hosts(settings["bootstrap_servers"]):
        try:
            connection = await create_conn(host, port, request_timeout_ms=int(ANSWER_SECONDS * 1000), **auth)
        except (OSError, KafkaError) as error:
            refusal = _refusal(error, settings)
            if refusal:
                raise KafkaAccessRefusedError(f"{host}:{port}: {refusal}") from error
            failures.append(f"{host}:{port}: {_absence(error)}")
        else:
            connection.close()
            return
    raise UnreachableError("; ".join(failures))


def _refusal(error: Exception, settings: Mapping[str, object]) -> str | None:
    mechanism = settings.get("sasl_mechanism")
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"its certificate is not trusted: {error.verify_message}: kafka.ca_file names the CAs to trust (default: the "
                "system's), and the log's URL the broker as its certificate does"
            )
        case ssl.SSLError():
            return f"no TLS with it: {error}: is kafka.tls right for this port?"
        case SaslAuthenticationFailed():
            user = settings["sasl_plain_username"]
            return f"it refuses the user {user!r} by {mechanism}: kafka.username or kafka.password is wrong"
        case UnsupportedSaslMechanismError():
            return f"it does not support kafka.sasl_mechanism {mechanism}: choose another"
        case IllegalSaslStateError():
            return f"this port does not use SASL and kafka.sasl_mechanism is {mechanism}: remove it, or name another port"
    return None


def _absence(error: Exception) -> str:
    if isinstance(error, KafkaError | ConnectionResetError):
        return "it hangs up: is it Kafka, and does this port want what kafka.tls, cert_file and sasl_mechanism say?"
    return f"cannot be reached: {str(error) or 'no answer'}: is Kafka running, is its address right?"
