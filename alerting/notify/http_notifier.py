"""What notifiers over HTTP have in common: a client, texts, and JSON without what is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import orjson

from alerting.notify.http import Poster
from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.text import truncate
from alerting.notify.webhook import IDEMPOTENCY_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from alerting.notify.notification import Notification
    from alerting.notify.text import Texts

C = TypeVar("C", bound=HttpReceiverConfig)


class HttpNotifier(Generic[C]):
    """The base of notifiers: each has a `send` of its own.

    Args:
        config: as written, with defaults filled in.
        client: shared; it stays its giver's to close.
        texts: the compiled templates of the configuration.

    Raises:
        ConfigError: a certificate cannot be used.
    """

    def __init__(self, config: C, client: httpx2.AsyncClient, texts: Texts) -> None:
        self._config = config
        self._poster = Poster(client, config.http_config)
        self._texts = texts

    def _text(self, name: str, notification: Notification, longest: int = 0, *, as_html: bool = False) -> str:
        text = self._texts.render(name, notification, as_html=as_html)
        return truncate(text, longest) if longest else text

    async def _post(self, url: str, body: object, notification: Notification, **headers: str) -> None:
        await self._poster.post(url, orjson.dumps(body), {IDEMPOTENCY_KEY: notification.key, **headers})

    async def close(self) -> None:
        """Let go of connections. Safe twice."""
        await self._poster.close()


def filled(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value}


def listed(text: str) -> list[str]:
    """What stands between commas."""
    return [item for item in text.strip().split(",") if item]


def below(url: str, path: str) -> str:
    """The URL of something below another, whether or not that ends with a slash."""
    return f"{url.rstrip('/')}/{path}"
