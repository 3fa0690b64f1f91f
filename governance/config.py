"""What can be configured of the control plane."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.sender import is_loopback
from components.tls import TlsConfig
from governance.waves.rollout import RolloutConfig


class IdentityConfig(BaseModel):
    """Certificates of workloads, for mTLS between them. Needs the extra `identity`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trust_domain: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,200}[a-z0-9])?$", description="of the SPIFFE ids, such as shop.example"
    )
    ttl_seconds: float = Field(
        default=3600.0, ge=60, le=7 * 86_400, description="life of a certificate; it is renewed at half of it"
    )


class FleetLimitConfig(BaseModel):
    """Limits whose scope is the fleet: the control plane counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deadline_seconds: float = Field(
        default=0.1, ge=0.001, le=10, description="how long Envoy waits for an answer, after which the request passes"
    )
    max_counters: int = Field(
        default=100_000, gt=0, le=10_000_000, description="counters at a time; past it the one used longest ago goes"
    )


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
    rollout: RolloutConfig = RolloutConfig()
    identity: IdentityConfig | None = Field(
        default=None, description="with it agents get certificates, and services speak mTLS"
    )
    limits: FleetLimitConfig = FleetLimitConfig()
    max_agents: int = Field(default=10_000, gt=0, description="agents that are known at a time")
    check_with_envoy: bool = Field(
        default=True, description="have Envoy, where there is one, read a revision before its release"
    )

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.port is not None and not is_loopback(self.host) and (self.tls is None or self.tls.client_ca is None):
            raise ValueError(f"others can reach {self.host}: set tls with client_ca, so that agents prove who they are")
        return self
