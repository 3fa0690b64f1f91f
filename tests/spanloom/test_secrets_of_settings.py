"""Whatever field of the configuration holds a secret: it shows in no print of it, no log line, no error and no traceback."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any, get_args

import orjson
import pytest
import structlog
from click.testing import CliRunner
from pydantic import BaseModel, SecretStr

from spanloom.commands.config import config
from spanloom.config import Config, load_config
from spanloom.logging import set_up_logging
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "k3y-of-the-house-4711"
URLS = {
    "SPANLOOM_STORE": f"https://elastic:{SECRET}@search:9200",
    "SPANLOOM_LOG": f"kafka://{SECRET}@broker:9092",
    "SPANLOOM_SUPERVISOR_URL": f"http://ops:{SECRET}@supervisor:8090",
    "SPANLOOM_ALERTING__EXTERNAL_URL": f"https://example.org/?token={SECRET}",
}


def secret_fields(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Each field of a secret, by its path, and whether it holds several by name."""
    for name, field in model.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if kind is SecretStr:
                yield (*path, name), field.annotation is not SecretStr and SecretStr not in get_args(field.annotation)[:1]
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from secret_fields(kind, (*path, name))


FIELDS = sorted(set(secret_fields(Config)))


def variables() -> list[dict[str, str]]:
    found = [{name: value} for name, value in URLS.items()]
    for path, several in FIELDS:
        name = "SPANLOOM_" + "__".join(path).upper()
        if several and path[-1] != "approval_key":
            found.append({name: orjson.dumps({"x": SECRET}).decode()})
        else:
            long = SECRET + "0" * 32 if path[-1] == "approval_key" else SECRET
            found.append({name: long})
    return found


def test_the_walk_finds_the_fields_that_are_known() -> None:
    names = {".".join(path) for path, _ in FIELDS}
    assert {
        "kafka.password",
        "elasticsearch.api_key",
        "elasticsearch.password",
        "alerting.approval_key",
        "webhook_url",
    } <= names


@pytest.mark.parametrize("settings", variables(), ids=lambda settings: next(iter(settings)))
def test_no_output_shows_a_secret_of_the_configuration(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    if any("KAFKA__PASSWORD" in name for name in settings):
        monkeypatch.setenv("SPANLOOM_KAFKA__USERNAME", "u")
        monkeypatch.setenv("SPANLOOM_KAFKA__SASL_MECHANISM", "PLAIN")
    said = ""
    try:
        load_config()
    except ConfigError as error:  # a field that needs others
        said = str(error)
    shown = CliRunner().invoke(config, ["show"])
    for output in (said, shown.output, str(shown.exception), "" if said else _logged(settings)):
        assert SECRET not in output


def _logged(settings: dict[str, Any]) -> str:
    """What the log has of a line and of a traceback in which the values stand."""
    set_up_logging()
    stream = io.StringIO()
    logging.getLogger().handlers[0].setStream(stream)  # type: ignore[attr-defined]
    structlog.get_logger("spanloom").error("failed", settings=settings)
    logging.getLogger("foreign").error("could not reach %s", settings, exc_info=ConnectionError(str(settings)))
    return stream.getvalue()
