"""No secret is shown, however it is written; what is no secret stays readable."""

from __future__ import annotations

import base64
import json
import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from components.secrets import MASK, MAX_SECRETS, Secrets

SECRET = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=4, max_size=60)
TOKEN = st.text(string.ascii_letters + string.digits + "-_", min_size=12, max_size=60).filter(
    lambda text: any(each in string.digits for each in text)
)


class Login(BaseModel):
    username: str = ""
    password: SecretStr = SecretStr("")
    key: SecretStr = SecretStr("")


class Settings(BaseModel):
    login: Login = Login()
    headers: dict[str, SecretStr] = {}
    urls: tuple[SecretStr, ...] = ()
    plain_url: str = ""


@given(secret=SECRET, before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_secret_is_found_however_it_is_written(secret: str, before: str, after: str) -> None:
    secrets = Secrets()
    secrets.add(secret)
    writings = (
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        base64.b64encode(secret.encode()).decode(),
    )
    for written in writings:
        assert written not in secrets.mask(f"[{written}]") or written in f"[{MASK}]="
        assert MASK in secrets.mask(f"{before} {written} {after}")


@given(token=TOKEN, other=TOKEN)
def test_every_secret_of_a_configuration_is_known_wherever_it_stands(token: str, other: str) -> None:
    for settings in (
        Settings(login=Login(username="ann", password=SecretStr(token))),
        Settings(login=Login(key=SecretStr(token))),
        Settings(headers={"x": SecretStr(token)}),
        Settings(urls=(SecretStr(f"https://hooks.example.org/services/{token}"),)),
        Settings(urls=(SecretStr(f"https://hooks.example.org/a?code={token}"),)),
        Settings(urls=(SecretStr(f"tgram://{token}/{other}"),)),
        Settings(plain_url=f"http://ann:{token}@example.org/"),
        Settings(plain_url=f"http://example.org/?key={token}"),
    ):
        secrets = Secrets()
        secrets.add_all(settings)
        assert token not in secrets.mask(f"could not reach {token}, said the server"), settings
        assert token not in secrets.mask(repr(settings.model_dump()))


def test_the_host_of_a_store_with_a_password_is_no_secret() -> None:
    secrets = Secrets()
    secrets.add_all(Settings(urls=(SecretStr("postgresql://ann:s3cret-word@db-1.example.org:5432/spanloom"),)))
    assert secrets.mask("db-1.example.org: s3cret-word is wrong") == f"db-1.example.org: {MASK} is wrong"


def test_user_and_password_are_found_as_a_header_has_them() -> None:
    secrets = Secrets()
    secrets.add_all(Settings(login=Login(username="ann", password=SecretStr("s3cret-word"))))
    header = base64.b64encode(b"ann:s3cret-word").decode()
    assert header not in secrets.mask(f"sent {header}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("POST https://hooks.slack.com/services/T0/B0/xyz 404", "POST https://hooks.slack.com/*** 404"),
        ("https://api.telegram.org/bot12:AA/sendMessage", "https://api.telegram.org/***"),
        ("https://discord.com/api/webhooks/1/abc failed", "https://discord.com/*** failed"),
        ("https://x.webhook.office.com/webhookb2/1@2/IncomingWebhook/3", "https://x.webhook.office.com/***"),
        ("https://events.pagerduty.com/integration/abc/enqueue", "https://events.pagerduty.com/integration/***"),
        ("http://ann:pw@host:9200/_bulk", "http://ann:***@host:9200/_bulk"),
        ("kafka://token@broker:9092", "kafka://***@broker:9092"),
        ("GET /a?page=2&access_token=abc&x=1", "GET /a?page=2&access_token=***&x=1"),
        ("Authorization: Bearer abc123def456", "Authorization: Bearer ***"),
        ("{'authorization': 'Basic YWJjOmRlZg=='}", "{'authorization': 'Basic ***'}"),
        ("x-api-key: 1234567890", "x-api-key: ***"),
        ("(b'authorization', b'ApiKey VnVhQ2ZHY0JDZGJrU==')", "(b'authorization', b'ApiKey ***')"),
        ("token spanloom_" + "a" * 43, "token ***"),
    ],
)
def test_what_looks_like_a_secret_is_masked_though_nobody_configured_it(text: str, shown: str) -> None:
    assert Secrets().mask(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "receivers.yml:5: http_config.authorization: unknown field",
        "http://127.0.0.1:8080/api/v1/find?kind=span&limit=10",
        'rules.yml:14: group "latency": expr: unknown function "ratee"',
        "basic auth is needed",
        "https://slack.com/help",
        'sum(rate(http_requests_total{code="500"}[5m])) > 1',
        "the cookie was not accepted",
    ],
)
def test_what_is_none_stays(text: str) -> None:
    secrets = Secrets()
    secrets.add("Tr0ub4dor&3")
    assert secrets.mask(text) == text


def test_data_is_masked_at_every_depth_and_keeps_its_form() -> None:
    secrets = Secrets()
    secrets.add("Tr0ub4dor&3")
    found = secrets.mask_data({"a": ["Tr0ub4dor&3", 1, None], "Tr0ub4dor&3": {"b": "x Tr0ub4dor&3"}})
    assert found == {"a": [MASK, 1, None], MASK: {"b": f"x {MASK}"}}


def test_the_lines_of_a_key_are_secrets_each() -> None:
    secrets = Secrets()
    secrets.add("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END KEY-----\n")
    assert "MIIEvQIBADANBgkqhkiG9w0BAQ" not in secrets.mask("at MIIEvQIBADANBgkqhkiG9w0BAQ")


def test_a_file_whose_secret_changes_for_ever_is_masked_and_bounded() -> None:
    secrets = Secrets()
    secrets.add("of-the-configuration")
    for number in range(500):
        secrets.add_of_file(f"secret-number-{number}")
        secrets.add_of_file("another-that-stays")
        assert secrets.mask(f"secret-number-{number} another-that-stays of-the-configuration") == f"{MASK} {MASK} {MASK}"
    assert secrets.mask("secret-number-0") == "secret-number-0"
    assert not secrets.dropped


def test_secrets_are_bounded_and_those_beyond_counted() -> None:
    secrets = Secrets()
    for number in range(MAX_SECRETS + 10):
        secrets.add(f"secret-{number}")
    assert secrets.dropped
