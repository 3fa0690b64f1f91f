"""The configuration: one YAML file and `SPANLOOM_*` variables, which win."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, create_model, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError, YamlConfigSettingsSource

from agent.config import AgentConfig
from alerting.external_labels import ExternalLabels
from alerting.notify.forward import AlertmanagersConfig
from alerting.playbooks.actions.build import actions_config
from alerting.playbooks.kernel.safety import SafetyConfig
from collectors.ingest import IngestConfig
from collectors.shipper import ShipperConfig
from components.access.config import AccessConfig
from components.component import ComponentKind, NoConfig
from components.http.protocol import HttpLimits
from components.secrets import SECRETS
from components.tls import TlsConfig
from components.variables import misspelt
from dashboards.read_models.bounded_reads import QueryLimits
from governance.config import ControlPlaneConfig
from pipeline.acting.config import ActConfig
from pipeline.assembling.config import AssembleConfig
from pipeline.dead_letters.limits import DeadLetterConfig
from pipeline.runtime.kafka_access import KafkaConfig
from processors.detectors.detector import score_config
from processors.kernels.choose import NativeMode  # noqa: TC001 - pydantic reads it
from spanloom import components
from spanloom.config_mistakes import config_file, mistakes, no_json
from spanloom.self_metrics.export import MetricsConfig
from stores.component import store_of
from stores.samples.config import SamplesConfig
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from pydantic_settings import PydanticBaseSettingsSource

    from alerting.playbooks.actions.build import ActionsConfig
    from components.component import AnyComponent
    from processors.detectors.detector import ScoreConfig
    from telemetry.json_object import JsonObject
else:
    ActionsConfig = actions_config((*components.ACTIONS, *components.RUNNERS))
    ScoreConfig = score_config(components.DETECTORS)


def _address(value: object) -> object:
    """`HOST:PORT` stands for a mapping with these two."""
    if isinstance(value, str) and ":" in value:
        host, _, port = value.rpartition(":")
        return {"host": host.strip("[]"), "port": port}
    if isinstance(value, str | int):
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:8080")  # noqa: TRY004 - pydantic explains no TypeError
    return value


CONSOLE_PORT = 8080


class ConsoleConfig(BaseModel):
    """Where the console and the HTTP API listen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address to bind; loopback unless configured.")
    port: int | None = Field(default=None, ge=0, le=65535, description=f"{CONSOLE_PORT} where none is set")
    limits: HttpLimits = Field(
        default=HttpLimits(max_connections=500, max_connections_per_address=200), description="of connections"
    )
    tls: TlsConfig | None = Field(default=None, description="certificates; without them the port is plain text")

    @property
    def port_or_default(self) -> int:
        """The port to bind."""
        return CONSOLE_PORT if self.port is None else self.port

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - not bound
        return f"{'https' if self.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port_or_default}"


class RetentionConfig(BaseModel):
    """What the store deletes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: float = Field(default=7.0, gt=0, description="documents older than this are deleted")
    max_bytes: int = Field(default=10 << 30, gt=0, description="past this size the oldest are deleted")


class TopicsConfig(BaseModel):
    """How topics are made where they do not exist."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    partitions: int = Field(default=4, gt=0, le=1000, description="partitions of each topic except spanloom-signals")
    signal_partitions: int = Field(
        default=1, gt=0, le=100, description="partitions of spanloom-signals: environments spread over this many workers"
    )
    replicas: int = Field(default=1, gt=0, le=10, description="copies of each partition, on Kafka")
    retention_hours: float = Field(default=24.0, gt=0, description="how long records are kept, read or not")
    retention_bytes: int = Field(default=1 << 30, gt=0, description="bytes that each partition keeps, read or not")


