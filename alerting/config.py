"""Alertmanager's configuration file: routes, inhibition, time intervals, receivers.

https://prometheus.io/docs/alerting/latest/configuration/. Beyond Alertmanager's fields there are `topology_inhibit_rules`
and the receivers' `apprise_configs`. Those of Alertmanager's that are refused are in `not_taken.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from alerting.board import KEEP_RESOLVED
from alerting.durations import MINUTE
from alerting.inhibit import AFTERWARDS, InhibitRule, TopologyRule
from alerting.intervals import TimeInterval
from alerting.matchers import Matcher, MatchType, parse_matchers
from alerting.not_taken import NOT_TAKEN
from alerting.notify.apprise import AppriseConfig
from alerting.notify.email import EmailConfig
from alerting.notify.http_config import HttpConfig, TlsConfig
from alerting.notify.library import read_library
from alerting.notify.notification import Integration
from alerting.notify.pagerduty import EVENTS_URL, PagerdutyConfig
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.secret import LocalPath, SecretUrl, at_most_one
from alerting.notify.slack import SlackConfig
from alerting.notify.text import compile_texts
from alerting.notify.webhook import WebhookConfig
from alerting.regex import Regex
from alerting.routes import GROUP_INTERVAL, GROUP_WAIT, REPEAT_INTERVAL, Route
from alerting.rules import Duration
from alerting.yaml_file import YamlFile
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerting.notify.library import Library
    from alerting.notify.receiver import ReceiverConfig

MAX_ROUTE_DEPTH = 50


def _matchers(value: Any) -> tuple[Matcher, ...]:
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
    smtp_tls_config: TlsConfig | None = None
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


@dataclass(frozen=True, slots=True)
class AlertmanagerConfig:
    """A configuration ready for use."""

    root: Route
    integrations: Mapping[str, Sequence[Integration]]
    receivers: Mapping[str, ReceiverConfig]  # by id of the integration
    inhibit: tuple[InhibitRule, ...] = ()
    topology: tuple[TopologyRule, ...] = ()
    intervals: Mapping[str, Sequence[TimeInterval]] | None = None
    resolve_timeout: int = 5 * MINUTE
    original: str = ""
    templates: tuple[Path, ...] = ()  # as named, with wildcards
    library: Library = field(default_factory=dict)


def parse_config(text: str, name: str) -> AlertmanagerConfig:
    """A configuration file, checked as a whole, with the templates that it names. Relative paths begin at its folder.

    Raises:
        ConfigError: `file:line: field: reason`, a line for each error.
    """
    file = YamlFile(text, name)
    written = file.read(AlertmanagerFile, {"folder": Path(name).parent}, NOT_TAKEN)
    library = read_library(written.templates)
    problems: list[str] = []

    def wrong(path: Sequence[str | int], reason: str) -> None:
        problems.append(str(file.error(path, reason)))

    names = [receiver.name for receiver in written.receivers]
    for i, receiver in enumerate(names):
        if receiver in names[:i]:
            wrong(("receivers", i, "name"), f'receiver "{receiver}" is defined twice')
    intervals: dict[str, list[TimeInterval]] = {}
    for section in ("time_intervals", "mute_time_intervals"):
        for i, named in enumerate(getattr(written, section)):
            if named.name in intervals:
                wrong((section, i, "name"), f'time interval "{named.name}" is defined twice')
            intervals[named.name] = named.time_intervals
    _check_root(written.route, wrong)
    _check_routes(written.route, ("route",), frozenset(names), frozenset(intervals), wrong)
    integrations, receivers = _receivers(written, library, wrong)
    if problems:
        raise ConfigError("\n".join(problems))
    return AlertmanagerConfig(
        _route(written.route, Route(written.route.receiver, key="")),
        integrations,
        receivers,
        tuple(
            InhibitRule(
                _all(rule.source_match, rule.source_match_re, rule.source_matchers),
                _all(rule.target_match, rule.target_match_re, rule.target_matchers),
                tuple(rule.equal),
            )
            for rule in written.inhibit_rules
        ),
        tuple(
            TopologyRule(rule.culprit_matchers, rule.label, rule.target_matchers, rule.afterwards)
            for rule in written.topology_inhibit_rules
        ),
        intervals,
        written.settings.resolve_timeout,
        file.without(_secrets(written)),  # Alertmanager's API shows it to whoever asks
        tuple(written.templates),
        library,
    )


def _secrets(value: object) -> set[str]:
    match value:
        case SecretStr():
            return {value.get_secret_value()} - {""}
        case BaseModel():
            return set().union(*(_secrets(each) for _, each in value))
        case list() | tuple():
            return set().union(*map(_secrets, value))
    return set()


def _check_root(root: RouteConfig, wrong: Any) -> None:
    if not root.receiver:
        wrong(("route",), "the root route needs a receiver")
    if root.match or root.match_re or root.matchers:
        wrong(("route",), "the root route takes every alert and must not have matchers")
    if root.continues:
        wrong(("route", "continue"), "cannot have continue in the root route")
    if root.mute_time_intervals or root.active_time_intervals:
        wrong(("route",), "the root route must not have mute or active time intervals")


def _check_routes(
    route: RouteConfig, path: tuple[str | int, ...], receivers: frozenset[str], intervals: frozenset[str], wrong: Any
) -> None:
    if route.receiver and route.receiver not in receivers:
        wrong((*path, "receiver"), f'receiver "{route.receiver}" is not defined')
    for kind in ("mute_time_intervals", "active_time_intervals"):
        for name in getattr(route, kind):
            if name not in intervals:
                wrong((*path, kind), f'time interval "{name}" is not defined')
    for wait in ("group_interval", "repeat_interval"):
        if getattr(route, wait) == 0:
            wrong((*path, wait), f"{wait} cannot be zero")
    if len(path) > 2 * MAX_ROUTE_DEPTH:
        wrong(path, f"routes nested deeper than {MAX_ROUTE_DEPTH}")
        return
    for i, child in enumerate(route.routes):
        _check_routes(child, (*path, "routes", i), receivers, intervals, wrong)


def _all(match: Mapping[str, str], match_re: Mapping[str, str], matchers: tuple[Matcher, ...]) -> tuple[Matcher, ...]:
    old = [Matcher.of(name, MatchType.EQUAL, value) for name, value in match.items()]
    old += [Matcher.of(name, MatchType.REGEX, value) for name, value in match_re.items()]
    return tuple(sorted((*old, *matchers), key=lambda matcher: (matcher.name, matcher.value, matcher.type)))


def _route(written: RouteConfig, parent: Route) -> Route:
    matchers = _all(written.match, written.match_re, written.matchers)
    own = "{" + ",".join(map(str, matchers)) + "}"
    root = parent.key == ""
    route = Route(
        written.receiver or parent.receiver,
        matchers,
        parent.group_by if written.group_by is None else frozenset(written.group_by),
        _given(written.group_wait, GROUP_WAIT if root else parent.group_wait),
        _given(written.group_interval, GROUP_INTERVAL if root else parent.group_interval),
        _given(written.repeat_interval, REPEAT_INTERVAL if root else parent.repeat_interval),
        written.continues,
        tuple(written.mute_time_intervals),
        tuple(written.active_time_intervals),
        (),
        own if root else f"{parent.key}/{own}",
    )
    children = tuple(_route(child, route) for child in written.routes)
    return replace(route, routes=children)


def _given(value: int | None, default: int) -> int:
    return default if value is None else value


def _receivers(
    written: AlertmanagerFile, library: Library, wrong: Any
) -> tuple[dict[str, list[Integration]], dict[str, ReceiverConfig]]:
    settings = written.settings
    integrations: dict[str, list[Integration]] = {}
    configs: dict[str, ReceiverConfig] = {}
    for r, receiver in enumerate(written.receivers):
        ways: list[tuple[str, ReceiverConfig]] = [("webhook", config) for config in receiver.webhook_configs]
        ways += [
            ("pagerduty", config if config.url != EVENTS_URL else config.model_copy(update={"url": settings.pagerduty_url}))
            for config in receiver.pagerduty_configs
        ]
        ways += [("slack", _with_slack_url(config, settings)) for config in receiver.slack_configs]
        ways += [("email", _with_mail_server(config, settings)) for config in receiver.email_configs]
        ways += [("apprise", config) for config in receiver.apprise_configs]
        integrations[receiver.name] = []
        for i, (kind, config) in enumerate(ways):
            place = ("receivers", r, f"{kind}_configs")
            integration = Integration(receiver.name, kind, i, config.send_resolved)
            integrations[receiver.name].append(integration)
            configs[integration.id] = _with_client(config, settings)
            if isinstance(config, SlackConfig) and not config.api_url.get_secret_value() and config.api_url_file is None:
                wrong(place, "no api_url here and no slack_api_url under global")
            if isinstance(config, EmailConfig) and not (config.smarthost.rpartition(":")[2].isdigit() and config.sender):
                wrong(place, "needs smarthost (host:port) and from, here or under global")
            try:
                compile_texts(config.texts(), "", library)
            except ConfigError as error:
                wrong(place, str(error))
    return integrations, configs


def _with_client(config: ReceiverConfig, settings: GlobalConfig) -> ReceiverConfig:
    if isinstance(config, HttpReceiverConfig) and config.http_config is None:
        return config.model_copy(update={"http_config": settings.http_config})
    return config


def _with_slack_url(config: SlackConfig, settings: GlobalConfig) -> SlackConfig:
    if config.api_url.get_secret_value() or config.api_url_file is not None:
        return config
    return config.model_copy(update={"api_url": settings.slack_api_url, "api_url_file": settings.slack_api_url_file})


def _with_mail_server(config: EmailConfig, settings: GlobalConfig) -> EmailConfig:
    own_password = config.auth_password.get_secret_value() or config.auth_password_file is not None
    defaults = {
        "sender": config.sender or settings.smtp_from,
        "smarthost": config.smarthost or settings.smtp_smarthost,
        "hello": config.hello if config.hello != "localhost" else settings.smtp_hello,
        "auth_username": config.auth_username or settings.smtp_auth_username,
        "auth_password": config.auth_password if own_password else settings.smtp_auth_password,
        "auth_password_file": config.auth_password_file if own_password else settings.smtp_auth_password_file,
        "tls_config": config.tls_config or settings.smtp_tls_config,
        "require_tls": settings.smtp_require_tls if config.require_tls is None else config.require_tls,
    }
    return config.model_copy(update=defaults)
