"""Every HTTP and WebSocket route of every role, found by walking its app, asked without a token and with one of each role."""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse

from components.access.policy import WEBSOCKET, Need
from components.access.roles import Role
from components.access.tokens import new_token, token_hash
from dashboards.api.app import build_app
from governance.api import GovernanceApi
from governance.approvals.drafts import Drafts
from governance.compile.site import Options
from governance.config import ApprovalConfig
from governance.control import ControlPlane, Settings
from governance.metrics import ControlMetrics
from governance.stores.sqlite import SqliteStore
from governance.waves.rollout import AlwaysGood, RolloutConfig
from pipeline.runtime.shared_log import shared_log
from spanloom import clock
from spanloom.access.build import build_access, require_authentication
from spanloom.access.route_policy import POLICY, ROUTES
from spanloom.config import Config
from spanloom.probes import build_probes
from spanloom.wiring import STAGES, Pipeline
from stores.duckdb.store import DuckDbStore
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from components.access.middleware import AccessMiddleware

TOKENS = {role: new_token() for role in Role}
ACCESS = {
    "tokens": [{"name": role.value, "role": role.value, "hash": token_hash(token)} for role, token in TOKENS.items()],
    "oidc": {"issuer": "https://login.example", "client_id": "spanloom", "roles": {"ops": "operator"}},
}
PROXY = {"addresses": ["10.0.0.1"], "default_role": "viewer"}
OTHERS = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


class Known(NamedTuple):
    """A route as an app has it."""

    path: str
    methods: frozenset[str]


def walk(routes: Any, prefix: str = "") -> Iterator[Known]:
    """All routes below, by their whole path."""
    for route in routes:
        inner = getattr(route, "original_router", None)  # FastAPI's included router
        if inner is not None:
            yield from walk(inner.routes, prefix)
        elif isinstance(route, Mount):
            if route.routes:
                yield from walk(route.routes, prefix + route.path)
            else:  # files: whatever is below
                yield Known(f"{prefix}{route.path}/below", frozenset({"GET"}))
        elif isinstance(route, WebSocketRoute):
            yield Known(prefix + route.path, frozenset({WEBSOCKET}))
        elif isinstance(route, Route | APIRoute):
            yield Known(prefix + route.path, frozenset(route.methods or ()) - {"HEAD"})
        else:
            raise AssertionError(f"{route!r}: this test does not know how to walk it")


@pytest.fixture(params=["up", "worker", "worker of other stages", "collector", "console", "control"])
async def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AccessMiddleware]:
    """The app of a role, as it is served."""
    role: str = request.param
    log = "" if role == "up" else "kafka://127.0.0.1:9092"
    config = Config.model_validate({"data_dir": tmp_path, "log": log, "access": ACCESS, "console": "0.0.0.0:8080"})
    access = build_access(config, CollectorRegistry(), clock.system)
    store = DuckDbStore(tmp_path / "store.duckdb")
    stages = {"collector": (), "console": (), "control": (), "worker of other stages": ("rekey", "score")}.get(role, STAGES)
    pipeline = Pipeline(config, store, clock.system, stages=stages)
    opened = shared_log(tmp_path / "log", clock.system) if role == "up" else nullcontext()
    with opened:
        routes = pipeline.routes()
    revisions = SqliteStore(tmp_path / "control.sqlite")
    metrics = ControlMetrics(CollectorRegistry())
    settings = Settings(RolloutConfig(), Options())
    plane = ControlPlane(settings, revisions, AlwaysGood(), metrics, clock.system)
    governing = GovernanceApi(plane, Drafts(plane, ApprovalConfig(), metrics, clock.system)).routes()
    if role in {"up", "control"}:
        routes = [*routes, *governing]
    if role in {"up", "console"}:
        routes = [*(routes if role == "up" else []), *access.login_routes()]
        yield access.guard(build_app(store, dict, CollectorRegistry(), clock.system, routes))
    else:
        yield access.guard(build_probes(dict, CollectorRegistry(), routes))
    if pipeline._client is not None:
        await pipeline._client.aclose()
    await revisions.close()
    await access.close()
    await store.close()


