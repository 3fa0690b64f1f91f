"""From configured receivers to notifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.notify.apprise import Apprise, AppriseConfig
from alerting.notify.email import Email, EmailConfig
from alerting.notify.pagerduty import Pagerduty, PagerdutyConfig
from alerting.notify.slack import Slack, SlackConfig
from alerting.notify.text import TextCounts, compile_texts
from alerting.notify.webhook import Webhook, WebhookConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from alerting.notify.library import Library
    from alerting.notify.notification import Notifier
    from alerting.notify.receiver import ReceiverConfig
    from alerting.notify.text import Texts


def build_notifiers(
    receivers: Mapping[str, ReceiverConfig],
    client: httpx2.AsyncClient,
    external_url: str,
    library: Library | None = None,
    counts: TextCounts | None = None,
) -> dict[str, Notifier]:
    """A notifier for each configured integration, by its id. The client stays the caller's to close.

    Raises:
        ConfigError: a receiver that cannot be used here.
    """
    counts = counts or TextCounts()
    return {
        name: _build(config, client, compile_texts(config.texts(), external_url, library, counts))
        for name, config in receivers.items()
    }


def _build(config: ReceiverConfig, client: httpx2.AsyncClient, texts: Texts) -> Notifier:
    match config:
        case WebhookConfig():
            return Webhook(config, client, texts.external_url)
        case PagerdutyConfig():
            return Pagerduty(config, client, texts)
        case SlackConfig():
            return Slack(config, client, texts)
        case EmailConfig():
            return Email(config, texts)
        case AppriseConfig():
            return Apprise(config, texts)
        case _:
            raise TypeError(f"no notifier for {type(config).__name__}")
