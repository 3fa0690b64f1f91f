"""Alertmanager's configuration file as written: routes, inhibition, time intervals, receivers.

https://prometheus.io/docs/alerting/latest/configuration/. Beyond Alertmanager's fields there are `topology_inhibit_rules`
and the receivers' `apprise_configs`. Those of Alertmanager's that are refused are in `alerting/alertmanager/unsupported.py`.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from alerting.alertmanager.inhibition import AFTERWARDS
from alerting.alertmanager.time_intervals import TimeInterval
from alerting.alerts import KEEP_RESOLVED
from alerting.notify.apprise import AppriseConfig
from alerting.notify.email import EmailConfig
from alerting.notify.http_config import ClientTls, HttpConfig
from alerting.notify.pagerduty import EVENTS_URL, PagerdutyConfig
from alerting.notify.secret import LocalPath, SecretUrl, at_most_one
from alerting.notify.slack import SlackConfig
from alerting.notify.webhook import WebhookConfig
from alerting.promql.matchers import Matcher, parse_matchers
from alerting.promql.regex import Regex
from alerting.rules.files import Duration
from components.durations import MINUTE
from telemetry.errors import ConfigError


def _matchers(value: object) -> tuple[Matcher, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError("matchers are a list of strings")
    try:
        return tuple(matcher for item in items for matcher in parse_matchers(item))
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _patterns(value: dict[str, str]) -> dict[str, str]:
    try:
        for pattern in value.values():
            Regex.of(pattern)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return value


Patterns = Annotated[dict[str, str], AfterValidator(_patterns)]
Matchers = Annotated[tuple[Matcher, ...], BeforeValidator(_matchers)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class RouteConfig(_Strict):
    """A route as written; what is None comes from the parent."""

    receiver: str = ""
    group_by: list[str] | None = None
    continues: bool = Field(False, alias="continue")
    match: dict[str, str] = {}
    match_re: Patterns = {}
    matchers: Matchers = ()
    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None
    mute_time_intervals: list[str] = []
    active_time_intervals: list[str] = []
    routes: list[RouteConfig] = []

    @field_validator("group_by")
    @classmethod
    def _each_label_once(cls, value: list[str] | None) -> list[str] | None:
        if value is not None and len(value) > 1 and "..." in value:
            raise ValueError('cannot have other labels beside "..."')
        if value is not None and len(set(value)) < len(value):
            raise ValueError("the same label twice")
        return value


class InhibitConfig(_Strict):
    """An inhibition rule as written."""

    source_match: dict[str, str] = {}
    source_match_re: Patterns = {}
    source_matchers: Matchers = ()
    target_match: dict[str, str] = {}
    target_match_re: Patterns = {}
    target_matchers: Matchers = ()
    equal: list[str] = []


class TopologyConfig(_Strict):
    """Mute alerts on services that call the service of a firing culprit; all of them, or those of `target_matchers`."""

    culprit_matchers: Matchers
    target_matchers: Matchers = ()
    label: str = "service"
    afterwards: Annotated[Duration, Field(le=KEEP_RESOLVED)] = AFTERWARDS


class Receiver(_Strict):
    """A receiver and the ways to reach it."""

    name: Annotated[str, Field(min_length=1)]
    webhook_configs: list[WebhookConfig] = []
    pagerduty_configs: list[PagerdutyConfig] = []
    slack_configs: list[SlackConfig] = []
    email_configs: list[EmailConfig] = []
    apprise_configs: list[AppriseConfig] = []


class NamedIntervals(_Strict):
    """Time intervals under a name."""

    name: Annotated[str, Field(min_length=1)]
    time_intervals: list[TimeInterval]


class GlobalConfig(_Strict):
    """Defaults of receivers."""

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


class AlertmanagerFile(_Strict):
    """The file as written."""

    settings: GlobalConfig = Field(default_factory=GlobalConfig, alias="global")
    templates: list[LocalPath] = []
    route: RouteConfig
    receivers: list[Receiver] = []
    inhibit_rules: list[InhibitConfig] = []
    topology_inhibit_rules: list[TopologyConfig] = []
    time_intervals: list[NamedIntervals] = []
    mute_time_intervals: list[NamedIntervals] = []
