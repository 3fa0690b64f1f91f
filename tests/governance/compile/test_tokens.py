from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey
from prometheus_client import CollectorRegistry

from governance.compile.site import Options, Site
from governance.compile.snapshot import compile_snapshot
from governance.compile.tokens import MAX_KEYS_BYTES, TokenIssuer, check_issuers, public_keys
from governance.config import ControlPlaneConfig, TokenIssuerConfig
from governance.explain.authorization import AskedRequest, decide
from governance.files import read_policies
from governance.xds.snapshot import Kind
from spanloom.process.control import Control
from telemetry.errors import ConfigError, UnrecoverableError

if TYPE_CHECKING:
    from pathlib import Path

PUBLIC = ECKey.generate_key("P-256", {"kid": "one"}).as_dict(private=False)
TOKENS = "tokens: [{name: api, service: pay, issuer: users, match: {prefix: /api, methods: [POST]}}]"
USERS = TokenIssuer("users", "https://users.example", ("pay",), json.dumps({"keys": [PUBLIC]}))


def test_public_keys_are_given_to_agents() -> None:
    assert json.loads(public_keys(json.dumps({"keys": [PUBLIC], "note": "ours"}), "keys.json")) == {"keys": [PUBLIC]}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no JSON"),
        ("[]", "no JWKS"),
        ('{"keys": []}', "no JWKS"),
        ('{"keys": ["one"]}', "no JWKS"),
        (" " * (MAX_KEYS_BYTES + 1), "more than 65536 bytes"),
    ],
    ids=["no-json", "a-list", "no-keys", "no-objects", "too-large"],
)
def test_what_is_no_jwks_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        public_keys(text, "keys.json")


@pytest.mark.parametrize(
    "key",
    [ECKey.generate_key("P-256"), RSAKey.generate_key(2048), OctKey.generate_key(256)],
    ids=["elliptic", "rsa", "shared"],
)
def test_a_key_that_could_sign_tokens_goes_to_no_agent(key: ECKey | RSAKey | OctKey) -> None:
    private = key.as_dict(private=True)
    with pytest.raises(ConfigError, match=r"keys\[1\] has the private 'd'|keys\[1\] has the private 'k'") as refused:
        public_keys(json.dumps({"keys": [PUBLIC, private]}), "keys.json")
    assert not any(str(private[name]) in str(refused.value) for name in ("d", "k") if name in private)


def test_policies_name_issuers_that_are_configured() -> None:
    policies = read_policies(TOKENS, "p.yml")
    check_issuers(policies, [USERS], "p.yml")
    with pytest.raises(ConfigError, match=r"p.yml: tokens\[0\].issuer: control.token_issuers has no 'users'; there are none"):
        check_issuers(policies, [], "p.yml")


def test_the_listener_depends_on_issuers_and_on_no_policy() -> None:
    site = Site("pay", inbound=10_001, application=10_002)

    def listener(text: str, *issuers: TokenIssuer) -> object:
        policies = read_policies(text, "p.yml")
        found = compile_snapshot("1", policies, site, {}, Options(token_issuers=issuers), 0)
        return found[Kind.LISTENER].items

    assert listener(TOKENS, USERS) == listener("services: [{name: pay}]", USERS) != listener("services: [{name: pay}]")


def test_an_explanation_says_that_a_token_is_needed() -> None:
    policies = read_policies(TOKENS, "p.yml")
    for method, path, needed in (("POST", "/x/../api/1", True), ("GET", "/api/1", False), ("POST", "/open", False)):
        why = decide(policies, AskedRequest("", "pay", method, path, {}), "").why
        assert why.endswith("only with a token of users") is needed, why


async def test_a_control_plane_does_not_start_with_keys_that_it_cannot_read(tmp_path: Path) -> None:
    issuer = TokenIssuerConfig(name="users", issuer="https://users.example", audiences=("pay",), jwks=tmp_path / "keys.json")
    config = ControlPlaneConfig(token_issuers=(issuer,))
    with pytest.raises(UnrecoverableError, match=r"control.token_issuers\[0\].jwks: .*keys.json: .*No such file"):
        await Control(config, tmp_path / "control", CollectorRegistry(), lambda: 0).__aenter__()


def test_two_issuers_have_two_names(tmp_path: Path) -> None:
    one = {"name": "users", "issuer": "x", "audiences": ["pay"], "jwks": str(tmp_path)}
    with pytest.raises(ValueError, match="two have the same name"):
        ControlPlaneConfig.model_validate({"token_issuers": [one, one]})
