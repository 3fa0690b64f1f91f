"""`spanloom doctor`: whether what Spanloom needs is there, and what to do about what is not."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import socket
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from components.variables import unknown
from spanloom.commands.terminal import printable
from spanloom.logging import set_up_logging
from telemetry.errors import ConfigError, SpanloomError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence, Sized

    from spanloom.config import Config

FREE_BYTES = 1 << 30
"""Free disk below which the log and the store may soon be refused their writes."""

ANSWER_SECONDS = 10.0


class Diagnosis(StrEnum):
    """What a check found."""

    GOOD = "ok"
    NOTE = "note"
    BAD = "bad"


class Finding(NamedTuple):
    """Of one check."""

    verdict: Diagnosis
    about: str
    message: str


@click.command()
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(config: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Check configuration, files, ports, log, store and optional parts. Changes nothing. Exit code 1 if something is bad."""
    from spanloom.config import load_config  # noqa: PLC0415 - Faust takes a second to import

    set_up_logging()  # to the standard error
    try:
        settings = load_config(config)
    except ConfigError as error:
        findings = [Finding(Diagnosis.BAD, "configuration", line) for line in str(error).splitlines()]
    else:
        findings = [Finding(Diagnosis.GOOD, "configuration", str(config or "the environment"))]
        for name in unknown(os.environ, type(settings)):
            findings.append(Finding(Diagnosis.NOTE, "variable", f"{name} is no setting: it is ignored"))
        findings.extend(_checked(settings))
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings]))
    else:
        for verdict, about, message in findings:
            colour = {Diagnosis.GOOD: "green", Diagnosis.NOTE: "yellow", Diagnosis.BAD: "red"}[verdict]
            click.echo(f"{click.style(f'{verdict:<4}', fg=colour)}  {about:<13}  {printable(message)}")
    if any(finding.verdict is Diagnosis.BAD for finding in findings):
        raise click.exceptions.Exit(1)


def _checked(config: Config) -> Iterator[Finding]:
    from spanloom.commands.running import NotAnsweredError  # noqa: PLC0415 - only where it is asked
    from spanloom.commands.status import not_ready  # noqa: PLC0415

    yield Finding(Diagnosis.GOOD, "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield _folder(config.data_dir)
    try:
        reasons = not_ready(config.console.url)
        runs = True
        yield Finding(
            Diagnosis.BAD if reasons else Diagnosis.GOOD,
            "running",
            f"{config.console.url} answers and is " + ("ready" if not reasons else "not ready: " + "; ".join(reasons)),
        )
    except NotAnsweredError:
        runs = False
        yield Finding(Diagnosis.NOTE, "running", f"nothing answers at {config.console.url}: `spanloom up` starts it")
        yield from _ports(config)
    yield from asyncio.run(_services(config, runs=runs))
    yield from _alerting(config)
    yield from _optional(config)


def _folder(folder: Path) -> Finding:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            Diagnosis.BAD, "data folder", f"{folder.absolute()}: {there} cannot be written: name another by data_dir"
        )
    free = shutil.disk_usage(there).free
    message = f"{folder.absolute()}, {free / (1 << 30):.1f} GiB free"
    return Finding(Diagnosis.GOOD if free >= FREE_BYTES else Diagnosis.BAD, "data folder", message)


def _ports(config: Config) -> Iterator[Finding]:
    """Those of `spanloom up`, while it does not run."""
    from spanloom.components import RECEIVERS  # noqa: PLC0415 - all of them are imported

    listens = {"console": (config.console.host, config.console.port or 8080)}
    for one in RECEIVERS:
        section = config.of(one)
        if section is not None and section.port:
            listens[one.name] = section.host, section.port
    for name, (host, port) in listens.items():
        try:
            for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:1]:
                with socket.socket(family, kind, protocol) as tried:
                    tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    tried.bind(address)
        except OSError as error:
            yield Finding(Diagnosis.BAD, "port", f"{name}: {host}:{port}: {error.strerror or error}: free it, or set another")
        else:
            yield Finding(Diagnosis.GOOD, "port", f"{name}: {host}:{port} is free")


