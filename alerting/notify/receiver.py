"""What every receiver's configuration has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import BaseModel, ConfigDict

from alerting.notify.http_config import HttpConfig

if TYPE_CHECKING:
    from alerting.notify.defaults import GlobalConfig


class ReceiverConfig(BaseModel):
    """One way to reach someone, as written in the configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_yaml: ClassVar[tuple[str, ...]] = ()
    """Fields whose values are sent on as YAML reads them: a number as one."""

    send_resolved: bool = True

    def texts(self) -> dict[str, str]:
        """The fields that are templates."""
        return {}

    def with_defaults(self, settings: GlobalConfig) -> Self:
        """The same with what it leaves open filled in from the global section."""
        del settings
        return self

    def missing(self) -> str:
        """What it still lacks after that, in words for whoever wrote the file; empty: nothing."""
        return ""


class HttpReceiverConfig(ReceiverConfig):
    """One that is reached over HTTP; None is the global section's `http_config`, if that has one."""

    http_config: HttpConfig | None = None

    def with_defaults(self, settings: GlobalConfig) -> Self:
        """The same with the client of the global section, where it has none of its own."""
        if self.http_config is not None:
            return self
        return self.model_copy(update={"http_config": settings.http_config})
