"""The same alerts and the same configuration file, sent by a real Alertmanager and by us: the requests are compared.

Skipped where there is no Alertmanager; of an old one, the receivers that it does not have yet.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from alerting.alert_state import fingerprint
from alerting.alertmanager.config import parse_config
from alerting.alerts import StoredAlert
from alerting.notify.build import build_notifiers
from alerting.notify.notification import Notification
from components.durations import MINUTE, SECOND
from spanloom.components import NOTIFIERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BINARY = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not BINARY, reason="no alertmanager on the PATH (Debian: prometheus-alertmanager)"),
]
START = 1_700_000_000 * SECOND
URL = "http://spanloom.test"
RECEIVERS: dict[str, dict[str, Any]] = {
    "webhook": {"url": "{base}/webhook"},
    "pagerduty": {
        "routing_key": "key",
        "url": "{base}/pagerduty",
        "severity": "{{ .CommonLabels.severity }}",
        "source": "here",
        "class": "c",
        "component": "{{ .Receiver }}",
        "group": "g",
        "client": "am",
        "client_url": "u",
        "details": {"extra": '{{ "ab-cd eF" | title }}', "num_firing": "none"},
    },
    "slack": {
        "api_url": "{base}/slack",
        "channel": "#c",
        "send_resolved": True,
        "title": '{{ template "slack.default.title" . }}',
        "text": "{{ range .Alerts }}{{ .Labels.service }}={{ .Status }} {{ end }}",
        "username": "u",
        "title_link": "l",
        "fallback": "f",
        "fields": [{"title": "t", "value": "{{ .Status }}"}],
        "actions": [
            {"type": "button", "text": "x", "url": "http://u"},
            {"type": "button", "text": "y", "name": "n", "confirm": {"text": "sure of {{ .Status }}?", "ok_text": "o"}},
        ],
    },
    "opsgenie": {
        "api_url": "{base}/opsgenie",
        "api_key": "key",
        "source": "s",
        "tags": "a,b,{{ .Status }}",
        "note": "n",
        "priority": "P1",
        "entity": "e",
        "actions": "x, y",
        "details": {"d": "{{ .Status }}"},
        "update_alerts": True,
        "responders": [
            {"name": "one", "type": "team"},
            {"name": "a,b", "type": "teams"},
            {"username": "{{ .CommonLabels.none }}", "type": "user"},
        ],
    },
    "victorops": {
        "api_url": "{base}/victorops",
        "api_key": "key",
        "routing_key": "team {{ .GroupLabels.alertname }}",
        "message_type": "WARNING",
        "monitoring_tool": "m",
        "custom_fields": {"c": "{{ .Status }}"},
    },
    "telegram": {"api_url": "{base}", "bot_token": "1:token", "chat_id": -100, "disable_notifications": True},
    "sns": {
        "api_url": "{base}/sns",
        "topic_arn": "arn:aws:sns:us-east-2:1:alerts.fifo",
        "sigv4": {"region": "us-east-2", "access_key": "AKIDEXAMPLE", "secret_key": "secret"},
        "attributes": {"severity": "{{ .CommonLabels.severity }}"},
    },
    "discord": {"webhook_url": "{base}/discord"},
    "webex": {
        "api_url": "{base}/webex",
        "room_id": "room",
        "http_config": {"authorization": {"credentials": "bot"}},
    },
    "wechat": {
        "api_url": "{base}/wechat/",
        "api_secret": "secret",
        "corp_id": "corp",
        "to_user": "@all",
        "agent_id": "{{ .Status }}",
        "send_resolved": True,
        "message": '{{ template "wechat.default.message" . }}',
    },
    "msteams": {"webhook_url": "{base}/msteams"},
    "msteamsv2": {"webhook_url": "{base}/msteamsv2"},
    "jira": {
        "api_url": "{base}/rest/api/2",
        "project": "OPS",
        "issue_type": "Bug",
        "labels": ["x", "{{ .CommonLabels.severity }}"],
        "resolve_transition": "Done",
        "fields": {"customfield_1": {"id": 5}, "text": "5"},
    },
    "rocketchat": {
        "api_url": "{base}/rocketchat",
        "channel": "#alerts",
        "token": "token",
        "token_id": "id",
        "send_resolved": True,
        "title_link": "l",
        "fields": [{"title": "t", "value": "{{ .Status }}"}],
        "actions": [{"type": "button", "text": "x", "url": "http://u"}],
    },
}
SINCE = {"msteams": (0, 26), "jira": (0, 28), "msteamsv2": (0, 28), "rocketchat": (0, 28)}
ANSWER = {
    "success": True,
    "ok": True,
    "result": {"message_id": 1, "chat": {"id": 1}},
    "errcode": 0,
    "access_token": "token",
    "total": 1,
    "transitions": [{"id": "7", "name": "Done"}],
    "issues": [{"key": "OPS-1", "fields": {"status": {"name": "Open", "statusCategory": {"key": "new"}}}}],
}
SAID = {
    "sns": b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>",
    "slack": b"ok",
}
QUIET = 2.5
"""Seconds without a request after which Alertmanager has said all, which looks at a group each second."""

HEADERS = ("authorization", "x-auth-token", "x-user-id", "accept-language")
"""Those that are compared."""

# What is meant to differ: PagerDuty's resolution is its key alone, and its events have a time, and links to the alerts.
# Telegram's booleans and numbers are no texts here. Jira's search has none of the empty fields that Jira Cloud does not know
# any more, and none of what is done is searched for what is over. A message card has `@type`, as Microsoft documents it.


def alerts(*, resolved: bool) -> list[StoredAlert]:
    made = []
    for i, (service, job) in enumerate((("b<&'+\">", ""), ("a", "z"), ("c", "y"))):
        labels = {"alertname": "Slow", "service": service, "severity": "critical"} | ({"job": job} if job else {})
        if i == 1:
            labels["extra"] = "1"
        ends = START + MINUTE if resolved or i == 2 else 0
        notes = {"summary": f"{service} is slow", "description": "d"}
        made.append(StoredAlert(labels, notes, START + i, ends, START, f"http://x/{i}", fingerprint(labels)))
    return made


Request = tuple[str, str, dict[str, str], Any]
"""Method, path with query, headers, content."""


class Place:
    """Where requests arrive."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.base = ""
        self.came = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Place]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:] if line}
            content = await reader.readexactly(int(headers.get("content-length", 0)))
            method, path, _ = lines[0].split()
            self.requests.append((method, path, {name: headers[name] for name in HEADERS if name in headers}, read(content)))
            body = SAID.get(path.split("/")[1], json.dumps(ANSWER).encode())
            writer.write(b"HTTP/1.1 200 x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
            await writer.drain()
            writer.close()
            self.came.set()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            self.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self

    async def hears_more(self, seconds: float) -> bool:
        """Whether a request comes within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self.came.wait()
        except TimeoutError:
            return False
        self.came.clear()
        return True

    def taken(self) -> list[Request]:
        found, self.requests = self.requests, []
        return found


def read(content: bytes) -> Any:
    if content[:1] == b"{":
        return json.loads(content)
    return dict(parse_qsl(content.decode()))


def file(kind: str, base: str) -> str:
    settings = json.dumps(RECEIVERS[kind]).replace("{base}", base)
    return json.dumps(
        {
            "route": {"receiver": "team", "group_by": ["alertname"], "group_wait": "1s", "group_interval": "1s"},
            "receivers": [{"name": "team", f"{kind}_configs": [json.loads(settings)]}],
        }
    )


def version() -> tuple[int, int]:
    said = subprocess.run([str(BINARY), "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"version (\d+)\.(\d+)", said.stdout + said.stderr)
    return (int(found[1]), int(found[2])) if found else (99, 0)  # one that `go install` made does not say


async def theirs(kind: str, place: Place, folder: Path, counts: tuple[int, int]) -> tuple[list[Request], list[Request]]:
    """What Alertmanager sends when alerts fire, one of them over already, and when all are over."""
    (folder / "am.yml").write_text(file(kind, place.base))
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        str(BINARY), f"--config.file={folder / 'am.yml'}", f"--storage.path={folder}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", f"--web.external-url={URL}",
        "--web.route-prefix=/", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            async with asyncio.timeout(30):
                while not await _listens(client):  # noqa: ASYNC110  # another process has no event to await
                    await asyncio.sleep(0.1)
            both = []
            for resolved, count in zip((False, True), counts, strict=True):
                posted = [await client.post("/api/v2/alerts", json=[_postable(one) for one in alerts(resolved=resolved)])]
                assert posted[0].is_success, posted[0].text
                found: list[Request] = []
                async with asyncio.timeout(30):
                    while len(found) < count:
                        await place.came.wait()
                        place.came.clear()
                        found += place.taken()
                # Of alerts that began long ago it notifies while it still reads what was posted, and once more after
                # `group_interval`: the last one counts, behind which nothing comes. A token is asked for once.
                while await place.hears_more(QUIET):
                    found += place.taken()
                token = [each for each in found if "/gettoken" in each[1]]
                sent = [each for each in found if each not in token]
                both.append(token + sent[len(token) - count :])
            return both[0], both[1]
    finally:
        process.terminate()
        await process.wait()


async def _listens(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/-/ready")).is_success
    except httpx2.HTTPError:
        return False


def _postable(alert: StoredAlert) -> dict[str, object]:
    def text(time: int) -> str:
        return f"{_iso(time // SECOND)}.{time % SECOND:09d}Z"

    ends = {"endsAt": text(alert.ends_at)} if alert.ends_at else {"endsAt": "2099-01-01T00:00:00Z"}
    return {
        "labels": alert.labels, "annotations": alert.annotations, "startsAt": text(alert.starts_at),
        "generatorURL": alert.generator_url, **ends,
    }  # fmt: skip


def _iso(seconds: int) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415  # here alone

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


async def ours(kind: str, place: Place) -> tuple[list[Request], list[Request]]:
    config = parse_config(file(kind, place.base), "am.yml", NOTIFIERS)
    (integration,) = config.integrations["team"]
    both = []
    async with httpx2.AsyncClient(trust_env=False) as client:
        (notifier,) = build_notifiers(NOTIFIERS, config.receivers, client, URL).values()
        for resolved in (False, True):
            every = alerts(resolved=resolved)
            firing = tuple(one for one in every if not one.ends_at)
            over = tuple(one for one in every if one.ends_at)
            key = '{}:{alertname="Slow"}'
            await notifier.send(Notification(integration, key, {"alertname": "Slow"}, firing, over, START, MINUTE))
            both.append(place.taken())
        await notifier.close()
    return both[0], both[1]


def comparable(kind: str, request: Request) -> Request:
    """Without what is meant to differ, and what is another each time."""
    method, path, headers, content = request
    if kind == "sns":
        headers = {name: value.partition("/")[0] for name, value in headers.items()}
        path = path.rstrip("/")
    if isinstance(content, dict):
        content = ADAPT.get(kind, dict)(content)
        text = json.dumps(content, sort_keys=True).replace(f"{URL}/#/alerts?receiver=team", URL)
        content = json.loads(re.sub(r"Alertmanager(?!Url)", "Spanloom", text))
    parts = urlsplit(path)
    return method, f"{parts.path}?{sorted(parse_qsl(parts.query))}", headers, content


def _telegram(content: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value).lower() if name != "text" else value for name, value in content.items()}


def _jira(content: dict[str, Any]) -> dict[str, Any]:
    content = {name: value for name, value in content.items() if name not in {"expand", "startAt"}}
    if "jql" in content:
        content["jql"] = content["jql"].replace("statusCategory != Done and ", "")
    return content


def _pagerduty(content: dict[str, Any]) -> dict[str, Any]:
    if content["event_action"] == "resolve":
        return {name: content[name] for name in ("routing_key", "event_action", "dedup_key")}
    payload = {name: value for name, value in content["payload"].items() if name != "timestamp"}
    return {name: value for name, value in content.items() if name not in {"images", "links"}} | {"payload": payload}


def _slack(content: dict[str, Any]) -> dict[str, Any]:
    (attachment,) = content["attachments"]
    return content | {"attachments": [{name: value for name, value in attachment.items() if value != ""}]}


def _webhook(content: dict[str, Any]) -> dict[str, Any]:
    for alert in content["alerts"]:
        alert["startsAt"] = re.sub(r"\.(\d*?)0*Z", r".\1Z", alert["startsAt"]).replace(".Z", "Z")
        alert["endsAt"] = alert["endsAt"][:19] if alert["status"] == "resolved" else ""
    return content


def _wechat(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if value != {"content": ""}}


def _msteams(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in {"type", "@type"}}


ADAPT = {
    "telegram": _telegram,
    "jira": _jira,
    "pagerduty": _pagerduty,
    "slack": _slack,
    "webhook": _webhook,
    "wechat": _wechat,
    "msteams": _msteams,
}


@pytest.mark.parametrize("kind", RECEIVERS)
async def test_we_send_what_alertmanager_sends(kind: str, tmp_path: Path) -> None:
    if version() < SINCE.get(kind, (0, 0)):
        pytest.skip(f"this Alertmanager has no {kind}_configs")
    async with Place().open() as place:
        our_firing, our_resolved = await ours(kind, place)
        their_firing, their_resolved = await theirs(kind, place, tmp_path, (len(our_firing), len(our_resolved)))
    for mine, real in ((our_firing, their_firing), (our_resolved, their_resolved)):
        assert [comparable(kind, each) for each in mine] == [comparable(kind, each) for each in real]
