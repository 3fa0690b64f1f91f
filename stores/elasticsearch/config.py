"""Settings of every client of Elasticsearch. Apart from the client itself, which takes half a second to import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

if TYPE_CHECKING:
    from typing import Self


class ElasticsearchConfig(BaseModel):
    """The connection to Elasticsearch. An https server shows a certificate for its name that a trusted CA has signed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ca_file: Path | None = Field(default=None, description="PEM file of the CAs to trust; default: those of the system")
    cert_file: Path | None = Field(
        default=None, description="PEM file of the certificate that we show, where Elasticsearch or a proxy asks for one (mTLS)"
    )
    key_file: Path | None = Field(default=None, description="PEM file of its private key; default: it is in cert_file")
    api_key: SecretStr = Field(default=SecretStr(""), description="API key, in the `encoded` form that Elasticsearch returns")
    username: str = Field(default="", description="user name for basic authentication, instead of an API key")
    password: SecretStr = Field(default=SecretStr(""), description="password for basic authentication")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.username) != bool(self.password.get_secret_value()):
            raise ValueError("username and password belong together")
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file needs cert_file: the certificate that it is the key of")
        if self.username and self.api_key.get_secret_value():
            raise ValueError("name api_key, or username and password: Elasticsearch accepts one of them")
        return self
