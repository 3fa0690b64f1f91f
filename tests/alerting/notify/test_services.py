"""What the receivers of other services do beside sending one message: keys, updates, limits, tokens, errors.

That each sends what Alertmanager sends is in tests/interop/test_receivers_of_alertmanager.py.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import httpx2
import pytest
from pydantic import SecretStr

from alerting.alertmanager.config import parse_config
from alerting.notify.aws import Credentials, Identity, SigV4Config, sign
from alerting.notify.build import build_notifiers
from alerting.notify.http import Poster
from alerting.notify.notification import DeliveryError
from alerting.notify.pagerduty import Pagerduty, PagerdutyConfig
from alerting.notify.text import compile_texts
from components.durations import HOUR, SECOND
from spanloom.components import NOTIFIERS
from telemetry.errors import ConfigError
from tests.alerting.notify.service import Service
from tests.alerting.notify.test_receivers import FIRING, RESOLVED, START, alert, notification

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from alerting.notify.notification import Notifier

HASH = "cad65463d11e13d83ed22ad561d73269e67fe33734367787065cd4e397bf771c"
"""SHA-256 of the group's key."""


@asynccontextmanager
async def notifier(
    kind: str, settings: dict[str, Any], now: Callable[[], int] | None = None, **overall: Any
) -> AsyncIterator[Notifier]:
    file = {"global": overall, "route": {"receiver": "a"}, "receivers": [{"name": "a", f"{kind}_configs": [settings]}]}
    config = parse_config(json.dumps(file), "am.yml", NOTIFIERS)
    async with httpx2.AsyncClient(trust_env=False) as client:
        (made,) = build_notifiers(NOTIFIERS, config.receivers, client, "http://spanloom", now=now).values()
        try:
            yield made
        finally:
            await made.close()


async def test_opsgenie_closes_under_the_alias_by_which_it_created_with_the_global_key_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("key-1\n")
    async with Service().open() as service:
        overall: dict[str, Any] = {"opsgenie_api_url": service.base, "opsgenie_api_key_file": str(tmp_path / "key")}
        async with notifier("opsgenie", {}, **overall) as made:
            await made.send(FIRING)
            await made.send(RESOLVED)
    assert service.lines == ["POST /v2/alerts", f"POST /v2/alerts/{HASH}/close?identifierType=alias"]
    (_, _, headers, created), (_, _, _, closed) = service.requests
    assert headers["authorization"] == "GenieKey key-1"
    assert (created["alias"], created["message"]) == (HASH, "[FIRING:2] Slow (critical)")
    assert created["details"] == {"alertname": "Slow", "severity": "critical"}
    assert closed == {"source": "http://spanloom"}


async def test_opsgenie_updates_what_is_there_where_it_is_asked_to_and_cuts_long_messages() -> None:
    async with Service().open() as service:
        settings = {"api_key": "k", "api_url": service.base, "update_alerts": True, "message": "ä" * 131, "tags": "a,,b"}
        async with notifier("opsgenie", settings) as made:
            await made.send(FIRING)
    assert service.lines[1:] == [f"PUT /v2/alerts/{HASH}/{field}?identifierType=alias" for field in ("message", "description")]
    assert service.requests[1][3] == {"message": "ä" * 129 + "…"}
    assert service.requests[0][3]["tags"] == ["a", "b"]


async def test_victorops_recovers_the_entity() -> None:
    async with Service().open() as service:
        settings = {"api_key": "key", "routing_key": "a b/c", "message_type": "odd", "api_url": f"{service.base}/alert"}
        async with notifier("victorops", settings) as made:
            await made.send(FIRING)
            await made.send(RESOLVED)
    assert service.lines == ["POST /alert/key/a%20b/c"] * 2
    assert [(body["entity_id"], body["message_type"]) for *_, body in service.requests] == [
        (HASH, "CRITICAL"),
        (HASH, "RECOVERY"),
    ]


