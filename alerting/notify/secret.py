"""Secrets of receivers: in the configuration file, or in files of their own that may change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, SecretStr, ValidationInfo

from alerting.notify.notification import DeliveryError
from components.secrets import SECRETS

if TYPE_CHECKING:
    from pydantic import BaseModel

MAX_BYTES = 64 << 10
"""Largest file that is read for a secret."""


def _beside(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    return Path(folder) / path if folder is not None else path


def _checked_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if url and not url.lower().startswith(("http://", "https://")):
        raise ValueError("must be a URL of http or https")
    return value


SecretUrl = Annotated[SecretStr, AfterValidator(_checked_url)]
"""A URL of http or https that itself is a secret."""

LocalPath = Annotated[Path, AfterValidator(_beside)]
"""A path; a relative one begins at the folder of the configuration file."""


def read_secret(value: SecretStr, file: Path | None) -> str:
    """The secret, from its file if it has one. Read for each request, so that a changed file counts at once.

    Raises:
        DeliveryError: the file cannot be read.
    """
    if file is None:
        return value.get_secret_value()
    try:
        with file.open(encoding="utf-8") as opened:
            secret = opened.read(MAX_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DeliveryError(f"{file}: cannot be read: {error}", retry=True) from error
    SECRETS.add_of_file(secret)
    return secret


def at_most_one(model: BaseModel, *names: str) -> None:
    """Accept a model that has at most one of the fields.

    Raises:
        ValueError: it has more.
    """
    given = [name for name in names if getattr(model, name) not in (None, "", False, SecretStr(""))]
    if len(given) > 1:
        raise ValueError(f"at most one of {' and '.join(names)} can be configured")
