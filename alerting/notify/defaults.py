"""The `global` section of Alertmanager's configuration file: what a receiver that leaves something open gets."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from alerting.notify.http_config import ClientTls, HttpConfig
from alerting.notify.secret import LocalPath, SecretUrl, at_most_one
from alerting.rules.files import Duration
from components.durations import MINUTE

EVENTS_URL = "https://events.pagerduty.com/v2/enqueue"


class GlobalConfig(BaseModel):
    """Defaults of receivers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolve_timeout: Duration = 5 * MINUTE
    smtp_from: str = ""
    smtp_smarthost: str = ""
    smtp_hello: str = "localhost"
    smtp_auth_username: str = ""
    smtp_auth_password: SecretStr = SecretStr("")
    smtp_auth_password_file: LocalPath | None = None
    smtp_require_tls: bool = True
    smtp_tls_config: ClientTls | None = None
    slack_api_url: SecretUrl = SecretStr("")
    slack_api_url_file: LocalPath | None = None
    pagerduty_url: str = EVENTS_URL
    http_config: HttpConfig | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        at_most_one(self, "smtp_auth_password", "smtp_auth_password_file")
        at_most_one(self, "slack_api_url", "slack_api_url_file")
        return self
