"""Revisions in PostgreSQL: several control planes share them, and one of them decides.

Locks of a session say who is there: each control plane holds one of its own, and the one that decides a second. A session
that ends, whatever ends it, lets go of both at once, so that nobody compares clocks.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from components.sender import is_loopback
from governance.fleet import AgentElsewhere
from governance.revisions import Look, LostConnectionError
from governance.stores.sql import SqlStore, agent_rows, as_int, saved_agent
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from governance.fleet import Reached
    from governance.stores.sql import Cell, Row
    from telemetry.json_object import JsonObject

FORMAT = 1
CONNECT_SECONDS = 5
MOST_AGENTS = 2_000
"""Agents of other control planes that are read at a time; the rest follow with the next look."""
_WRITE, _PLANE, _LEAD = 0x5350_0001, 0x5350_0002, 0x5350_0003
"""Classes of advisory locks; the second number of the first and last is the schema."""
_SESSION = {
    "statement_timeout": "15s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",  # a control plane that hangs in a transaction lets others write
    "tcp_keepalives_idle": "5",  # the server notices a machine that is gone within seconds
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "synchronous_commit": "on",
}
_TABLES = (
    """create table if not exists revisions (
      number bigint primary key, text text not null, digest text not null, author text not null, comment text not null,
      created bigint not null, status text not null, why text not null, stable_at bigint not null default 0
    )""",
    "create table if not exists audit (sequence bigint primary key, record text not null)",
    "create table if not exists rollout (only_one integer primary key check (only_one = 1), data text not null)",
    "create sequence if not exists agents_changed",
    "create sequence if not exists plane_numbers as integer",
    """create table if not exists agents (
      id text primary key, data text not null, history text not null, plane integer not null,
      changed bigint not null default nextval('agents_changed')
    )""",
    "create index if not exists agents_by_change on agents (changed)",
    "create table if not exists deliveries (service text primary key, data text not null)",
    "create table if not exists drafts (number bigint primary key, data text not null)",
    """create table if not exists authority (
      only_one integer primary key check (only_one = 1), version bigint not null, data text not null
    )""",
    "create table if not exists authority_acknowledged (plane integer primary key, digest text not null)",
    "create table if not exists format (only_one integer primary key check (only_one = 1), version integer not null)",
)
_KEEP_AGENT = """
insert into agents (id, data, history, plane) values (?, ?, ?, ?)
on conflict (id) do update set
  data = excluded.data, history = excluded.history, plane = excluded.plane, changed = nextval('agents_changed')
