"""Alertmanager's API v2 over an `Alertmanager`, for amtool, Prometheus and Grafana.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from alerting.board import APPROVE, HeldAlert
from alerting.matchers import Matcher, MatchType, all_match, parse_matchers
from alerting.request_body import read_body
from alerting.silences import Silence
from alerting.state import fingerprint
from telemetry.documents import timestamp
from telemetry.errors import InputError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from alerting.alertmanager import Alertmanager

MAX_BODY = 8 << 20
"""Largest request body, in bytes."""
_UNIX_EPOCH_YEAR = 1970


@dataclass(slots=True)
class AlertmanagerApi:
    """The API's handlers.

    Args:
        manager: whose alerts and silences.
        now: gives the time in nanoseconds.
        saved: awaited after each change, so that it is durable before the answer.
        version: of this software, for /status.
    """

    manager: Alertmanager
    now: Callable[[], int]
    saved: Callable[[], Awaitable[None]]
    version: str = ""
    started_at: int = 0

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

    async def _status(self, _request: Request) -> Response:
        version = dict.fromkeys(("branch", "buildDate", "buildUser", "goVersion", "revision"), "")
        return JSONResponse(
            {
                "cluster": {"status": "disabled", "peers": []},
                "versionInfo": {**version, "version": self.version},
                "config": {"original": self.manager.config.original},
                "uptime": timestamp(self.started_at),
            }
        )

    async def _receivers(self, _request: Request) -> Response:
        return JSONResponse([{"name": name} for name in self.manager.config.integrations])

    async def _alerts(self, request: Request) -> Response:
        wanted = _Filter(request)
        now = self.now()
        self.manager.see_alerts(now)
        found = [
            body
            for alert in self.manager.board
            if not alert.resolved(now) and all_match(wanted.matchers, alert.labels)
            for body in (self._alert(alert, now),)
            if wanted.takes(body)
        ]
        return JSONResponse(sorted(found, key=lambda body: str(body["fingerprint"])))

    async def _groups(self, request: Request) -> Response:
        wanted = _Filter(request)
        now = self.now()
        self.manager.see_alerts(now)
        groups = []
        for route, _key, labels, alerts in self.manager.groups.members():
            bodies = [
                self._alert(alert, now)
                for alert in alerts
                if not alert.resolved(now) and all_match(wanted.matchers, alert.labels)
            ]
            bodies = [body for body in bodies if wanted.takes(body)]
            if bodies:
                groups.append({"labels": dict(labels), "receiver": {"name": route.receiver}, "alerts": bodies})
        return JSONResponse(groups)

    def _alert(self, alert: HeldAlert, now: int) -> dict[str, Any]:
        muting = self.manager.muting(alert, now)
        suppressed = bool(muting.silenced_by or muting.inhibited_by)
        receivers = list(dict.fromkeys(route.receiver for route in self.manager.config.root.match(alert.labels)))
        ends = alert.ends_at or now + self.manager.config.resolve_timeout
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

    async def _post_alerts(self, request: Request) -> Response:
        items = await _json(request)
        if not isinstance(items, list):
            raise InputError("the body must be a list of alerts")
        now = self.now()
        alerts = [self._posted(item, f"[{i}]", now) for i, item in enumerate(items)]  # all are read before one is taken
        refused: OverloadedError | None = None
        for alert in alerts:  # one for which there is no room stops none that is known, nor its end
            try:
                self.manager.put(alert, now)
            except OverloadedError as error:
                refused = error
        await self.saved()
        if refused is not None:
            raise refused
        return Response(status_code=200)

    def _posted(self, item: Any, where: str, now: int) -> HeldAlert:
        if not isinstance(item, dict):
            raise InputError(f"{where}: must be an object")
        labels = _strings(item.get("labels"), f"{where}.labels")
        labels = {name: value for name, value in labels.items() if value}
        if not labels:
            raise InputError(f"{where}.labels: at least one label pair required")
        annotations = _strings(item.get("annotations") or {}, f"{where}.annotations")
        starts = _time(item.get("startsAt"), f"{where}.startsAt")
        ends = _time(item.get("endsAt"), f"{where}.endsAt") or now + self.manager.config.resolve_timeout
        starts = starts or min(now, ends)
        if ends < starts:
            raise InputError(f"{where}: start time must not be after end time")
        url = str(item.get("generatorURL") or "")
        return HeldAlert(labels, annotations, starts, ends, now, url, fingerprint(labels))

    async def _silences(self, request: Request) -> Response:
        wanted = _matchers(request)
        now = self.now()
        order = {"active": 0, "pending": 1, "expired": 2}
        found = [_silence_body(silence, now) for silence in self.manager.silences if _names(wanted, silence)]
        return JSONResponse(sorted(found, key=lambda body: (order[body["status"]["state"]], body["endsAt"])))

    async def _silence(self, request: Request) -> Response:
        silence = self.manager.silences.get(request.path_params["id"])
        if silence is None:
            return Response(status_code=404)
        return JSONResponse(_silence_body(silence, self.now()))

    async def _post_silence(self, request: Request) -> Response:
        item = await _json(request)
        if not isinstance(item, dict):
            raise InputError("the body must be a silence")
        now = self.now()
        identity = str(item.get("id") or "")
        if identity and self.manager.silences.get(identity) is None:
            return PlainTextResponse(f"silence {identity} not found", status_code=404)
        starts = _time(item.get("startsAt"), "startsAt") or now
        ends = _time(item.get("endsAt"), "endsAt")
        matchers = item.get("matchers")
        if not isinstance(matchers, list):
            raise InputError("matchers: must be a list")
        silence = Silence(
            tuple(_matcher(matcher, f"matchers[{i}]") for i, matcher in enumerate(matchers)),
            starts,
            ends,
            str(item.get("createdBy") or ""),
            str(item.get("comment") or ""),
            identity,
        )
        given = self.manager.silences.put(silence, now)
        await self.saved()
        return JSONResponse({"silenceID": given})

    async def _expire(self, request: Request) -> Response:
        identity = request.path_params["id"]
        if self.manager.silences.get(identity) is None:
            return Response(status_code=404)
        self.manager.silences.expire(identity, self.now())
        await self.saved()
        return Response(status_code=200)


class _Filter:
    """What a request for alerts wants."""

    def __init__(self, request: Request) -> None:
        def flag(name: str) -> bool:
            return request.query_params.get(name, "true") != "false"

        self.matchers = _matchers(request)
        self._active, self._silenced, self._inhibited = flag("active"), flag("silenced"), flag("inhibited")
        receiver = request.query_params.get("receiver", "")
        self._receiver = Matcher.of("receiver", MatchType.REGEX, receiver) if receiver else None

    def takes(self, body: Mapping[str, Any]) -> bool:
        """Whether an alert's state and receivers are wanted."""
        status = body["status"]
        if self._receiver is not None and not any(self._receiver.matches(item["name"]) for item in body["receivers"]):
            return False
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


