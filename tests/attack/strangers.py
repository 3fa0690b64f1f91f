"""What strangers, and operators who are no admins, say of a healthy service: it starts no repair by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.attack.line import Line, must
from tests.attack.target import JSON, PROTOBUF
from tests.system.test_trust import EVIL, FROM_ELSEWHERE, a_trace, supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.attack.bench import Bench
    from tests.attack.target import Product

POSTED = json.dumps([{"labels": {"alertname": "ServiceCulprit", "service": "pay", "severity": "critical"}}]).encode()
SECONDS = 240.0


def a_posted_alert_and_a_rule_over_http_repair_nothing_by_themselves(bench: Bench) -> str:
    """ServiceCulprit of a healthy service, posted as an alert and by a rule over HTTP, with the default playbook."""
    with supervisor() as (url, asked), bench.product(settings={"SUPERVISOR_URL": url}) as own:
        posted = own.post("/api/v2/alerts", POSTED, JSON, headers=own.authorised).status
        rule = own.post("/api/v1/rules/evil", EVIL.encode(), "application/yaml", headers=own.authorised).status
        must((posted, rule) == (200, 202), f"the alert was answered {posted}, the rule {rule}")
        waiting = _waiting(own, {})
        must({each["service"] for each in waiting} == {"cart"}, f"a posted alert has an incident: {waiting}")
        must("pay" in own.get("/api/v2/alerts", headers=own.authorised).text, "the posted alert is not shown")
        why = _why(own)
        must(asked == [], f"the supervisor was asked for {asked}")
    must("namespace evil" in why and "alerting.safety.automatic_for" in why, f"why a human is asked is not said: {why}")
    return f"the rule's waits: {why}; the posted one has no incident"


def telemetry_of_nobody_known_repairs_nothing_by_itself(bench: Bench) -> str:
    """Telemetry from another machine without a token, and a rule of a file that blames a healthy service."""
    rules = bench.folder() / "rules.yml"
    rules.write_text("groups:\n- " + EVIL.strip().replace("\n", "\n  "))
    settings = {"ALERTING__RULES": json.dumps([str(rules)])}
    with supervisor() as (url, asked), bench.product(settings={"SUPERVISOR_URL": url, **settings}) as own:
        _waiting(own, FROM_ELSEWHERE)
        why = _why(own)
        must(asked == [], f"the supervisor was asked for {asked}")
    must("anonymous" in why and "alerting.safety.automatic_for" in why, f"why a human is asked is not said: {why}")
    return f"it waits: {why}"


def _waiting(own: Product, headers: Mapping[str, str]) -> list[dict[str, Any]]:
    """Incidents, once one waits for a human, while telemetry goes on."""

    def incidents() -> list[dict[str, Any]]:
        for _ in range(5):
            status = own.post("/v1/traces", a_trace(), PROTOBUF, own.http, headers).status
            must(status == 200, f"telemetry was answered {status}")
        found = own.find("incident")
        acting = [each for each in found if each["state"] != "approving"]
        must(not acting, f"it acts: {acting}")
        return found

    found: list[dict[str, Any]] = own.wait_for(incidents, SECONDS, "no incident waits for a human")
    return found


def _why(own: Product) -> str:
    """The reason on record for asking a human."""
    records = own.wait_for(
        lambda: [each for each in own.find("audit") if each["event"] == "approval-requested"], 60, "it is not on record"
    )
    return str(records[-1]["data"]["why"])


LINES = (
    Line("strangers", a_posted_alert_and_a_rule_over_http_repair_nothing_by_themselves),
    Line("strangers", telemetry_of_nobody_known_repairs_nothing_by_itself),
)
