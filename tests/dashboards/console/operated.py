"""A whole Spanloom with alerts that fire, a repair that waits for a person, and two people who log in."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2

from components.access.tokens import new_token, token_hash
from durable_log.log import DurableLog
from durable_log.partition import TopicSettings
from telemetry import otlp
from tests.generated import trace
from tests.system.exactness import QUICK
from tests.system.processes import Up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

SECONDS = 120.0
"""Until what must happen has happened; on two cores with much other work a start took 30 s."""

TRACES = 100

RULES = """
groups:
- name: shop
  interval: 1s
  rules:
  - alert: PaymentFailing
    expr: vector(0.4) > 0.2
    labels: {service: payment, severity: critical}
    annotations: {summary: payment fails, runbook_url: "https://runbooks.example/payment"}
  - alert: CartSlow
    expr: vector(3) > 1
    labels: {service: cart, severity: warning}
    annotations: {summary: cart answers slowly}
"""

PLAYBOOKS = """
playbooks:
- name: restart-the-culprit
  trigger: {alert: ['service="payment"']}
  approve: {human: 10m}
  cooldown: 1m
  steps:
  - {name: take-out, phase: isolate, action: runbook, with: {url: 'http://localhost/$service'}, timeout: 5s, inverse: none}
  verify: {expr: 'absent(vector(1))', for: 1s, within: 2s}
"""
"""What it verifies never holds, so that it ends with its target isolated: that is released by hand."""


@dataclass(frozen=True, slots=True)
class Operated:
    """The running process, and the tokens of `ann`, an operator, and `vic`, a viewer."""

    up: Up
    tokens: dict[str, str]

    @property
    def url(self) -> str:
        """Of the console's pages."""
        return f"{self.up.console}"

    def get(self, path: str, **params: str) -> Any:
        """What the API answers to ann."""
        headers = {"authorization": f"Bearer {self.tokens['ann']}"}
        answer = httpx2.get(f"{self.up.console}{path}", params=params, headers=headers, timeout=60)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def push(self, document: str) -> None:
        """Release policies, as ann."""
        headers = {"authorization": f"Bearer {self.tokens['ann']}"}
        httpx2.post(f"{self.up.console}/api/v1/policies", content=document, headers=headers, timeout=90).raise_for_status()

    def noted(self, event: str) -> list[dict[str, Any]]:
        """Records of the audit trail."""
        found: list[dict[str, Any]] = self.get("/api/v1/find", kind="audit", where=f"event:{event}", limit="100")
        return found

    def log_in(self, browser: Chrome, who: str) -> None:
        """Let this person look."""
        browser.get(f"{self.up.console}/healthz")  # the page that is open asks no more
        browser.delete_all_cookies()
        browser.get(f"{self.up.console}/login?token={self.tokens[who]}&next=/healthz")


@contextmanager
def operated(folder: Path) -> Iterator[Operated]:
    """Start it, and wait until the repair of payment waits for an approval."""
    asyncio.run(_put_an_unreadable_record(folder / "data" / "log"))
    (folder / "rules.yml").write_text(RULES)
    (folder / "playbooks.yml").write_text(PLAYBOOKS)
    tokens = {"ann": new_token(), "vic": new_token()}
    roles = {"ann": "operator", "vic": "viewer"}
    access = [{"name": name, "role": roles[name], "hash": token_hash(token)} for name, token in tokens.items()]
    up = Up(
        folder,
        SPANLOOM_ACCESS__TOKENS=json.dumps(access),
        SPANLOOM_ALERTING__RULES=json.dumps([f"{folder}/rules.yml"]),
        SPANLOOM_ALERTING__PLAYBOOKS=json.dumps([f"{folder}/playbooks.yml"]),
        **QUICK,
    )
    up.start()
    try:
        up.wait_ready(SECONDS)
        _send(up.otlp)
        process = Operated(up, tokens)
        wait(lambda: bool(process.get("/api/v1/healing")["incidents"]), "no incident opened")
        yield process
    finally:
        up.stop()


async def _put_an_unreadable_record(directory: Path) -> None:
    """It becomes a dead letter."""
    log = DurableLog(directory, time.monotonic_ns)
    log.create_topic("otlp_spans", TopicSettings(4))
    await log.append("otlp_spans", 3, None, b"\xff\xff")
    log.close()


def _send(otlp_url: str) -> None:
    """Calls of the last minute: a repair must know how many instances its service has."""
    chance, now = random.Random(1), time.time_ns()  # noqa: TID251  telemetry of now
    spans = [span for i in range(TRACES) for span in trace(chance, now - (TRACES - i) * 500_000_000)]
    headers = {"content-type": "application/x-protobuf"}
    answer = httpx2.post(f"{otlp_url}/v1/traces", content=otlp.encode_spans(spans), headers=headers, timeout=60)
    assert answer.is_success, answer.text


def wait(holds: Callable[[], bool], otherwise: str) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.2)