async def _json(request: Request) -> Any:
    body = await read_body(request, MAX_BODY)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError(f"body is not JSON: {error}") from None


def _strings(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise InputError(f"{where}: must be an object of strings")
    return value


def _time(value: Any, where: str) -> int:
    """Nanoseconds of an RFC 3339 time; 0 for none, or for Go's zero time."""
    if value in (None, ""):
        return 0
    try:
        text = str(value)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{where}: {value!r} is not an RFC 3339 time") from None
    if moment.tzinfo is None:
        raise InputError(f"{where}: {value!r} has no time zone")
    if moment.year < _UNIX_EPOCH_YEAR:
        return 0
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


def _matchers(request: Request) -> tuple[Matcher, ...]:
    return tuple(matcher for text in request.query_params.getlist("filter") for matcher in parse_matchers(text))


def _matcher(item: Any, where: str) -> Matcher:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str) or not isinstance(item.get("value"), str):
        raise InputError(f"{where}: needs name, value and isRegex")
    equal, regex = item.get("isEqual", True) is not False, item.get("isRegex") is True
    kinds = {
        (True, False): MatchType.EQUAL,
        (False, False): MatchType.NOT_EQUAL,
        (True, True): MatchType.REGEX,
        (False, True): MatchType.NOT_REGEX,
    }
    return Matcher.of(item["name"], kinds[equal, regex], item["value"])


def _silence_body(silence: Silence, now: int) -> dict[str, Any]:
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