async def _services(config: Config, *, runs: bool) -> list[Finding]:
    from spanloom.config import without_password  # noqa: PLC0415 - Faust takes a second to import
    from spanloom.process.store_file import is_shared, require_store_file, store_file  # noqa: PLC0415
    from spanloom.process.stores import open_store  # noqa: PLC0415
    from spanloom.wiring import Log  # noqa: PLC0415
    from stores.store import Query  # noqa: PLC0415
    from telemetry.documents import Kind  # noqa: PLC0415

    found = []
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await Log(config).check_access()
        found.append(Finding(Diagnosis.GOOD, "log", without_password(config.log_url)))
    except (SpanloomError, TimeoutError) as error:
        found.append(Finding(Diagnosis.BAD, "log", str(error) or f"{without_password(config.log_url)} does not answer"))
    url = without_password(config.store_url)
    path = store_file(config.store_url)
    try:
        if path is not None:
            require_store_file(path)
        if not is_shared(config.store_url) and (runs or path is None or not path.exists()):
            found.append(
                Finding(Diagnosis.GOOD, "store", f"{url}, {'of the running process' if runs else 'made at the first start'}")
            )
            return found
        store = open_store(config)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                spans = await store.count(Query(Kind.SPAN))
        finally:
            await store.close()
        found.append(Finding(Diagnosis.GOOD, "store", f"{url}, {spans:,} spans"))
    except (SpanloomError, TimeoutError) as error:
        found.append(Finding(Diagnosis.BAD, "store", str(error) or f"{url} does not answer"))
    return found


def _alerting(config: Config) -> Iterator[Finding]:
    """Files that are named; what ships with Spanloom is tested."""
    from alerting.rules.files import load_rules  # noqa: PLC0415 - only where it is asked
    from components.live_files import matching  # noqa: PLC0415
    from spanloom.build_alerting import read_receivers  # noqa: PLC0415
    from spanloom.commands.playbooks import load  # noqa: PLC0415

    settings = config.alerting
    named: list[tuple[str, Sequence[Path], Callable[[Sequence[Path]], Sized]]] = [
        ("rules", settings.rules, load_rules),
        ("receivers", (settings.receivers,) if settings.receivers else (), lambda paths: read_receivers(paths).receivers),
        ("playbooks", settings.playbooks, lambda paths: load(paths, settings)[0]),
    ]
    for about, patterns, read in named:
        paths: list[Path] = []
        for pattern in patterns:
            matched = matching(str(pattern))
            paths += matched
            if not matched:
                yield Finding(Diagnosis.NOTE, about, f"{pattern}: no such file yet")
        try:
            if paths:
                yield Finding(Diagnosis.GOOD, about, f"{len(read(paths))} in {', '.join(map(str, paths))}")
        except SpanloomError as error:
            yield from (Finding(Diagnosis.BAD, about, line) for line in str(error).splitlines())


def _optional(config: Config) -> Iterator[Finding]:
    from agent.envoy import find_program  # noqa: PLC0415 - gRPC takes a second to import
    from agent.errors import EnvoyMissingError  # noqa: PLC0415
    from processors.kernels.choose import choose  # noqa: PLC0415

    try:
        kernels = choose(config.native)
        yield Finding(Diagnosis.GOOD if kernels.name == "native" else Diagnosis.NOTE, "native core", kernels.why)
    except ConfigError as error:
        yield Finding(Diagnosis.BAD, "native core", str(error))
    try:
        yield Finding(Diagnosis.GOOD, "Envoy", str(find_program(config.agent.envoy)))
    except EnvoyMissingError as error:
        yield Finding(Diagnosis.NOTE, "Envoy", f"{error} (only `spanloom agent` needs it)")
