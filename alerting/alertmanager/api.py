"""Alertmanager's API v2 over an `Alertmanager`, for amtool, Prometheus and Grafana.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from alerting.alertmanager.api_models import postable_alert, postable_silence, read_json
from alerting.alerts import APPROVE
from alerting.promql.matchers import Matcher, MatchType, all_match, parse_matchers
from components.access.identity import identity_of
from telemetry.documents import timestamp
from telemetry.environment import LABEL, foremost
from telemetry.errors import InputError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from starlette.requests import Request

    from alerting.alertmanager.manager import Alertmanager
    from alerting.alertmanager.silences import Silence
    from alerting.alerts import StoredAlert
    from telemetry.json_object import JsonObject


@dataclass(slots=True)
class AlertmanagerApi:
    """The API's handlers.

    Args:
        managers: those of the environments that are here, by name; silences and receivers are the same in all.
        now: returns the time in nanoseconds.
        saved: awaited after each change, so that it is durable before the answer.
        version: of this software, for /status.
    """

    managers: Callable[[], Mapping[str, Alertmanager]]
    now: Callable[[], int]
    saved: Callable[[], Awaitable[None]]
    version: str = ""
    started_at: int = 0
    note: Callable[..., Awaitable[None]] | None = None
    """Awaited with the event, who it was and more, for the audit trail."""

    def routes(self, prefix: str = "/api/v2") -> list[Route]:
        """Routes for a Starlette application."""
        self.started_at = self.now()
        table: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/status", self._status),
            ("GET", "/receivers", self._receivers),
            ("GET", "/alerts", self._alerts),
            ("POST", "/alerts", self._post_alerts),
            ("GET", "/alerts/groups", self._groups),
            ("GET", "/silences", self._silences),
            ("POST", "/silences", self._post_silence),
            ("GET", "/silence/{id}", self._silence),
            ("DELETE", "/silence/{id}", self._expire),
        ]
        return [Route(prefix + path, _answering(handler), methods=[method]) for method, path, handler in table]

    @property
    def _any(self) -> Alertmanager:
        """One of the managers: the default environment's, or the first.

        Raises:
            OverloadedError: no environment is here now.
        """
        manager = foremost(self.managers())
        if manager is None:
            raise OverloadedError("the environment's alerts belong to another process now: ask again", 1)
        return manager

    async def _status(self, _request: Request) -> Response:
        version = dict.fromkeys(("branch", "buildDate", "buildUser", "goVersion", "revision"), "")
        return JSONResponse(
            {
                "cluster": {"status": "disabled", "peers": []},
                "versionInfo": {**version, "version": self.version},
                "config": {"original": self._any.config.original},
                "uptime": timestamp(self.started_at),
            }
        )

    async def _receivers(self, _request: Request) -> Response:
        return JSONResponse([{"name": name} for name in self._any.config.integrations])

    async def _alerts(self, request: Request) -> Response:
        wanted = _Filter(request)
        now = self.now()
        found: list[JsonObject] = []
        for manager in self.managers().values():
            manager.see_alerts(now)
            found += [
                body
                for alert in manager.alert_store
                if not alert.resolved(now) and all_match(wanted.matchers, alert.labels)
                for body in (_alert_body(manager, alert, now),)
                if wanted.reaches(receiver["name"] for receiver in body["receivers"]) and wanted.accepts(body)
            ]
        return JSONResponse(sorted(found, key=lambda body: str(body["fingerprint"])))

    async def _groups(self, request: Request) -> Response:
        wanted = _Filter(request)
        now = self.now()
        groups = []
        for manager in self.managers().values():
            manager.see_alerts(now)
            for route, _key, labels, alerts in manager.groups.members():
                if not wanted.reaches((route.receiver,)):
                    continue
                bodies = [
                    _alert_body(manager, alert, now)
                    for alert in alerts
                    if not alert.resolved(now) and all_match(wanted.matchers, alert.labels)
                ]
                bodies = [body for body in bodies if wanted.accepts(body)]
                if bodies:
                    groups.append({"labels": dict(labels), "receiver": {"name": route.receiver}, "alerts": bodies})
        return JSONResponse(groups)

    async def _post_alerts(self, request: Request) -> Response:
        items = await read_json(request)
        if not isinstance(items, list):
            raise InputError("the body must be a list of alerts")
        now, timeout = self.now(), self._any.config.resolve_timeout
        alerts = [postable_alert(item, f"[{i}]", now, timeout) for i, item in enumerate(items)]  # all, before one is stored
        refused: OverloadedError | None = None
        for alert in alerts:  # one for which there is no room stops none that is known, nor its end
            try:
                self._manager_of(alert).put(alert, now)
            except OverloadedError as error:
                refused = error
        await self.saved()
        if refused is not None:
            raise refused
        return Response(status_code=200)

    def _manager_of(self, alert: StoredAlert) -> Alertmanager:
        """That of the environment which a posted alert names, where there is such a one; else that of the default."""
        return self.managers().get(alert.labels.get(LABEL, "")) or self._any

    async def _silences(self, request: Request) -> Response:
        wanted = _matchers(request)
        now = self.now()
        order = {"active": 0, "pending": 1, "expired": 2}
        found = [_silence_body(silence, now) for silence in self._any.silences if _names(wanted, silence)]
        return JSONResponse(sorted(found, key=lambda body: (order[body["status"]["state"]], body["endsAt"])))

    async def _silence(self, request: Request) -> Response:
        silence = self._any.silences.get(request.path_params["id"])
        if silence is None:
            return Response(status_code=404)
        return JSONResponse(_silence_body(silence, self.now()))

    async def _post_silence(self, request: Request) -> Response:
        now = self.now()
        silence = postable_silence(await read_json(request), now)
        if identity_of(request).authenticated:
            silence = replace(silence, created_by=identity_of(request).name)
        if silence.id and self._any.silences.get(silence.id) is None:
            return PlainTextResponse(f"silence {silence.id} not found", status_code=404)
        given = self._any.silences.put(silence, now)
        await self.saved()
        await self._note("silence-set", request, silence=given, matchers=[str(matcher) for matcher in silence.matchers])
        return JSONResponse({"silenceID": given})

    async def _note(self, event: str, request: Request, **data: object) -> None:
        if self.note is not None:
            await self.note(event, identity_of(request).name, **data)

    async def _expire(self, request: Request) -> Response:
        identity = request.path_params["id"]
        if self._any.silences.get(identity) is None:
            return Response(status_code=404)
        self._any.silences.expire(identity, self.now())
        await self.saved()
        await self._note("silence-expired", request, silence=identity)
        return Response(status_code=200)


def _alert_body(manager: Alertmanager, alert: StoredAlert, now: int) -> JsonObject:
    muting = manager.muting(alert, now)
    suppressed = bool(muting.silenced_by or muting.inhibited_by)
    receivers = list(dict.fromkeys(route.receiver for route in manager.config.root.match(alert.labels)))
    ends = alert.ends_at or now + manager.config.resolve_timeout
    return {
        "annotations": {name: text for name, text in alert.annotations.items() if name != APPROVE},
        "endsAt": timestamp(ends),
        "fingerprint": alert.fingerprint,
        "receivers": [{"name": name} for name in receivers],
        "startsAt": timestamp(alert.starts_at),
        "status": {
            "inhibitedBy": list(muting.inhibited_by),
            "silencedBy": list(muting.silenced_by),
            "state": "suppressed" if suppressed else "active",
        },
        "updatedAt": timestamp(alert.updated_at),
        "generatorURL": alert.generator_url if alert.generator_url != alert.annotations.get(APPROVE) else "",
        "labels": dict(alert.labels),
    }


class _Filter:
    """What a request for alerts wants."""

    def __init__(self, request: Request) -> None:
        def flag(name: str) -> bool:
            return request.query_params.get(name, "true") != "false"

        self.matchers = _matchers(request)
        self._active, self._silenced, self._inhibited = flag("active"), flag("silenced"), flag("inhibited")
        receiver = request.query_params.get("receiver", "")
        self._receiver = Matcher.of("receiver", MatchType.REGEX, receiver) if receiver else None

    def reaches(self, receivers: Iterable[str]) -> bool:
        """Whether one of the receivers is wanted."""
        return self._receiver is None or any(map(self._receiver.matches, receivers))

    def accepts(self, body: JsonObject) -> bool:
        """Whether an alert's state is wanted."""
        status = body["status"]
        if not self._active and status["state"] == "active":
            return False
        if not self._silenced and status["silencedBy"]:
            return False
        return self._inhibited or not status["inhibitedBy"]