async def test_pushover_gets_a_form_with_its_secrets_of_files_and_never_an_empty_message(tmp_path: Path) -> None:
    for name in ("user", "token"):
        (tmp_path / name).write_text(f"{name}-1\n")
    async with Service().open() as service:
        settings = {
            "user_key_file": str(tmp_path / "user"), "token_file": str(tmp_path / "token"), "message": " ", "html": True,
            "api_url": f"{service.base}/1/messages.json", "ttl": "90s",
        }  # fmt: skip
        async with notifier("pushover", settings) as made:
            await made.send(FIRING)
    ((_, path, headers, form),) = service.requests
    assert (path, headers["content-type"]) == ("/1/messages.json", "application/x-www-form-urlencoded")
    assert form == {
        "user": "user-1", "token": "token-1", "title": "[FIRING:2] Slow (critical)", "message": "(no details)", "priority": "2",
        "url": "http://spanloom", "retry": "60", "expire": "3600", "html": "1", "ttl": "90",
    }  # fmt: skip


async def test_telegram_gets_html_in_which_labels_are_escaped() -> None:
    async with Service().open() as service:
        settings = {"bot_token": "1:t", "chat_id": -5, "message": "<b>{{ .CommonLabels.service }}</b>", "api_url": service.base}
        async with notifier("telegram", settings) as made:
            await made.send(notification(alert("<a>")))
        async with notifier("telegram", settings | {"parse_mode": "", "message_thread_id": 7}) as made:
            await made.send(notification(alert("<a>")))
    (_, path, _, first), (*_, second) = service.requests
    assert path == "/bot1:t/sendMessage"
    assert first == {"chat_id": -5, "text": "<b>&lt;a&gt;</b>", "disable_web_page_preview": True, "parse_mode": "HTML"}
    assert second == {"chat_id": -5, "text": "<b><a></b>", "disable_web_page_preview": True, "message_thread_id": 7}


async def test_webex_cuts_a_message_at_its_bytes() -> None:
    async with Service().open() as service:
        http = {"authorization": {"credentials": "bot-token"}}
        settings = {"room_id": "r", "message": "ä" * 4000, "api_url": f"{service.base}/m", "http_config": http}
        async with notifier("webex", settings) as made:
            await made.send(FIRING)
    ((_, _, headers, body),) = service.requests
    assert headers["authorization"] == "Bearer bot-token"
    assert body == {"roomId": "r", "markdown": "ä" * 3718 + "…"}


async def test_wechat_uses_its_token_until_it_is_refused() -> None:
    async with Service().open() as service:
        settings = {"api_secret": "secret-1", "corp_id": "c", "to_user": "@all", "api_url": f"{service.base}/cgi-bin"}
        service.answers["/cgi-bin/gettoken"] = [{"access_token": "first-1"}, {"access_token": "second-2"}]
        service.answers["/cgi-bin/message/send"] = [{"errcode": 0}, {"errcode": 0}, {"errcode": 42001}, {"errcode": 0}]
        async with notifier("wechat", settings) as made:
            for _ in range(3):
                await made.send(FIRING)
            service.answers["/cgi-bin/message/send"] = {"errcode": 40003, "errmsg": "no such user"}
            with pytest.raises(DeliveryError, match="40003: no such user") as refused:
                await made.send(FIRING)
    assert not refused.value.retry
    tokens = [dict(parse_qsl(path.partition("?")[2])).get("access_token") for _, path, _, _ in service.requests]
    assert tokens == [None, "first-1", "first-1", "first-1", None, "second-2", "second-2"]


async def test_rocketchat_may_refuse_with_a_200() -> None:
    async with Service().open() as service:
        settings = {"token": "t1", "token_id": "i1", "channel": "#a", "api_url": service.base}
        service.answers["/api/v1/chat.postMessage"] = {"success": False, "error": "no channel"}
        async with notifier("rocketchat", settings) as made:
            with pytest.raises(DeliveryError, match="no channel") as refused:
                await made.send(FIRING)
    assert not refused.value.retry
    assert [service.requests[0][2][name] for name in ("x-auth-token", "x-user-id")] == ["t1", "i1"]


