"""The `global` section of Alertmanager's configuration file: what a receiver that leaves something open gets."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from alerting.notify.http_config import ClientTls, HttpConfig
from alerting.notify.secret import LocalPath, SecretUrl, at_most_one
from alerting.rules.files import Duration
from components.durations import MINUTE

POST_MESSAGE = "https://slack.com/api/chat.postMessage"
EVENTS_URL = "https://events.pagerduty.com/v2/enqueue"


_OR_FILE = (
    "smtp_auth_password", "slack_api_url", "opsgenie_api_key", "rocketchat_token", "rocketchat_token_id", "telegram_bot_token",
    "victorops_api_key", "mattermost_webhook_url", "slack_app_token", "smtp_auth_secret",
)  # fmt: skip


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
    smtp_auth_secret: SecretStr = SecretStr("")
    smtp_auth_secret_file: LocalPath | None = None
    smtp_force_implicit_tls: bool | None = None
    smtp_auth_identity: str = ""
    smtp_require_tls: bool = True
    smtp_tls_config: ClientTls | None = None
    slack_api_url: SecretUrl = SecretStr("")
    slack_api_url_file: LocalPath | None = None
    slack_app_token: SecretStr = SecretStr("")
    slack_app_token_file: LocalPath | None = None
    slack_app_url: str = POST_MESSAGE
    mattermost_webhook_url: SecretUrl = SecretStr("")
    mattermost_webhook_url_file: LocalPath | None = None
    pagerduty_url: str = EVENTS_URL
    jira_api_url: str = ""
    opsgenie_api_key: SecretStr = SecretStr("")
    opsgenie_api_key_file: LocalPath | None = None
    opsgenie_api_url: str = "https://api.opsgenie.com/"
    rocketchat_api_url: str = "https://open.rocket.chat/"
    rocketchat_token: SecretStr = SecretStr("")
    rocketchat_token_file: LocalPath | None = None
    rocketchat_token_id: SecretStr = SecretStr("")
    rocketchat_token_id_file: LocalPath | None = None
    telegram_api_url: str = "https://api.telegram.org"
    telegram_bot_token: SecretStr = SecretStr("")
    telegram_bot_token_file: LocalPath | None = None
    victorops_api_key: SecretStr = SecretStr("")
    victorops_api_key_file: LocalPath | None = None
    victorops_api_url: str = "https://alert.victorops.com/integrations/generic/20131114/alert/"
    webex_api_url: str = "https://webexapis.com/v1/messages"
    wechat_api_corp_id: str = ""
    wechat_api_secret: SecretStr = SecretStr("")
    wechat_api_url: str = "https://qyapi.weixin.qq.com/cgi-bin/"
    http_config: HttpConfig | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        for name in _OR_FILE:
            at_most_one(self, name, f"{name}_file")
        return self
