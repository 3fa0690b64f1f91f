"""Rules over HTTP: read as from Prometheus, written as with the rulers of Cortex and Mimir.

GET    /api/v1/rules                        every group in use, its health and its alerts (Prometheus)
GET    /api/v1/rules/{namespace}            the groups that were set, as YAML under the namespace's name
POST   /api/v1/rules/{namespace}            a group as YAML, beside the others; or a rule file in place of them all
GET    /api/v1/rules/{namespace}/{group}    one group as YAML
DELETE /api/v1/rules/{namespace}[/{group}]

Only YAML or JSON is accepted, so that a page of another site cannot post here by a form. Serve it only where operators are.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

import yaml
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alerting.rules.book import MAX_BYTES
from components.access.identity import identity_of
from components.http.request_body import read_body
from telemetry.documents import timestamp
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from alerting.alert_state import AlertChange
    from alerting.rules.book import RuleBook
    from alerting.rules.engine import AlertEngine
    from telemetry.json_object import JsonObject

PATH = "/api/v1/rules"
_YAML = "application/yaml"
_TYPES = frozenset({_YAML, "application/x-yaml", "text/yaml", "text/x-yaml", "application/json"})


class Note(Protocol):
    """Adds what somebody changed to the audit trail."""

    def __call__(self, event: str, who: str, /, **data: object) -> Awaitable[None]:
        """End when it would survive a crash."""
        ...


def routes(
    engines: Callable[[], Mapping[str, AlertEngine]], book: RuleBook, saved: Callable[[], Awaitable[None]], note: Note
) -> list[Route]:
    """The routes over the engines of the environments that are here.

    Args:
        engines: evaluate the rules; by the name of the environment.
        book: has their rules.
        saved: awaited after each change, so that it is durable before the answer.
        note: awaited after that, with who changed what.
    """

    async def changed(event: str, request: Request, **data: object) -> Response:
        await saved()
        await note(event, identity_of(request).name, **data)
        return _accepted()

    async def in_use(_: Request) -> Response:
        groups = [
            group | {"environment": environment}
            for environment, engine in sorted(engines().items())
            for group in rule_groups(engine)
        ]
        return JSONResponse({"status": "success", "data": {"groups": groups}})

    async def read(request: Request) -> Response:
        namespace, group = _named(request)
        texts = book.texts(namespace)
        if not texts or (group is not None and group not in texts):
            return _missing()
        if group is not None:
            return Response(texts[group], media_type=_YAML)
        groups = {namespace: [yaml.safe_load(text) for text in texts.values()]}
        return Response(yaml.safe_dump(groups, allow_unicode=True, sort_keys=False), media_type=_YAML)

    async def write(request: Request) -> Response:
        try:
            namespace, text = _named(request)[0], await _text(request)
            book.set(namespace, text)
        except InputError as error:
            return error_answer(400, "bad_data", str(error))
        return await changed("rules-set", request, namespace=namespace, sha256=hashlib.sha256(text.encode()).hexdigest())

    async def delete(request: Request) -> Response:
        if not book.remove(*_named(request)):
            return _missing()
        removed, of = _named(request)
        return await changed("rules-removed", request, namespace=removed, group=of or "")

    namespace, group = f"{PATH}/{{namespace}}", f"{PATH}/{{namespace}}/{{group:path}}"
    return [
        Route(PATH, in_use, methods=["GET"]),
        Route(namespace, write, methods=["POST"]),
        *(Route(path, read, methods=["GET"]) for path in (namespace, group)),
        *(Route(path, delete, methods=["DELETE"]) for path in (namespace, group)),
    ]


def _named(request: Request) -> tuple[str, str | None]:
    return request.path_params["namespace"], request.path_params.get("group")


async def _text(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _TYPES:
        raise InputError(f"send the rules as YAML, with the header Content-Type: {_YAML}")
    body = await read_body(request, MAX_BYTES, "name a file in the configuration instead")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8: {error}") from None


def _accepted() -> JSONResponse:
    return JSONResponse({"status": "success", "data": None}, 202)


def _missing() -> JSONResponse:
    return error_answer(404, "not_found", "no such group was set here; groups of files change with their files")


def error_answer(code: int, kind: str, text: str) -> JSONResponse:
    """An error as Prometheus' API writes it."""
    return JSONResponse({"status": "error", "errorType": kind, "error": text}, code)


def rule_groups(engine: AlertEngine) -> list[JsonObject]:
    """Each group with its rules, their health and the alerts that are pending or firing. Durations in seconds."""
    health = iter(engine.health())
    active: dict[tuple[str, str, str], list[AlertChange]] = {}
    for alert in engine.active():
        active.setdefault((alert.group, alert.labels["alertname"], alert.expr), []).append(alert)
    groups = []
    for group in engine.groups:
        rules = []
        for rule in group.rules:
            state = next(health)
            body: JsonObject = {
                "name": rule.name,
                "query": rule.expr.text,
                "type": "alerting" if rule.kind == "alert" else "recording",
                "health": "unknown" if state.evaluated_at < 0 else "err" if state.error else "ok",
                "lastError": state.error,
                **({"notes": list(state.notes)} if state.notes else {}),
                "lastEvaluation": timestamp(max(0, state.evaluated_at)),
                "labels": dict(rule.source.labels) if rule.source else {},
            }
            if rule.kind == "alert":
                alerts = active.get((group.name, rule.name, rule.expr.text), [])
                body |= {
                    "duration": rule.hold / 1e9,
                    "keepFiringFor": rule.keep_firing_for / 1e9,
                    "annotations": dict(rule.source.annotations) if rule.source else {},
                    "state": max((alert.state.value for alert in alerts), key=_STATES.index, default="inactive"),
                    "alerts": [alert_body(alert) for alert in alerts],
                }
            rules.append(body)
        groups.append({"name": group.name, "file": group.file, "interval": group.interval / 1e9, "rules": rules})
    return groups


_STATES = ("inactive", "pending", "firing")


def alert_body(alert: AlertChange) -> dict[str, object]:
    """An alert as Prometheus' API writes it."""
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "state": alert.state.value,
        "activeAt": timestamp(alert.active_at),
        "value": repr(alert.value),
    }
