"""Whatever secret is configured in whatever field of a receiver, no output of a run with failing receivers shows it."""

from __future__ import annotations

import contextlib
import logging
import string
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerting.alertmanager.config import parse_config
from alerting.alerts import StoredAlert
from alerting.notify.build import build_notifiers
from alerting.notify.notification import DeliveryError, Integration, Notification
from components.secrets import SECRETS
from spanloom.components import NOTIFIERS
from spanloom.logging import Masking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = st.text(string.ascii_letters + string.digits, min_size=12, max_size=40).filter(
    lambda text: any(each.isdigit() for each in text)
)
ALERT = StoredAlert({"alertname": "Slow"}, {}, 1, 0, 1, "", "f")
RECEIVERS = {
    "path": "webhook_configs: [{{url: '{url}/hooks/{secret}'}}]",
    "query": "webhook_configs: [{{url: '{url}/hook?code={secret}'}}]",
    "userinfo": "webhook_configs: [{{url: 'http://ann:{secret}@{host}/hook'}}]",
    "bearer": "webhook_configs: [{{url: '{url}/hook', http_config: {{authorization: {{credentials: '{secret}'}}}}}}]",
    "basic": "webhook_configs: [{{url: '{url}/hook', http_config: {{basic_auth: {{username: ann, password: '{secret}'}}}}}}]",
    "file": "webhook_configs: [{{url: '{url}/hook', http_config: {{authorization: {{credentials_file: '{file}'}}}}}}]",
    "url-file": "webhook_configs: [{{url_file: '{url_file}'}}]",
    "proxy": "webhook_configs: [{{url: 'http://nobody.invalid/hook', http_config: {{proxy_url: 'http://ann:{secret}@{host}'}}}}]",
    "slack": "slack_configs: [{{api_url: '{url}/services/{secret}', channel: '#a'}}]",
    "pagerduty": "pagerduty_configs: [{{routing_key: '{secret}', url: '{url}/enqueue'}}]",
    "opsgenie": "opsgenie_configs: [{{api_key: '{secret}', api_url: '{url}'}}]",
    "victorops": "victorops_configs: [{{api_key: '{secret}', routing_key: team, api_url: '{url}'}}]",
    "pushover": "pushover_configs: [{{user_key: '{secret}', token: '{secret}', api_url: '{url}'}}]",
    "sns": ("sns_configs: [{{api_url: '{url}', topic_arn: t, sigv4: {{region: r, access_key: k, secret_key: '{secret}'}}}}]"),
    "telegram": "telegram_configs: [{{bot_token: '{secret}', chat_id: 1, api_url: '{url}'}}]",
    "telegram-file": "telegram_configs: [{{bot_token_file: '{file}', chat_id: 1, api_url: '{url}'}}]",
    "msteams": "msteams_configs: [{{webhook_url: '{url}/hooks/{secret}'}}]",
    "msteamsv2": "msteamsv2_configs: [{{webhook_url: '{url}/hooks/{secret}'}}]",
    "discord": "discord_configs: [{{webhook_url: '{url}/hooks/{secret}'}}]",
    "webex": ("webex_configs: [{{room_id: r, api_url: '{url}', http_config: {{authorization: {{credentials: '{secret}'}}}}}}]"),
    "wechat": "wechat_configs: [{{api_secret: '{secret}', corp_id: c, api_url: '{url}'}}]",
    "jira": (
        "jira_configs: [{{api_url: '{url}', project: P, issue_type: Bug, "
        "http_config: {{basic_auth: {{username: ann, password: '{secret}'}}}}}}]"
    ),
    "rocketchat": "rocketchat_configs: [{{token: '{secret}', token_id: '{secret}', api_url: '{url}'}}]",
    "incidentio": "incidentio_configs: [{{url: '{url}/hook', alert_source_token: '{secret}'}}]",
    "header": "webhook_configs: [{{url: '{url}/hook', http_config: {{http_headers: {{X-A: {{secrets: ['{secret}']}}}}}}}}]",
    "email": (
        "email_configs: [{{to: a@b, from: a@b, smarthost: '{host}', require_tls: false, "
        "auth_username: ann, auth_password: '{secret}'}}]"
    ),
}


class Echo(BaseHTTPRequestHandler):
    """Refuses each request by repeating all that it had."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        said = f"no such hook: {self.path} {dict(self.headers)} ".encode() + body
        self.send_response(400)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        with contextlib.suppress(OSError):  # it reads the beginning alone
            self.wfile.write(said)

    do_CONNECT = do_POST  # noqa: N815 - the name that the base class gives the method of proxies

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.mark.parametrize("field", RECEIVERS)
@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(secret=SECRET)
async def test_no_output_shows_a_secret(echo: str, tmp_path: Path, field: str, secret: str) -> None:
    (tmp_path / "secret").write_text(secret)
    (tmp_path / "url").write_text(f"http://{echo}/hooks/{secret}")
    receiver = RECEIVERS[field].format(
        url=f"http://{echo}", host=echo, secret=secret, file=tmp_path / "secret", url_file=tmp_path / "url"
    )
    config = parse_config(f"route: {{receiver: r}}\nreceivers:\n- name: r\n  {receiver}\n", "receivers.yml", NOTIFIERS)
    outputs = [config.original]
    ((name, _),) = config.receivers.items()
    async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
        notifier = build_notifiers(NOTIFIERS, config.receivers, client, "")[name]
        with pytest.raises(DeliveryError) as raised:
            await notifier.send(Notification(Integration("r", field, 0, send_resolved=True), "k", {}, (ALERT,), (), 1, 1))
        await notifier.close()
    outputs.append(str(raised.value))
    outputs.append(_logged(raised.value))
    outputs.append(orjson.dumps(SECRETS.mask_data({"error": str(raised.value)})).decode())
    for output in outputs:
        assert secret not in output, field


def _logged(error: Exception) -> str:
    """What the log has of an error with its whole traceback."""
    said = (type(error), error, error.__traceback__)
    record = logging.LogRecord("test", logging.ERROR, __file__, 1, "failed", (), said)
    return Masking(SECRETS, processor=structlog.dev.ConsoleRenderer(colors=False)).format(record)