where agents.plane = excluded.plane or ? = 1
"""
_ACKNOWLEDGE = """
insert into authority_acknowledged values (?, ?) on conflict (plane) do update set digest = excluded.digest
"""
_ALIVE = """
select objid::bigint from pg_locks where locktype = 'advisory' and classid = ? and objsubid = 2 and granted
and database = (select oid from pg_database where datname = current_database())
"""


class PostgresStore(SqlStore):
    """Revisions in a database, in the schema that its user sees first.

    Args:
        url: `postgresql://USER:PASSWORD@HOST:PORT/NAME`, with libpq's parameters. Beyond this machine the server has to prove
            by its certificate who it is, if `sslmode` says nothing else.
        sleep: seconds, between tries to reach it again.

    Raises:
        StoreError: it cannot be reached, or is of a later release.
    """

    def __init__(self, url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._server = _Server(url)
        self._seen = self._others = 0
        super().__init__(lambda: self._server, sleep)

    async def keep_agents(self, reached: Iterable[tuple[str, JsonObject, Sequence[Reached]]]) -> None:
        """Note agents. That one is gone from here is noted only where no other control plane has it by now."""
        rows = [(row, int(bool(data.get("connected")))) for row, data in agent_rows(reached)]

        def work() -> None:
            with self._db.transaction():
                for row, connected in rows:
                    self._db.run(_KEEP_AGENT, (*row, self._server.plane, connected))

        await self._do(work)

    async def look(self) -> Look:
        """What other control planes did since the last look, and whether this one decides."""

        def work() -> Look:
            leads = self._server.leads()
            alive = frozenset(as_int(row[0]) for row in self._db.run(_ALIVE, (_PLANE,))) - {self._server.plane}
            last = as_int(self._db.run("select coalesce(max(sequence), 0) from audit")[0][0])
            query = "select id, data, history, plane, changed from agents where changed > ? order by changed limit ?"
            rows = self._db.run(query, (self._others, MOST_AGENTS))
            changed, self._seen = last != self._seen, last
            self._others = as_int(rows[-1][4]) if rows else self._others
            agents = [AgentElsewhere(*saved_agent(row), as_int(row[3])) for row in rows if as_int(row[3]) != self._server.plane]
            return Look(leads, changed, tuple(agents), alive)

        return await self._do(work)

    async def authority(self) -> tuple[int, str] | None:
        """See `governance.svid.shared.AuthorityStore`, as for those below."""
        rows = await self._do(lambda: self._db.run("select version, data from authority"))
        return (as_int(rows[0][0]), str(rows[0][1])) if rows else None

    async def keep_authority(self, data: str, note: JsonObject, now: int, *, before: int) -> bool:
        """Keep the version after `before`; whether nobody was faster."""

        def work() -> bool:
            with self._change() as chain:
                found = self._db.run("select version from authority")
                if (as_int(found[0][0]) if found else 0) != before:
                    return False
                self._db.run("delete from authority")
                self._db.run("insert into authority values (1, ?, ?)", (before + 1, data))
                self._note(chain, now, "authority", {"version": before + 1, **note})
            return True

        return await self._do(work)

    async def acknowledge_authority(self, digest: str) -> bool:
        """Note it for this control plane; whether all that are there have noted the same."""

        def work() -> bool:
            with self._db.transaction():
                plane = self._server.plane
                alive = {as_int(row[0]) for row in self._db.run(_ALIVE, (_PLANE,))} | {plane}
                self._db.run(_ACKNOWLEDGE, (plane, digest))
                found = {as_int(row[0]): row[1] for row in self._db.run("select plane, digest from authority_acknowledged")}
                for gone in found.keys() - alive:
                    self._db.run("delete from authority_acknowledged where plane = ?", (gone,))
            return all(found.get(each) == digest for each in alive)

        return await self._do(work)


class _Server:
    """See `governance.stores.sql.Database`."""

    def __init__(self, url: str) -> None:
        try:
            given = conninfo_to_dict(url)
        except psycopg.Error as error:
            raise StoreError(f"control.store: {error}") from error
        host = str(given.get("host") or "")
        added = {"application_name": "spanloom-control", "connect_timeout": str(CONNECT_SECONDS), "tcp_user_timeout": "10000"}
        if not (host == "" or host.startswith("/") or is_loopback(host)) and "sslmode" not in given:
            added |= {"sslmode": "verify-full", "sslrootcert": "system"}
        self._conninfo = make_conninfo(url, **{name: value for name, value in added.items() if name not in given})
        self._name = f"postgresql://{host or 'localhost'}/{given.get('dbname') or ''}"  # nothing secret
        self._connection: psycopg.Connection | None = None
        self._present = self._leading = False
        self.plane = 0
        try:
            with self.transaction():
                self._make()
            self.plane = as_int(self.run("select nextval('plane_numbers')")[0][0])
            self.leads()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        for each in _TABLES:
            self.run(each)
        found = self.run("select version from format")
        if not found:
            self.run("insert into format values (1, ?)", (FORMAT,))
        elif as_int(found[0][0]) != FORMAT:
            raise StoreError(f"{self._name}: written by a later release (format {found[0][0]}; this one reads {FORMAT})")

    def _open(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._present = self._leading = False
            self._connection = psycopg.connect(self._conninfo, autocommit=True)
            for name, value in _SESSION.items():
                self._connection.execute("select set_config(%s, %s, false)", (name, value))
        return self._connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            reason = f"{self._name}: {str(error).strip() or type(error).__name__}"
            if self._connection is None or self._connection.closed:
                raise LostConnectionError(reason) from error
            raise StoreError(reason) from error

    def run(self, statement: str, parameters: Sequence[Cell] = ()) -> list[Row]:
        """The rows that a statement gives."""
        values = [each.replace("\0", "�") if isinstance(each, str) else each for each in parameters]
        with self._translated():
            found = self._open().execute(statement.replace("?", "%s").encode(), values)
            return found.fetchall() if found.description is not None else []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or nothing; one at a time among all that share the database."""
        with self._translated():
            self._open()
        self.run("begin")
        try:
            self.run("select pg_advisory_xact_lock(?::int, hashtext(current_schema()))", (_WRITE,))
            yield
        except BaseException:
            if self._connection is not None and not self._connection.closed:
                self.run("rollback")
            raise
        try:
            self.run("commit")
        except LostConnectionError as error:
            raise StoreError(f"{error}; whether that was kept shows when it is back") from error  # not done twice

    def leads(self) -> bool:
        """Whether this control plane decides: the first one does, until its session ends."""
        self._open_translated()
        if not self._present:
            self._present = self._try(_PLANE, "?::int", self.plane)
        if not self._leading:
            self._leading = self._try(_LEAD, "hashtext(current_schema()) + ?::int", 0)
        return self._leading

    def _try(self, kind: int, what: str, value: int) -> bool:
        return bool(self.run(f"select pg_try_advisory_lock(?::int, {what})", (kind, value))[0][0])

    def _open_translated(self) -> None:
        with self._translated():
            self._open()

    def close(self) -> None:
        """Let go of the database."""
        if self._connection is not None:
            self._connection.close()
