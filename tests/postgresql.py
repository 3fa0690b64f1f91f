"""A real PostgreSQL of Debian's package for the tests that need one, on a free port of loopback, as a user that is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psycopg
import pytest

from tests.services import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE = "120"
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class Server:
    """One cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._databases = 0
        self._user: str | None = None
        if os.geteuid() == 0:  # PostgreSQL does not run as root
            self._user = next(each for each in ("postgres", "nobody") if _is_user(each))
            shutil.chown(folder, self._user)

    def control(self, *arguments: str) -> None:
        """`pg_ctl` and the other programs of the server."""
        program, *rest = arguments
        log = self.folder / "programs.log"
        with log.open("ab") as out:  # a server that was started would keep a pipe open
            command = [str(PROGRAMS[-1] / program), *rest]
            done = subprocess.run(
                command,
                check=False,
                stdout=out,
                stderr=out,
                cwd=self.folder,
                env={"LC_ALL": "C", "PATH": "/usr/bin"},
                user=self._user,
            )
        assert done.returncode == 0, log.read_text()

    def start(self) -> Self:
        options = f"-h 127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off -c max_connections=50"
        data = str(self.folder / "data")
        self.control("pg_ctl", "-D", data, "-l", str(self.folder / "server.log"), "-o", options, "-w", "-t", DEADLINE, "start")
        return self

    def stop(self, how: str = "fast") -> None:
        self.control("pg_ctl", "-D", str(self.folder / "data"), "-m", how, "-w", "-t", DEADLINE, "stop")

    def database(self) -> str:
        """The URL of an empty one."""
        self._databases += 1
        name = f"test_{self._databases}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {name}".encode())
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://spanloom:not-secret@127.0.0.1:{self.port}/{database}"


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@contextmanager
def running_postgresql() -> Iterator[Server]:
    """A cluster of its own."""
    if not PROGRAMS:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="postgresql-", dir="/tmp", ignore_cleanup_errors=True) as name:
        server = Server(Path(name))
        password = server.folder / "password"
        password.write_text("not-secret\n")
        password.chmod(0o644)
        make = ("initdb", "-D", str(server.folder / "data"), "-U", "spanloom", "-A", "scram-sha-256", "-E", "UTF8", "-N")
        server.control(*make, f"--pwfile={password}", "--locale=C.UTF-8")
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """One for the session; each test has a database of its own."""
    with running_postgresql() as server:
        yield server