async def reached(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands for the app: what is asked here is not what the routes do."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
    else:
        await PlainTextResponse("reached")(scope, receive, send)


def ask(app: ASGIApp, method: str, path: str, token: str | None) -> int:
    """The status of an answer; 101 for a WebSocket that was opened."""
    client = TestClient(app, base_url="http://127.0.0.1:8080", follow_redirects=False)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    if method != WEBSOCKET:
        return client.request(method, path, headers=headers).status_code
    try:
        with client.websocket_connect(f"ws://127.0.0.1:8080{path}", headers=headers):
            return 101
    except WebSocketDenialResponse as denied:
        return denied.status_code


def expected(need: Need, role: Role | None) -> int | None:
    """The status of a refusal, or None where the route is reached."""
    if need.right is None:
        return None
    if role is None:
        return 401
    return None if role.has(need.right) else 403


async def test_every_route_of_every_role_gives_each_role_what_the_policy_declares(guarded: AccessMiddleware) -> None:
    stub = replace(guarded, app=reached)
    known = list(walk(guarded.app.routes))  # type: ignore[attr-defined]  # a Starlette application
    assert known
    for route in known:
        path = re.sub(r"{[^}]*}", "x", route.path)
        for method in route.methods:
            need = POLICY.find(method, path).need
            assert need is not None, f"{method} {route.path}: say in spanloom/access/route_policy.py what it needs"
            for role in (None, *Role):
                status = ask(stub, method, path, TOKENS[role] if role else None)
                wanted = expected(need, role) or (101 if method == WEBSOCKET else 200)
                assert status == wanted, f"{method} {route.path} asked by {role}"


async def test_a_method_that_no_route_has_is_refused_to_an_admin_too(guarded: AccessMiddleware) -> None:
    stub = replace(guarded, app=reached)
    for route in walk(guarded.app.routes):  # type: ignore[attr-defined]  # a Starlette application
        path = re.sub(r"{[^}]*}", "x", route.path)
        for method in OTHERS:
            if POLICY.find(method, path).need is None:
                assert ask(stub, method, path, TOKENS[Role.ADMIN]) == 405, f"{method} {route.path}"


def test_whatever_changes_something_needs_an_operator_unless_it_checks_a_secret_itself() -> None:
    asks_itself = {"/login", "/logout", "/api/v1/incidents/{incident}/approval"}
    questions = ("query", "query_range", "query_exemplars", "series", "labels", "read")  # too long for an address
    queries = {"/api/v1/backtest", *(f"/prometheus/api/v1/{path}" for path in questions)}
    for route in ROUTES:
        for method, need in route.needs.items():
            if method not in {"GET", WEBSOCKET} and route.path not in asks_itself | queries:
                assert need in {Need.OPERATE, Need.ADMINISTER}, f"{method} {route.path}"


def test_a_path_that_the_policy_does_not_declare_is_not_there(tmp_path: Path) -> None:
    config = Config.model_validate({"data_dir": tmp_path, "access": {"tokens": ACCESS["tokens"]}})
    guard = build_access(config, CollectorRegistry(), clock.system).guard(reached)
    for path in ("/nothing", "/api/v1/new", "/api/v1//status", "/metrics/", "/API/v1/status"):
        assert ask(guard, "GET", path, TOKENS[Role.ADMIN]) == 404, path


@pytest.mark.parametrize(
    ("access", "host", "status", "metrics"),
    [
        ({}, "127.0.0.1", 200, 200),  # nothing is configured, and only this machine reaches it
        ({"read": "authenticated"}, "127.0.0.1", 401, 401),
        ({"read": "authenticated", "metrics": "open"}, "127.0.0.1", 401, 200),
        ({"tokens": ACCESS["tokens"]}, "127.0.0.1", 401, 401),
        ({"tokens": ACCESS["tokens"], "read": "open"}, "0.0.0.0", 200, 200),
        ({"tokens": ACCESS["tokens"]}, "0.0.0.0", 401, 401),
        ({"tokens": ACCESS["tokens"], "metrics": "open"}, "0.0.0.0", 401, 200),
    ],
)
def test_reading_and_metrics_are_open_where_only_this_machine_reaches_them_or_the_configuration_says_so(
    access: dict[str, Any], host: str, status: int, metrics: int, tmp_path: Path
) -> None:
    config = Config.model_validate({"data_dir": tmp_path, "access": access, "console": f"{host}:8080"})
    guard = build_access(config, CollectorRegistry(), clock.system).guard(reached)
    assert ask(guard, "GET", "/api/v1/status", None) == status
    assert ask(guard, "GET", "/metrics", None) == metrics
    assert ask(guard, "GET", "/healthz", None) == 200
    assert ask(guard, "POST", "/api/v1/healing/stop", None) == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7", "spanloom.example.com", "127.0.0.1.evil.example"])
def test_an_address_that_others_reach_needs_somebody_who_can_prove_who_they_are(host: str) -> None:
    with pytest.raises(ConfigError, match=r"set access\.tokens .* access\.oidc or access\.proxy"):
        require_authentication(Config.model_validate({"console": {"host": host}}))
    for access in ({"tokens": ACCESS["tokens"]}, {"oidc": ACCESS["oidc"]}, {"proxy": PROXY}):
        require_authentication(Config.model_validate({"console": {"host": host}, "access": access}))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_an_address_of_this_machine_alone_needs_nothing(host: str) -> None:
    require_authentication(Config.model_validate({"console": {"host": host}}))