async def test_incidentio_gets_at_most_half_a_megabyte() -> None:
    async with Service().open() as service:
        settings = {"url": f"{service.base}/events", "alert_source_token": "token-1"}
        long = {"summary": "x" * 200_000}
        async with notifier("incidentio", settings) as made:
            await made.send(notification(*(alert(name, notes=long) for name in "abcd")))
    ((_, _, headers, body),) = service.requests
    assert headers["authorization"] == "Bearer token-1"
    assert (len(body["alerts"]), body["truncatedAlerts"], body["version"]) == (1, 3, "1")


def _issue(key: str, category: str) -> dict[str, Any]:
    return {"issues": [{"key": key, "fields": {"status": {"statusCategory": {"key": category}}}}]}


TRANSITIONS = {"transitions": [{"id": "11", "name": "Reopen"}, {"id": "21", "name": "Done"}]}


@pytest.mark.parametrize(
    ("found", "sent", "lines"),
    [
        ({"issues": []}, FIRING, ["POST /search", "POST /issue"]),
        ({"issues": []}, RESOLVED, ["POST /search"]),
        (_issue("OPS-1", "new"), FIRING, ["POST /search", "PUT /issue/OPS-1"]),
        (
            _issue("OPS-1", "done"),
            FIRING,
            ["POST /search", "PUT /issue/OPS-1", "GET /issue/OPS-1/transitions", "POST /issue/OPS-1/transitions"],
        ),
        (
            _issue("OPS-1", "new"),
            RESOLVED,
            ["POST /search", "PUT /issue/OPS-1", "GET /issue/OPS-1/transitions", "POST /issue/OPS-1/transitions"],
        ),
    ],
    ids=["created", "over before it was", "updated", "reopened", "resolved"],
)
async def test_jira_keeps_one_issue(found: dict[str, Any], sent: Any, lines: list[str]) -> None:
    async with Service().open() as service:
        service.answers = {"/search": found, "/issue/OPS-1/transitions": [TRANSITIONS, 204]}
        settings = {
            "api_url": service.base, "project": "OPS", "issue_type": "Bug", "fields": {"customfield_1": {"id": 5}},
            "reopen_transition": "Reopen", "reopen_duration": "90m", "resolve_transition": "Done", "labels": ["zz"],
        }  # fmt: skip
        async with notifier("jira", settings) as made:
            await made.send(sent)
    assert service.lines == lines
    status = "(resolutiondate is EMPTY OR resolutiondate >= -90m)" if sent is FIRING else "statusCategory != Done"
    assert service.requests[0][3]["jql"] == (
        f'{status} and project="OPS" and labels="ALERT{{{HASH}}}" order by status ASC,resolutiondate DESC'
    )
    if len(lines) > 1:
        fields = service.requests[1][3]["fields"]
        assert (fields["labels"], fields["priority"]) == ([f"ALERT{{{HASH}}}", "zz"], {"name": "High"})
        assert fields["customfield_1"] == {"id": 5}, "a number stays one"
    if len(lines) > 2:
        assert service.requests[3][3] == {"transition": {"id": "11" if sent is FIRING else "21"}}


async def test_jira_cloud_is_searched_as_it_wants_and_its_version_3_gets_a_document() -> None:
    async with Service().open() as service:
        settings = {"project": "OPS", "issue_type": "Bug", "api_type": "cloud", "description": "plain"}
        for version in ("2", "3"):
            async with notifier("jira", settings | {"api_url": f"{service.base}/rest/api/{version}/"}) as made:
                await made.send(FIRING)
    assert service.lines == [
        "POST /rest/api/3/search/jql", "POST /rest/api/2/issue", "POST /rest/api/3/search/jql", "POST /rest/api/3/issue",
    ]  # fmt: skip
    assert service.requests[1][3]["fields"]["description"] == "plain"
    document = service.requests[3][3]["fields"]["description"]
    assert (document["type"], document["content"][0]["content"][0]["text"]) == ("doc", "plain")