class AlertingConfig(BaseModel):
    """Rules, receivers and playbooks. Nothing named means what ships with Spanloom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Path, ...] = Field(default=(), description="Prometheus rule files, and objectives in OpenSLO's format")
    receivers: Path | None = Field(default=None, description="an Alertmanager configuration file")
    playbooks: tuple[Path, ...] = Field(default=(), description="playbook files")
    external_labels: ExternalLabels = Field(
        default={}, description="labels of every alert as it is sent, as Prometheus has them"
    )
    actions: ActionsConfig = Field(default=ActionsConfig(), description="what playbooks may reach")
    safety: SafetyConfig = Field(default=SafetyConfig(), description="bounds across all playbooks")
    external_url: str = Field(default="", description="where people reach this API, for links; default: the console's address")
    alertmanagers: tuple[AlertmanagersConfig, ...] = Field(
        default=(), max_length=20, description="Alertmanagers that get every alert, written as in Prometheus"
    )
    heartbeat_url: SecretStr | None = Field(
        default=None, description="a dead man's switch outside, asked for while rules are evaluated and notifications sent"
    )
    heartbeat_seconds: float = Field(default=60.0, ge=1, description="seconds between two heartbeats")
    approval_key: SecretStr | None = Field(
        default=None, min_length=32, description="signs approval links, 32 characters at least; default: made once and kept"
    )


class _First(BaseSettings):
    """Where things are."""

    model_config = SettingsConfigDict(
        env_prefix="SPANLOOM_", env_nested_delimiter="__", frozen=True, extra="forbid", nested_model_default_partial_update=True
    )

    data_dir: Path = Field(default=Path(".spanloom"), description="everything local: log, store, state")
    log: str = Field(default="", description="log://DIR or kafka://HOST:PORT[;HOST:PORT]; default log:// in data_dir")
    store: str = Field(default="", description="duckdb://FILE or http(s)://HOST:PORT; default duckdb:// in data_dir")
    namespace: str = Field(
        default="default", pattern="^[a-z0-9_]+$", description="last part of the names of Elasticsearch's data streams"
    )
    topics: TopicsConfig = TopicsConfig()
    kafka: KafkaConfig = KafkaConfig()

    @field_validator("store")
    @classmethod
    def _is_store(cls, value: str) -> str:
        if value and store_of(components.STORES, value) is None:
            forms = " or ".join(one.url_form for one in components.STORES)
            raise ValueError(f"must be {forms}, not {without_password(value)!r}")
        return value

    @field_validator("log")
    @classmethod
    def _is_log(cls, value: str) -> str:
        scheme, separator, rest = value.partition("://")
        if value and not (separator and rest and scheme in {"log", "kafka"}):
            raise ValueError("must be log://DIR or kafka://HOST:PORT[;HOST:PORT]")
        for broker in rest.split(";") if scheme == "kafka" else ():
            try:
                known = urlsplit(f"//{broker.removeprefix('kafka://')}")
                usable = bool(known.hostname) and known.port != 0
            except ValueError:
                usable = False
            if not usable:
                raise ValueError("must be kafka://HOST:PORT[;HOST:PORT], with a number from 1 to 65535 as each port")
        return value


def _sections() -> JsonObject:
    """The sections of the stores and receivers that can be configured."""
    sections: JsonObject = {}
    listed: tuple[AnyComponent, ...] = (*components.STORES, *components.RECEIVERS)
    for one in listed:
        if one.config is NoConfig:
            continue
        optional: object = one.config | None if one.required else one.config
        default = None if one.required else one.config()
        if one.kind is ComponentKind.RECEIVER:
            optional = Annotated[optional, NoDecode, BeforeValidator(_address)]
        sections[one.name] = (optional, default)
    return sections


if TYPE_CHECKING:
    _Sections = _First
else:
    _Sections = create_model("_Sections", __base__=_First, **_sections())


class Config(_Sections):
    """Everything that can be configured."""

    native: NativeMode = Field(default="auto", description="the native core: auto (where it is installed), off, or required")
    queries: QueryLimits = QueryLimits()
    console: Annotated[ConsoleConfig, NoDecode, BeforeValidator(_address)] = ConsoleConfig()
    access: AccessConfig = AccessConfig()
    ingest: IngestConfig = IngestConfig()
    shipper: ShipperConfig = ShipperConfig()
    assemble: AssembleConfig = AssembleConfig()
    score: ScoreConfig = ScoreConfig()
    act: ActConfig = ActConfig()
    dead_letters: DeadLetterConfig = DeadLetterConfig()
    retention: RetentionConfig = RetentionConfig()
    samples: SamplesConfig = SamplesConfig()
    metrics: MetricsConfig = MetricsConfig()
    agent: AgentConfig = AgentConfig()
    control: ControlPlaneConfig = ControlPlaneConfig()
    alerting: AlertingConfig = AlertingConfig()
    webhook_url: SecretStr = Field(default=SecretStr(""), description="where alerts go when no receivers file is named")
    supervisor_url: str = Field(default="", description="control API of a process supervisor that playbooks may use")

    @property
    def log_url(self) -> str:
        """The log's URL."""
        return self.log or f"log://{self.data_dir.resolve() / 'log'}"

    @property
    def store_url(self) -> str:
        """The store's URL."""
        return self.store or f"duckdb://{self.data_dir.resolve() / 'spanloom.duckdb'}"

    def of(self, component: AnyComponent) -> Any:
        """The section of a receiver or store; None where it has to be written and is not."""
        return getattr(self, component.name, NoConfig())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then variables, then the file that `SPANLOOM_CONFIG` names."""
        del dotenv_settings, file_secret_settings
        path = os.environ.get("SPANLOOM_CONFIG")
        if not path:
            return (init_settings, env_settings)
        return (init_settings, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=Path(path)))


def without_password(url: str) -> str:
    """A URL as it may be shown, its password starred; what lacks a scheme, or has one that we do not know, too."""
    return re.sub(r"^((?:[^:/]+://)?[^:/@]*):(?!//)[^/?#]*@", r"\1:**********@", url)


def load_config(path: Path | None = None, **overrides: Any) -> Config:
    """The effective configuration.

    Raises:
        ConfigError: a line for each mistake, with its place in the file or the variable, and what was probably meant.
    """
    if path is not None:
        os.environ["SPANLOOM_CONFIG"] = str(path)
    named = os.environ.get("SPANLOOM_CONFIG")
    file = config_file(Path(named)) if named else None
    found = []
    try:
        config = Config(**overrides)
    except ValidationError as error:
        found = mistakes(error, Config, file, os.environ)
    except SettingsError as error:  # a section's variable that is no JSON
        found = no_json(error, Config, os.environ)
    found += misspelt(os.environ, Config)
    if found:
        raise ConfigError("\n".join(found))
    SECRETS.add_all(config)
    return config