def _answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except InputError as error:
            return JSONResponse(str(error), status_code=400)
        except OverloadedError as error:
            return JSONResponse(str(error), status_code=503, headers={"Retry-After": str(round(error.retry_after))})

    return answer


def _matchers(request: Request) -> tuple[Matcher, ...]:
    return tuple(matcher for text in request.query_params.getlist("filter") for matcher in parse_matchers(text))


def _silence_body(silence: Silence, now: int) -> JsonObject:
    return {
        "id": silence.id,
        "status": {"state": silence.state(now).value},
        "updatedAt": timestamp(silence.updated_at),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "startsAt": timestamp(silence.starts_at),
        "endsAt": timestamp(silence.ends_at),
        "matchers": [
            {
                "name": matcher.name,
                "value": matcher.value,
                "isEqual": matcher.type in {MatchType.EQUAL, MatchType.REGEX},
                "isRegex": matcher.type in {MatchType.REGEX, MatchType.NOT_REGEX},
            }
            for matcher in silence.matchers
        ],
    }


def _names(wanted: tuple[Matcher, ...], silence: Silence) -> bool:
    """Alertmanager's filter of silences: each wanted matcher passes on the value of the silence's matcher of that name."""
    values = {matcher.name: matcher.value for matcher in silence.matchers}
    return all(matcher.matches(values.get(matcher.name, "")) for matcher in wanted)
