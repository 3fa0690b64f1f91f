"""Jira: an issue for a group of alerts, by its REST API v2 or v3.

https://developer.atlassian.com/cloud/jira/platform/rest/v2/api-group-issues/

An issue is found again by a label with the hash of the group's key. It is created when the group fires, updated while it
does, and moved along the workflow when it resolves or fires again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self
from urllib.parse import quote, urlsplit

import orjson
from pydantic import Field

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.http_notifier import HttpNotifier, below
from alerting.notify.notification import DeliveryError
from alerting.notify.receiver import HttpReceiverConfig
from alerting.rules.files import Duration
from components.component import ComponentKind, Stability
from components.durations import MINUTE

if TYPE_CHECKING:
    from alerting.notify.defaults import GlobalConfig
    from alerting.notify.notification import Notification
    from telemetry.json_object import JsonObject

MAX_SUMMARY, MAX_DESCRIPTION = 255, 32_767
"""Characters that Jira accepts."""
_DONE = "done"
"""The key of the category of statuses in which nothing is left to do."""


class JiraConfig(HttpReceiverConfig):
    """A project; texts are templates, also those in `fields` are sent as they are.

    `api_type` says how issues are searched, which Jira Cloud does otherwise than Data Center; `auto` goes by the host.
    """

    as_yaml: ClassVar[tuple[str, ...]] = ("fields",)

    api_url: str = ""
    api_type: Literal["auto", "cloud", "datacenter"] = "auto"
    project: Annotated[str, Field(min_length=1)]
    issue_type: Annotated[str, Field(min_length=1)]
    summary: str = default("jira", "summary")
    description: str = default("jira", "description")
    labels: tuple[str, ...] = ()
    priority: str = default("jira", "priority")
    reopen_transition: str = ""
    resolve_transition: str = ""
    wont_fix_resolution: str = ""
    reopen_duration: Duration = 0
    fields: dict[str, object] = Field(default_factory=dict)

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        texts = {name: str(getattr(self, name)) for name in ("project", "issue_type", "summary", "description", "priority")}
        return texts | {f"labels.{i}": text for i, text in enumerate(self.labels)}

    def with_defaults(self, settings: GlobalConfig) -> Self:
        """The same with the URL of the global section, where it has none of its own."""
        return super().with_defaults(settings).model_copy(update={"api_url": self.api_url or settings.jira_api_url})

    def missing(self) -> str:
        """The URL."""
        return "" if self.api_url else "no api_url here and no jira_api_url under global"


@dataclass(frozen=True, slots=True)
class _Issue:
    key: str
    is_done: bool


class Jira(HttpNotifier[JiraConfig]):
    """Keeps one issue for a group."""

    async def send(self, notification: Notification) -> None:
        """Find the issue, create or update it, and move it where the alerts are over, or not any more."""
        found = await self._find(notification)
        if found is None:
            if notification.firing:
                await self._ask("POST", "issue", {"fields": self.fields(notification)})
            return
        path = f"issue/{quote(found.key, safe='')}"
        await self._ask("PUT", path, {"fields": self.fields(notification)})
        wanted = self._config.reopen_transition if notification.firing else self._config.resolve_transition
        if wanted and found.is_done == bool(notification.firing):
            await self._move(path, wanted)

    def fields(self, notification: Notification) -> JsonObject:
        """What the issue says."""
        config = self._config
        labels = [self._text(f"labels.{i}", notification) for i in range(len(config.labels))]
        fields: JsonObject = {
            "project": {"key": self._text("project", notification)},
            "issuetype": {"name": self._text("issue_type", notification)},
            "summary": self._text("summary", notification, MAX_SUMMARY),
            "description": self._description(notification),
            "labels": sorted([*labels, _label(notification)]),
        }
        priority = self._text("priority", notification)
        if priority:
            fields["priority"] = {"name": priority}
        return fields | config.fields

    def _description(self, notification: Notification) -> object:
        text = self._text("description", notification, MAX_DESCRIPTION)
        if not self._config.api_url.rstrip("/").endswith("/3"):
            return text
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:  # version 3 takes a document alone: the text becomes one
            paragraph = {"type": "paragraph", "content": [{"type": "text", "text": text.strip() or " "}]}
            return {"type": "doc", "version": 1, "content": [paragraph]}

    def query(self, notification: Notification) -> str:
        """The JQL that finds the issue; one that is done only where it may be reopened."""
        config = self._config
        parts = []
        if config.wont_fix_resolution:
            parts.append(f"resolution != {_quoted(config.wont_fix_resolution)}")
        minutes = config.reopen_duration // MINUTE
        if not notification.firing or not config.reopen_transition:
            parts.append("statusCategory != Done")
        elif minutes:
            parts.append(f"(resolutiondate is EMPTY OR resolutiondate >= -{minutes}m)")
        project = self._text("project", notification)
        parts.append(f"project={_quoted(project)} and labels={_quoted(_label(notification))}")
        return " and ".join(parts) + " order by status ASC,resolutiondate DESC"

    async def _find(self, notification: Notification) -> _Issue | None:
        config = self._config
        host = urlsplit(config.api_url).hostname or ""
        is_cloud = config.api_type == "cloud" or (config.api_type == "auto" and host.endswith(".atlassian.net"))
        url = below(config.api_url, "search")
        if is_cloud:  # which has this of version 3 alone
            url = below(config.api_url, "search/jql").replace("/rest/api/2/", "/rest/api/3/", 1)
        body = {"jql": self.query(notification), "maxResults": 2, "fields": ["status"]}
        answer = await self._request("POST", url, body)
        for issue in answer.get("issues") or ():
            status = (issue.get("fields") or {}).get("status") or {}
            category = (status.get("statusCategory") or {}).get("key", "")
            return _Issue(str(issue["key"]), category == _DONE)
        return None

    async def _move(self, path: str, wanted: str) -> None:
        answer = await self._ask("GET", f"{path}/transitions", None)
        for transition in answer.get("transitions") or ():
            if transition.get("name") == wanted:
                await self._ask("POST", f"{path}/transitions", {"transition": {"id": transition["id"]}})
                return
        raise DeliveryError(f"Jira: {path} has no transition {wanted!r} now", retry=False)

    async def _ask(self, method: str, path: str, body: object) -> JsonObject:
        return await self._request(method, below(self._config.api_url, path), body)

    async def _request(self, method: str, url: str, body: object) -> JsonObject:
        content = b"" if body is None else orjson.dumps(body)
        body = await self._poster.request(method, url, content, {"Accept-Language": "en"}, read=True)
        try:
            answer = orjson.loads(body or b"{}")
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise DeliveryError("Jira answered something else than a JSON object", retry=False)
        return answer


def _label(notification: Notification) -> str:
    return f"ALERT{{{notification.group_hash}}}"


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


JIRA = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="jira",
    config=JiraConfig,
    build=lambda config, context: Jira(config, context.client, context.texts),
    summary="Issues of Jira, one a group of alerts.",
    stability=Stability.BETA,
    example={"api_url": "https://example.atlassian.net/rest/api/2", "project": "OPS", "issue_type": "Bug"},
)
