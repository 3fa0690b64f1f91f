"""Log lines of ours and of Faust, aiokafka and uvicorn, in one format, to standard error."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar

import click
import structlog

from components.secrets import SECRETS
from telemetry.errors import ConfigError, UnrecoverableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from components.secrets import Secrets

Command = TypeVar("Command", bound="Callable[..., object]")

LEVEL_VARIABLE, FORMAT_VARIABLE = "SPANLOOM_LOG_LEVEL", "SPANLOOM_LOG_FORMAT"
"""By variables the choice reaches the processes that a command starts."""

LEVELS, FORMATS = ("debug", "info", "warning", "error"), ("text", "json")

FOREIGN = ("faust", "mode", "aiokafka", "uvicorn", "elastic_transport", "httpx2", "asyncio")
"""What these say at INFO of each start and partition is of use to their developers."""

REPEAT_SECONDS = 60.0
"""While Kafka is away its clients say so a hundred times a second: each line of theirs is written so often at most."""

MAX_LINES = 1000
"""Different lines that are remembered. With more than that nothing repeats itself."""


class RepeatFilter(logging.Filter):
    """Keeps what other libraries say short: no line again within REPEAT_SECONDS, and no traceback where the error says all.

    That is above all what a person has to change before another start: a traceback would bury it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}  # when last, and how often it was suppressed since

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; it may be shortened."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and isinstance(record.msg, str) and _says_all(error):  # also of a service of mode that is ours
            record.msg, record.args = f"{record.getMessage().splitlines()[0]}: {error!r}", ()
            record.exc_info = record.exc_text = None
        if record.name.partition(".")[0] not in FOREIGN:
            return True
        key = (record.name, str(record.msg))
        last, suppressed = self._said.get(key, (0.0, 0))
        if record.created - last < REPEAT_SECONDS:
            self._said[key] = (last, suppressed + 1)
            return False
        if len(self._said) >= MAX_LINES:
            self._said.clear()
        self._said[key] = (record.created, 0)
        if suppressed:
            record.msg, record.args = f"{record.getMessage()} (and {suppressed} times since the last such line)", ()
        return True


def _says_all(error: BaseException) -> bool:
    """Whether nobody needs its traceback: a lost connection, what a person has to change, a thread that ended before."""
    return (
        isinstance(error, CancelledError | UnrecoverableError)
        or type(error).__module__.startswith(("aiokafka", "elastic_transport"))
        or (isinstance(error, RuntimeError) and str(error) == "Event loop is closed")
    )


class Masking(structlog.stdlib.ProcessorFormatter):
    """Writes each line, its traceback too, without secrets."""

    def __init__(self, secrets: Secrets, **settings: Any) -> None:
        super().__init__(**settings)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return self._secrets.mask(super().format(record))


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    error = ended.exc_value
    if error is not None:
        name = ended.thread.name if ended.thread else "a thread"
        logging.getLogger("mode").error("%s ended", name, exc_info=(type(error), error, ended.exc_traceback))


def mask_tracebacks(secrets: Secrets = SECRETS) -> None:
    """What an error that ends the process says goes without secrets, too."""

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stderr.write(secrets.mask("".join(traceback.format_exception(kind, error, trace))))

    sys.excepthook = show


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    error = found.exc_value or found.exc_type()
    logging.getLogger("mode").error("nobody waits for %r", found.object, exc_info=(type(error), error, found.exc_traceback))


def log_options(command: Command) -> Command:
    """The options `--log-level` and `--log-format` of a command."""
    for name, variable, choices, about in (
        ("--log-level", LEVEL_VARIABLE, LEVELS, "Least severe lines to log."),
        ("--log-format", FORMAT_VARIABLE, FORMATS, "Lines for people, or a JSON object a line."),
    ):
        command = click.option(
            name,
            type=click.Choice(choices, case_sensitive=False),
            help=f"{about} [env: {variable}]",
            expose_value=False,
            callback=_choose(variable),
        )(command)
    return command


def _choose(variable: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def choose(_context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            os.environ[variable] = value

    return choose


def _chosen(variable: str, choices: tuple[str, ...], default: str) -> str:
    value = os.environ.get(variable, "").lower() or default
    if value not in choices:
        raise ConfigError(f"{variable}: {value!r} is none of {', '.join(choices)}")
    return value


def _as_json(secrets: Secrets) -> list[structlog.typing.Processor]:
    """A line as one JSON object: `timestamp`, `level`, `logger`, `event`, the fields, and a traceback as `exception`."""

    def name_logger(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {"logger": event["_record"].name, **event}

    def mask(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        masked: structlog.typing.EventDict = secrets.mask_data(event)  # before JSON escapes what they are written with
        return masked

    return [
        name_logger,
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        mask,
        structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
    ]


def set_up_logging(level: str = "info", secrets: Secrets = SECRETS) -> None:
    """Take over logging for the process.

    Args:
        level: least severe lines to log, where neither `--log-level` nor its variable says.
        secrets: what no line may have.

    Raises:
        ConfigError: a variable has a level or format that does not exist.
    """
    level = _chosen(LEVEL_VARIABLE, LEVELS, level).upper()
    as_json = _chosen(FORMAT_VARIABLE, FORMATS, "text") == "json"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RepeatFilter())
    # Tracebacks without the values of variables: they are long, and may be secrets or telemetry.
    lines = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    processors = _as_json(secrets) if as_json else [structlog.stdlib.ProcessorFormatter.remove_processors_meta, lines]
    handler.setFormatter(Masking(secrets, processors=processors, foreign_pre_chain=shared))
    mask_tracebacks(secrets)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in FOREIGN:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    threading.excepthook = _thread_ended
    sys.unraisablehook = _unraisable
