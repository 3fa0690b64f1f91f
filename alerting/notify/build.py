"""From configured receivers to notifiers, and what a notifier is built from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerting.notify.notification import Notifier
from alerting.notify.text import TextCounts, Texts, compile_texts
from components.component import Component

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import httpx2

    from alerting.notify.library import Library
    from alerting.notify.receiver import ReceiverConfig


@dataclass(frozen=True, slots=True)
class NotifierContext:
    """What notifiers share. The client stays its giver's to close; `texts` are the compiled templates of this one.

    `now` returns the time in nanoseconds, to those that sign their requests.
    """

    client: httpx2.AsyncClient
    texts: Texts
    now: Callable[[], int] | None = None


NotifierComponent = Component[NotifierContext, Notifier]


def build_notifiers(
    components: Iterable[NotifierComponent],
    receivers: Mapping[str, ReceiverConfig],
    client: httpx2.AsyncClient,
    external_url: str,
    library: Library | None = None,
    counts: TextCounts | None = None,
    now: Callable[[], int] | None = None,
) -> dict[str, Notifier]:
    """A notifier for each configured integration, by its id. The client stays the caller's to close.

    Raises:
        ConfigError: a receiver that cannot be used here.
    """
    counts = counts or TextCounts()
    by_config = {component.config: component for component in components}
    return {
        name: by_config[type(config)].build(
            config, NotifierContext(client, compile_texts(config.texts(), external_url, library, counts), now)
        )
        for name, config in receivers.items()
    }
