"""What every receiver's configuration has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from alerting.notify.http_config import HttpConfig


class ReceiverConfig(BaseModel):
    """One way to reach someone, as written in the configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    send_resolved: bool = True

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        return {}


class HttpReceiverConfig(ReceiverConfig):
    """One that is reached over HTTP; None is the global section's `http_config`, if that has one."""

    http_config: HttpConfig | None = None
