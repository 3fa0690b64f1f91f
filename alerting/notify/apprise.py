"""Every other receiver, through Apprise: one URL each.

https://github.com/caronc/apprise

Apprise is not among the dependencies of a plain installation; a configuration that names `apprise_configs` needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pydantic import Field, SecretStr

from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import TEXT, TITLE
from alerting.notify.notification import DeliveryError
from alerting.notify.receiver import ReceiverConfig
from components.component import ComponentKind, Stability
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from alerting.notify.notification import Notification
    from alerting.notify.text import Texts


class AppriseConfig(ReceiverConfig):
    """Apprise URLs, such as `ntfy://topic` or `matrix://...`; title and body are templates."""

    urls: list[SecretStr] = Field(min_length=1)
    title: str = TITLE
    body: str = TEXT

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        return {"title": self.title, "body": self.body}


class Apprise:
    """Sends to all URLs of one configuration.

    Raises:
        ConfigError: Apprise is not installed, or does not know a URL.
    """

    def __init__(self, config: AppriseConfig, texts: Texts) -> None:
        try:
            library = importlib.import_module("apprise")
        except ImportError:
            raise ConfigError("apprise_configs need the package apprise: install it beside Spanloom") from None
        self._texts = texts
        self._types = library.NotifyType
        self._target: Any = library.Apprise()
        for url in config.urls:
            if not self._target.add(url.get_secret_value()):
                scheme = url.get_secret_value().partition(":")[0]
                raise ConfigError(f"Apprise knows no receiver by the URL {scheme}:...")

    async def send(self, notification: Notification) -> None:
        """Send; Apprise only says whether all went well."""
        done = await self._target.async_notify(
            title=self._texts.render("title", notification),
            body=self._texts.render("body", notification),
            notify_type=self._types.FAILURE if notification.firing else self._types.SUCCESS,
        )
        if not done:
            raise DeliveryError("Apprise could not reach every receiver", retry=True)

    async def close(self) -> None:
        """Nothing is held open."""


APPRISE = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="apprise",
    config=AppriseConfig,
    build=lambda config, context: Apprise(config, context.texts),
    summary="Every other service that Apprise has a URL for.",
    stability=Stability.BETA,
    example={"urls": ["ntfy://a-topic-of-yours"]},
    extras=("apprise",),
)
