"""TLS of the receivers."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class TlsConfig(BaseModel):
    """A certificate to show, and whose clients to take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate: Path = Field(description="PEM file with the server's certificate and those between it and its CA.")
    key: Path = Field(description="PEM file with the certificate's private key.")
    client_ca: Path | None = Field(
        default=None, description="PEM file of the CAs whose clients are taken. Without it clients need no certificate."
    )
