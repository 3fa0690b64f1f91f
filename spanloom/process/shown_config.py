"""The effective configuration as people may see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.secrets import SECRETS
from spanloom.config import without_password

if TYPE_CHECKING:
    from spanloom.config import Config
    from telemetry.json_object import JsonObject


def shown_config(config: Config) -> JsonObject:
    """Defaults, file and environment together, with secrets and passwords in URLs masked."""
    found = config.model_dump(mode="json")  # SecretStr prints as stars
    found |= {"log": config.log_url, "store": config.store_url}
    for name in ("log", "store", "supervisor_url"):
        found[name] = without_password(found[name])
    masked: JsonObject = SECRETS.mask_data(found)
    return masked
