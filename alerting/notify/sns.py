"""Amazon SNS: messages to a topic, a phone or an application's endpoint.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode

from pydantic import Field, model_validator

from alerting.notify.aws import Identity, SigV4Config, domain, sign
from alerting.notify.build import NotifierComponent
from alerting.notify.default_templates import default
from alerting.notify.http_notifier import HttpNotifier
from alerting.notify.receiver import HttpReceiverConfig
from components.component import ComponentKind, Stability

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from alerting.notify.notification import Notification
    from alerting.notify.text import Texts

MAX_MESSAGE, MAX_TEXT_MESSAGE = 256 * 1024, 1600
"""Bytes of a message, and characters of one to a phone, that SNS accepts."""
MAX_SUBJECT = 99
"""Characters: fewer than a hundred."""
FIFO = ".fifo"
"""Ends the name of a topic that keeps order; its messages need a group and an id."""


class SnsConfig(HttpReceiverConfig):
    """One of a topic, an endpoint and a phone; all texts are templates. Without `api_url`, the region's endpoint."""

    api_url: str = ""
    sigv4: SigV4Config = SigV4Config()
    topic_arn: str = ""
    phone_number: str = ""
    target_arn: str = ""
    subject: str = default("sns", "subject")
    message: str = default("sns", "message")
    attributes: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if sum(map(bool, (self.topic_arn, self.phone_number, self.target_arn))) != 1:
            raise ValueError("exactly one of topic_arn, phone_number and target_arn is needed")
        return self

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        texts = {name: str(getattr(self, name)) for name in _TEXTS}
        for i, (name, value) in enumerate(self.attributes.items()):
            texts |= {f"attributes.{i}.name": name, f"attributes.{i}.value": value}
        return texts


_TEXTS = ("api_url", "topic_arn", "phone_number", "target_arn", "subject", "message")


class Sns(HttpNotifier[SnsConfig]):
    """Publishes one message a notification; requests are signed with the time of `now`, else the notification's."""

    def __init__(
        self, config: SnsConfig, client: httpx2.AsyncClient, texts: Texts, now: Callable[[], int] | None = None
    ) -> None:
        super().__init__(config, client, texts)
        self._now = now
        self._identity = Identity(config.sigv4, self._poster)

    async def send(self, notification: Notification) -> None:
        """Publish the message."""
        now = self._now() if self._now is not None else notification.time
        region = self._identity.region
        credentials = await self._identity.credentials(now)
        url = self._text("api_url", notification) or f"https://sns.{region}.{domain(region)}/"
        body = urlencode(self.message(notification)).encode()
        await self._poster.post(url, body, sign("POST", url, body, credentials, region, "sns", now))

    def message(self, notification: Notification) -> dict[str, str]:
        """The parameters of a message."""
        config = self._config
        form = {"Action": "Publish", "Version": "2010-03-31"}
        targets = {"TopicArn": "topic_arn", "PhoneNumber": "phone_number", "TargetArn": "target_arn"}
        form |= {name: self._text(field, notification) for name, field in targets.items() if getattr(config, field)}
        if form.get("TopicArn", "").endswith(FIFO):
            form |= dict.fromkeys(("MessageDeduplicationId", "MessageGroupId"), notification.group_hash)
        text = self._text("message", notification)
        form["Message"] = sent = (
            text[:MAX_TEXT_MESSAGE] if config.phone_number else text.encode()[:MAX_MESSAGE].decode(errors="ignore")
        )
        subject = " ".join(self._text("subject", notification, MAX_SUBJECT).split("\n"))
        if subject:
            form["Subject"] = subject
        attributes = {
            self._text(f"attributes.{i}.name", notification): self._text(f"attributes.{i}.value", notification)
            for i in range(len(config.attributes))
        }
        if sent != text:
            attributes["truncated"] = "true"
        for i, (name, value) in enumerate(attributes.items(), 1):
            entry = f"MessageAttributes.entry.{i}"
            form |= {f"{entry}.Name": name, f"{entry}.Value.DataType": "String", f"{entry}.Value.StringValue": value}
        return form


SNS = NotifierComponent(
    kind=ComponentKind.NOTIFIER,
    name="sns",
    config=SnsConfig,
    build=lambda config, context: Sns(config, context.client, context.texts, context.now),
    summary="Messages of Amazon SNS.",
    stability=Stability.BETA,
    example={"topic_arn": "arn:aws:sns:us-east-2:123456789012:alerts", "sigv4": {"region": "us-east-2"}},
)
