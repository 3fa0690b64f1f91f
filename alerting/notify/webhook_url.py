"""What receivers have in common that are a webhook whose URL is the secret."""

from __future__ import annotations

from typing import Self

from pydantic import SecretStr, model_validator

from alerting.notify.receiver import HttpReceiverConfig
from alerting.notify.secret import LocalPath, SecretUrl, at_most_one, read_secret


class WebhookUrlConfig(HttpReceiverConfig):
    """A webhook, by its URL or a file that holds it."""

    webhook_url: SecretUrl = SecretStr("")
    webhook_url_file: LocalPath | None = None

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        at_most_one(self, "webhook_url", "webhook_url_file")
        if not self.webhook_url.get_secret_value() and self.webhook_url_file is None:
            raise ValueError("one of webhook_url and webhook_url_file is needed")
        return self

    def secret_url(self) -> str:
        """The URL.

        Raises:
            DeliveryError: the file cannot be read.
        """
        return read_secret(self.webhook_url, self.webhook_url_file)
