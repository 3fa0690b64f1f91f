"""What can be configured of the control plane."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from components.sender import is_loopback
from components.tls import TlsConfig
from governance.waves.rollout import RolloutConfig


class IdentityConfig(BaseModel):
    """Certificates of workloads, for mTLS between them. Needs the extra `identity`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trust_domain: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,200}[a-z0-9])?$", description="trust domain of the SPIFFE ids, such as shop.example"
    )
    authority: bool = Field(
        default=True,
        description="whether the control plane issues the certificates; else agents have theirs by agent.identity.workload_api",
    )
    ttl_seconds: float = Field(
        default=3600.0, ge=60, le=7 * 86_400, description="life of a certificate; it is renewed at half of it"
    )
    shared_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        max_length=1000,
        description="with it control planes that share control.store have one authority, encrypted with this in the store; "
        "random, and the same at all",
    )


class LimitTlsConfig(BaseModel):
    """TLS from Envoys to the external service that counts limits. Files are read at start, and Envoys get what they say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        default="",
        max_length=2000,
        description="in the service's certificate: a host name, an address or a SPIFFE id; else the host of `service`",
    )
    ca: Path | None = Field(
        default=None, description="PEM file of the CAs of the service's certificate; else those of control.identity"
    )
    certificate: Path | None = Field(
        default=None, description="PEM file with the certificate that Envoys show, the same for all"
    )
    key: Path | None = Field(default=None, description="PEM file with its private key")
    identity: bool = Field(default=False, description="whether each Envoy shows the certificate of its workload instead")

    @model_validator(mode="after")
    def _one_certificate(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        if self.identity and self.certificate is not None:
            raise ValueError("identity: Envoys show either that or `certificate`")
        return self


class FleetLimitConfig(BaseModel):
    """Limits whose scope is the fleet: the control plane counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deadline_seconds: float = Field(
        default=0.1, ge=0.001, le=10, description="how long Envoy waits for an answer, after which the request passes"
    )
    service: str = Field(
        default="",
        pattern=r"^$|^(\[[0-9a-fA-F:]+\]|[^\s:/\[\]]+):[0-9]{1,5}$",
        description="HOST:PORT of an external service of the RLS protocol (envoyproxy/ratelimit) that counts instead; "
        "Envoys ask it themselves, by gRPC",
    )
    tls: LimitTlsConfig | None = Field(default=None, description="with it Envoys speak TLS to that service")
    service_config: Path | None = Field(
        default=None, description="file in the config folder of that service, which the control plane keeps up to date"
    )
    max_counters: int = Field(
        default=100_000, gt=0, le=10_000_000, description="counters at a time; past it the one used longest ago goes"
    )

    @model_validator(mode="after")
    def _tls_to_somebody(self) -> Self:
        if self.tls is not None and not self.service:
            raise ValueError("tls: name the service that it is for")
        return self


class ApprovalConfig(BaseModel):
    """Whether a revision waits for other people before it is released. Playbooks have approvals of their own instead."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    required: int = Field(
        default=0, ge=0, le=10, description="people other than the author who must approve; 0: whoever pushes also releases"
    )
    role: Literal["operator", "admin"] = Field(default="operator", description="the least role of who approves or rejects")
    expire_seconds: float = Field(
        default=7 * 86_400.0, ge=60, le=365 * 86_400, description="after which a draft that nobody decided on ends"
    )
    max_drafts: int = Field(default=100, gt=0, le=10_000, description="drafts that wait at a time; more are refused")


class TokenIssuerConfig(BaseModel):
    """Somebody whose JSON Web Tokens policies may ask for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="by which policies name it")
    issuer: str = Field(min_length=1, max_length=1000, description="`iss` of its tokens")
    audiences: tuple[str, ...] = Field(
        min_length=1, max_length=20, description="accepted values of `aud`: a token for any other service is refused"
    )
    jwks: Path = Field(description="file with its public keys, a JWKS; read at start")


class ControlPlaneConfig(BaseModel):
    """Policies, and the agents that get them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="whether `spanloom up` has one, on a Unix socket in data_dir/control")
    host: str = Field(
        default="127.0.0.1", description="address for agents to reach; beyond loopback it needs tls with client_ca"
    )
    port: int | None = Field(
        default=None, ge=0, le=65535, description="TCP port for agents; `spanloom control` has 18000 where none is set"
    )
    tls: TlsConfig | None = Field(default=None, description="certificates of that port")
    store: SecretStr | None = Field(
        default=None,
        description="postgresql://USER:PASSWORD@HOST/NAME, which several control planes may share; "
        "else a SQLite file in data_dir/control",
    )
    rollout: RolloutConfig = RolloutConfig()
    identity: IdentityConfig | None = Field(
        default=None, description="with it agents get certificates, and services speak mTLS"
    )
    limits: FleetLimitConfig = FleetLimitConfig()
    approvals: ApprovalConfig = ApprovalConfig()
    token_issuers: tuple[TokenIssuerConfig, ...] = Field(
        default=(), max_length=20, description="whose JSON Web Tokens policies may ask for"
    )
    max_agents: int = Field(default=10_000, gt=0, description="agents that are known at a time")
    check_with_envoy: bool = Field(
        default=True, description="have Envoy, where there is one, read a revision before its release"
    )

    @field_validator("store")
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("postgresql://USER:PASSWORD@HOST/NAME, or nothing for a SQLite file")
        return value

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.port is not None and not is_loopback(self.host) and (self.tls is None or self.tls.client_ca is None):
            raise ValueError(f"others can reach {self.host}: set tls with client_ca, so that agents prove who they are")
        identity = self.identity
        if identity is not None and identity.shared_key is not None and (self.store is None or not identity.authority):
            raise ValueError("identity.shared_key: is for an authority of control planes that share `store`")
        tls = self.limits.tls
        if identity is None and tls is not None and (tls.identity or tls.ca is None):
            raise ValueError("limits.tls: name `ca`, and no `identity`: there is no control.identity that they could be of")
        names = [each.name for each in self.token_issuers]
        if len(set(names)) < len(names):
            raise ValueError("token_issuers: two have the same name")
        return self
