"""Every component that Spanloom has, one line each: `module:NAME` of its declaration.

A new one is a file with its declaration, and a line here. Its section of the configuration, the defaults, the reference page
(docs/reference/components.md) and the contract suites (tests/contracts) follow from these lists; see CONTRIBUTING.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from components.component import Component, ComponentKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerting.notify.build import NotifierComponent
    from alerting.playbooks.actions.action import ActionComponent, RunnerComponent
    from collectors.receiver import ReceiverComponent
    from components.component import AnyComponent
    from processors.detectors.detector import DetectorComponent
    from stores.component import StoreComponent


def _declared(kind: ComponentKind, *places: str) -> tuple[Any, ...]:
    """The declarations at these places.

    Raises:
        TypeError: there is none of this kind at a place, or two have one name.
    """
    found: list[AnyComponent] = []
    for place in places:
        module, _, name = place.partition(":")
        component = getattr(import_module(module), name, None)
        if not isinstance(component, Component) or component.kind is not kind:
            raise TypeError(f"{__name__}: {place} is no {kind} component")
        if component.name in {one.name for one in found}:
            raise TypeError(f"{__name__}: {place}: another {kind} has the name {component.name!r}")
        found.append(component)
    return tuple(found)


RECEIVERS: tuple[ReceiverComponent, ...] = _declared(
    ComponentKind.RECEIVER,
    "collectors.receivers.otlp_grpc:OTLP_GRPC",
    "collectors.receivers.otlp_http:OTLP_HTTP",
)
DETECTORS: tuple[DetectorComponent, ...] = _declared(
    ComponentKind.DETECTOR,
    "processors.detectors.series:SERIES",
    "processors.detectors.error_rate:ERROR_RATE",
    "processors.detectors.trace_shapes:TRACE_SHAPES",
    "processors.detectors.logs:LOGS",
    "processors.detectors.whole_trace.detector:WHOLE_TRACES",
)
NOTIFIERS: tuple[NotifierComponent, ...] = _declared(
    ComponentKind.NOTIFIER,  # a new one at the end: the order numbers the integrations of a receiver, by which state knows them
    "alerting.notify.webhook:WEBHOOK",
    "alerting.notify.pagerduty:PAGERDUTY",
    "alerting.notify.slack:SLACK",
    "alerting.notify.email:EMAIL",
    "alerting.notify.apprise:APPRISE",
    "alerting.notify.opsgenie:OPSGENIE",
    "alerting.notify.victorops:VICTOROPS",
    "alerting.notify.pushover:PUSHOVER",
    "alerting.notify.sns:SNS",
    "alerting.notify.telegram:TELEGRAM",
    "alerting.notify.msteams:MSTEAMS",
    "alerting.notify.msteamsv2:MSTEAMSV2",
    "alerting.notify.discord:DISCORD",
    "alerting.notify.webex:WEBEX",
    "alerting.notify.wechat:WECHAT",
    "alerting.notify.jira:JIRA",
    "alerting.notify.mattermost:MATTERMOST",
    "alerting.notify.rocketchat:ROCKETCHAT",
    "alerting.notify.incidentio:INCIDENTIO",
)
ACTIONS: tuple[ActionComponent, ...] = _declared(
    ComponentKind.ACTION,
    "alerting.playbooks.actions.process:RESTART",
    "alerting.playbooks.actions.process:ISOLATE",
    "alerting.playbooks.actions.process:RESTORE",
    "alerting.playbooks.actions.scale:SCALE",
    "alerting.playbooks.actions.http:HTTP",
    "alerting.playbooks.actions.command:COMMAND",
    "alerting.playbooks.actions.runbook:RUNBOOK",
    "alerting.playbooks.actions.steer:ROUTE_WEIGHTS",
    "alerting.playbooks.actions.steer:RATE_LIMIT",
    "alerting.playbooks.actions.steer:MIGRATE",
    "alerting.playbooks.actions.steer:CONFIG_ROLLBACK",
)
RUNNERS: tuple[RunnerComponent, ...] = _declared(
    ComponentKind.RUNNER,
    "alerting.playbooks.actions.supervisor:SUPERVISOR",
    "alerting.playbooks.actions.systemd:SYSTEMD",
    "alerting.playbooks.actions.docker:DOCKER",
    "alerting.playbooks.actions.kubernetes:KUBERNETES",
)
STORES: tuple[StoreComponent, ...] = _declared(
    ComponentKind.STORE,
    "stores.duckdb.component:DUCKDB",
    "stores.elasticsearch.component:ELASTICSEARCH",
)

SECTIONS = {
    ComponentKind.RECEIVER: "{name}",
    ComponentKind.DETECTOR: "score.{name}",
    ComponentKind.NOTIFIER: "receivers[].{name}_configs[] of the file that alerting.receivers names",
    ComponentKind.ACTION: "alerting.actions.{name}",
    ComponentKind.RUNNER: "alerting.actions.{name}",
    ComponentKind.STORE: "{name}",
}
"""Where components of a kind are configured."""


def components() -> Iterator[AnyComponent]:
    """All of them, kind by kind."""
    for listed in (RECEIVERS, DETECTORS, NOTIFIERS, ACTIONS, RUNNERS, STORES):
        yield from listed