async def test_sns_signs_with_the_keys_of_a_role() -> None:
    answer = (
        "<AccessKeyId>ROLEKEY</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey><SessionToken>session-1</SessionToken>"
    )
    async with Service().open() as service, httpx2.AsyncClient(trust_env=False) as client:
        service.answers = {"/sts": answer.encode()}
        config = SigV4Config.model_validate({"region": "eu-west-1", "profile": "p", "role_arn": "arn:role"})
        environment = {"AWS_ENDPOINT_URL_STS": f"{service.base}/sts", "AWS_ACCESS_KEY_ID": "no"}
        identity = Identity(config, Poster(client, None), environment | {"AWS_SHARED_CREDENTIALS_FILE": "/none"})
        with pytest.raises(DeliveryError, match="no credentials"):
            await identity.credentials(START)
        environment |= {"AWS_SECRET_ACCESS_KEY": "env-secret-1"}
        identity = Identity(config.model_copy(update={"profile": ""}), Poster(client, None), environment)
        first = await identity.credentials(START)
        assert await identity.credentials(START + HOUR // 2) is first
        assert await identity.credentials(START + HOUR) is not first
    assert first == Credentials("ROLEKEY", "role-secret", "session-1", START + HOUR)
    assert len(service.requests) == 2
    _, _, headers, form = service.requests[0]
    assert (form["Action"], form["RoleArn"]) == ("AssumeRole", "arn:role")
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=no/20231114/eu-west-1/sts/aws4_request, ")


async def test_sns_takes_a_profile_of_the_files_and_the_token_of_a_pod(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[team]\naws_access_key_id = K\naws_secret_access_key = file-secret-1\n")
    (tmp_path / "config").write_text("[profile team]\nregion = eu-north-1\n")
    (tmp_path / "token").write_text("pod-token-1")
    files = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"), "AWS_CONFIG_FILE": str(tmp_path / "config")}
    async with Service().open() as service, httpx2.AsyncClient(trust_env=False) as client:
        identity = Identity(SigV4Config(profile="team"), Poster(client, None), files)
        assert identity.region == "eu-north-1"
        assert await identity.credentials(START) == Credentials("K", "file-secret-1")
        pod = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": "arn:pod", "AWS_REGION": "eu-west-1"}
        identity = Identity(SigV4Config(), Poster(client, None), {**pod, "AWS_ENDPOINT_URL_STS": service.base, "HOME": "/none"})
        with pytest.raises(DeliveryError, match="STS gave no credentials"):
            await identity.credentials(START)
    ((_, _, headers, form),) = service.requests
    assert "authorization" not in headers
    assert (form["Action"], form["WebIdentityToken"]) == ("AssumeRoleWithWebIdentity", "pod-token-1")


def test_a_signature_is_that_of_the_standard() -> None:
    """Spelled out from AWS's description, for one request."""
    body = urlencode({"Action": "Publish"}).encode()
    now = int(datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()) * SECOND
    keys = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    headers = sign("POST", "https://sns.us-east-1.amazonaws.com/", body, keys, "us-east-1", "sns", now)
    canonical = (
        "POST\n/\n\ncontent-type:application/x-www-form-urlencoded; charset=utf-8\nhost:sns.us-east-1.amazonaws.com\n"
        f"x-amz-date:20150830T123600Z\n\ncontent-type;host;x-amz-date\n{hashlib.sha256(body).hexdigest()}"
    )
    key = b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    for part in (b"20150830", b"us-east-1", b"sns", b"aws4_request"):
        key = hmac.digest(key, part, "sha256")
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/sns/aws4_request\n{hashed}"
    assert headers["Authorization"].endswith(f"Signature={hmac.digest(key, text.encode(), 'sha256').hex()}")


async def test_sns_says_what_it_cut_and_signs_by_the_clock() -> None:
    async with Service().open() as service:
        settings = {
            "api_url": f"{service.base}/", "phone_number": "+1", "message": "x" * 2000, "subject": "a\nb",
            "sigv4": {"region": "eu-west-1", "access_key": "K", "secret_key": "secret-key-1"},
        }  # fmt: skip
        async with notifier("sns", settings, now=lambda: START + HOUR) as made:
            await made.send(FIRING)
    ((_, _, headers, form),) = service.requests
    assert headers["x-amz-date"] == "20231114T231320Z"
    assert (form["PhoneNumber"], form["Subject"], len(form["Message"])) == ("+1", "a b", 1600)
    assert (form["MessageAttributes.entry.1.Name"], form["MessageAttributes.entry.1.Value.StringValue"]) == (
        "truncated",
        "true",
    )


async def test_a_template_replaces_the_default_of_all_receivers_of_a_kind(tmp_path: Path) -> None:
    (tmp_path / "t.tmpl").write_text('{{ define "discord.default.title" }}mine {{ .Status }}{{ end }}')
    async with Service().open() as service, httpx2.AsyncClient(trust_env=False) as client:
        receiver = f"{{name: a, discord_configs: [{{webhook_url: '{service.base}'}}]}}"
        text = f"templates: [t.tmpl]\nroute: {{receiver: a}}\nreceivers: [{receiver}]"
        config = parse_config(text, str(tmp_path / "am.yml"), NOTIFIERS)
        (made,) = build_notifiers(NOTIFIERS, config.receivers, client, "", config.library).values()
        await made.send(FIRING)
        await made.close()
    assert service.requests[0][3]["embeds"][0]["title"] == "mine firing"


async def test_an_integration_of_pagerdutys_first_api_has_its_events() -> None:
    config = PagerdutyConfig(service_key=SecretStr("service-1"), details={"extra": "e"}, client="am")
    async with Service().open() as service, httpx2.AsyncClient(trust_env=False) as client:
        pager = Pagerduty(config, client, compile_texts(config.texts(), "http://spanloom"), f"{service.base}/create_event.json")
        await pager.send(FIRING)
        await pager.send(RESOLVED)
        await pager.close()
    (_, path, _, trigger), (*_, resolve) = service.requests
    assert path == "/create_event.json"
    details = trigger.pop("details")
    assert (details["num_firing"], details["num_resolved"], details["extra"]) == ("2", "1", "e")
    assert trigger == {
        "service_key": "service-1", "incident_key": HASH, "event_type": "trigger", "client": "am",
        "client_url": "http://spanloom", "description": "[FIRING:2] Slow (critical)",
    }  # fmt: skip
    assert (resolve["event_type"], resolve["incident_key"], "client" in resolve) == ("resolve", HASH, False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("opsgenie_configs: [{}]", "no api_key here and no opsgenie_api_key under global"),
        ("victorops_configs: [{routing_key: r}]", "no victorops_api_key under global"),
        ("telegram_configs: [{chat_id: 1}]", "one of bot_token and bot_token_file is needed"),
        ("webex_configs: [{room_id: r}]", "no http_config.authorization"),
        ("jira_configs: [{project: P, issue_type: B}]", "no jira_api_url under global"),
        ("rocketchat_configs: [{token: t}]", "no token_id here"),
        ("incidentio_configs: [{url: 'http://x'}]", "no alert_source_token"),
        ("msteamsv2_configs: [{}]", "one of webhook_url and webhook_url_file is needed"),
        ("sns_configs: [{topic_arn: t, phone_number: p}]", "exactly one of topic_arn"),
    ],
)
def test_what_is_missing_is_said_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        parse_config(f"route: {{receiver: a}}\nreceivers:\n- name: a\n  {text}\n", "am.yml", NOTIFIERS)
    assert str(caught.value).startswith("am.yml:4:")


def test_alerts_stand_in_alertmanagers_order() -> None:
    made = [
        replace(alert(name), labels=labels)
        for name, labels in (
            ("1", {"job": "a", "instance": "1", "z": "1"}),
            ("2", {"job": "a", "instance": "2"}),
            ("3", {"job": "a"}),
            ("4", {"job": "b", "instance": "0"}),
            ("5", {"instance": "9"}),
            ("6", {"b": "1"}),
            ("7", {"a": "2"}),
            ("8", {"a": "1", "b": "1"}),
        )
    ]
    over = tuple(replace(one, ends_at=START) for one in made[1::2])
    sent = notification(*reversed(made[::2]), resolved=over)
    assert [one.labels for one in sent.alerts] == [one.labels for one in made]
