"""WeChat Work: messages of an application.

https://developer.work.weixin.qq.com/document/path/90236
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import urlencode

import orjson
from pydantic import SecretStr

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.http_notifier import HttpNotifier, below, filled
from alerting.notify.notification import DeliveryError
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.webhook import IDEMPOTENCY_KEY
from components.component import ComponentKind, Stability
from components.secrets import SECRETS

if TYPE_CHECKING:
    from alerting.notify.defaults import GlobalConfig
    from alerting.notify.notification import Notification
    from telemetry.json_object import JsonObject

TOKEN_GONE = frozenset({40001, 40014, 42001})
"""What WeChat answers to a token that it does not, or no longer, know."""
TRY_AGAIN = frozenset({-1, 45009, 45033})
"""What it answers while it is busy, and to too many requests."""


class WechatConfig(HttpReceiverConfig):
    """An application, and whom it writes to; texts are templates. What is empty comes from the global section."""

    api_url: str = ""
    api_secret: SecretStr = SecretStr("")
    corp_id: str = ""
    agent_id: str = default("wechat", "agent_id")
    message: str = default("wechat", "message")
    message_type: Literal["text", "markdown"] = "text"
    to_user: str = default("wechat", "to_user")
    to_party: str = default("wechat", "to_party")
    to_tag: str = default("wechat", "to_tag")
    send_resolved: bool = False  # as in Alertmanager

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        return {name: getattr(self, name) for name in ("corp_id", "agent_id", "message", "to_user", "to_party", "to_tag")}

    def with_defaults(self, settings: GlobalConfig) -> Self:
        """The same with what it leaves open of the global section."""
        own_secret = self.api_secret.get_secret_value()
        update = {
            "api_url": self.api_url or settings.wechat_api_url,
            "api_secret": self.api_secret if own_secret else settings.wechat_api_secret,
            "corp_id": self.corp_id or settings.wechat_api_corp_id,
        }
        return super().with_defaults(settings).model_copy(update=update)

    def missing(self) -> str:
        """Secret and corporation."""
        if not self.api_secret.get_secret_value():
            return "no api_secret here and no wechat_api_secret under global"
        return "" if self.corp_id else "no corp_id here and no wechat_api_corp_id under global"


class Wechat(HttpNotifier[WechatConfig]):
    """Sends one message a notification, with a token that is asked for first and used until it is refused."""

    _token = ""

    async def send(self, notification: Notification) -> None:
        """Post the message; once more with another token, where WeChat does not know this one."""
        if self._token:
            try:
                await self._send(notification, self._token)
            except _TokenGoneError:
                self._token = ""
            else:
                return
        self._token = await self._new_token(notification)
        await self._send(notification, self._token)

    async def _new_token(self, notification: Notification) -> str:
        secret = self._config.api_secret.get_secret_value()
        query = urlencode({"corpsecret": secret, "corpid": self._text("corp_id", notification)})
        body = await self._poster.request("GET", below(self._config.api_url, f"gettoken?{query}"), read=True)
        answer = _answer(body)
        token = answer.get("access_token")
        if not token or not isinstance(token, str):
            raise _refused(answer)
        SECRETS.add_of_file(token)
        return token

    async def _send(self, notification: Notification, token: str) -> None:
        url = below(self._config.api_url, f"message/send?{urlencode({'access_token': token})}")
        body, headers = orjson.dumps(self.message(notification)), {IDEMPOTENCY_KEY: notification.key}
        answer = _answer(await self._poster.request("POST", url, body, headers, read=True))
        if answer.get("errcode"):
            raise _refused(answer)

    def message(self, notification: Notification) -> dict[str, object]:
        """The message of a notification."""
        kind = self._config.message_type
        message: dict[str, object] = {
            "msgtype": kind,
            kind: {"content": self._text("message", notification)},
            "safe": "0",
        }
        to = {"touser": "to_user", "toparty": "to_party", "totag": "to_tag", "agentid": "agent_id"}
        return message | filled({name: self._text(field, notification) for name, field in to.items()})


class _TokenGoneError(DeliveryError):
    pass


def _answer(body: bytes) -> JsonObject:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise DeliveryError("WeChat answered something else than a JSON object", retry=True)
    return answer


def _refused(answer: JsonObject) -> DeliveryError:
    code = answer.get("errcode")
    kind = _TokenGoneError if code in TOKEN_GONE else DeliveryError
    return kind(f"WeChat: {code}: {str(answer.get('errmsg', ''))[:200]}", retry=code in TOKEN_GONE | TRY_AGAIN)


WECHAT = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="wechat",
    config=WechatConfig,
    build=lambda config, context: Wechat(config, context.client, context.texts),
    summary="Messages of an application of WeChat Work.",
    stability=Stability.BETA,
    example={
        "api_secret": "a-secret-of-the-application",
        "corp_id": "wwd08c8e7c775ab44d",
        "to_user": "@all",
        "agent_id": "1000002",
    },
)
