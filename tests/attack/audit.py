"""An audit trail that somebody changes: in the store's own file, and in what was read from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb

from tests.attack.line import Line, must
from tests.attack.target import JSON

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attack.bench import Bench
    from tests.attack.target import Product

RECORDS = 6
Trail = list[dict[str, Any]]


def _with_a_trail(bench: Bench) -> Product:
    """One whose trail has records of an operator, running."""
    own = bench.product("up", "--once")
    own.start()
    own.wait_ready()
    for count in range(RECORDS):
        verb = "resume" if count % 2 else "stop"
        status = own.post(f"/api/v1/healing/{verb}", b"{}", JSON, headers=own.authorised).status
        must(200 <= status < 300, f"{verb}: {status}")
    own.wait_for(lambda: len(own.find("audit")) >= RECORDS, 90, "no audit trail is stored")
    return own


def _verified(own: Product, *arguments: str) -> tuple[int, list[int]]:
    """Exit code, and the numbers of the records that are found to be wrong."""
    done = own.command("audit", "verify", *arguments, "--json")
    must(done.returncode in {0, 1} and done.stdout, f"{arguments}: {done.returncode} {done.stderr[-300:]}")
    found = json.loads(done.stdout)
    must(found["whole"] is (done.returncode == 0), f"exit code {done.returncode}: {done.stdout}")
    return done.returncode, [fault["sequence"] for chain in found["chains"] for fault in chain["faults"]]


def _change(trail: Trail) -> None:
    trail[2]["data"] = {**trail[2]["data"], "who": "nobody"}


def _swap(trail: Trail) -> None:
    trail[1]["sequence"], trail[2]["sequence"] = trail[2]["sequence"], trail[1]["sequence"]


ALTERATIONS: dict[str, Callable[[Trail], object]] = {
    "changed": _change,
    "deleted": lambda trail: trail.pop(2),
    "swapped": _swap,
    "repeated": lambda trail: trail.append(dict(trail[2])),
    "end cut off": lambda trail: trail.pop(),
    "all deleted": lambda trail: trail.clear(),
}


def no_alteration_of_the_audit_trail_goes_unnoticed(bench: Bench) -> str:
    """Records changed, deleted, swapped, repeated and cut off in an export; then one changed in the store's file itself."""
    own = _with_a_trail(bench)
    url = f"http://127.0.0.1:{own.console}"
    trail = sorted(own.find("audit"), key=lambda record: int(record["sequence"]))
    head = f"{trail[-1]['chain']}:{trail[-1]['sequence']}:{trail[-1]['hash']}"
    file = bench.folder() / "audit.jsonl"
    found = {"untouched": _verified(own, "--url", url, "--head", head)}
    for name, alter in ALTERATIONS.items():
        altered: Trail = json.loads(json.dumps(trail))
        alter(altered)
        file.write_text("".join(f"{json.dumps(record)}\n" for record in altered))
        found[name] = _verified(own, str(file), "--head", head)
    own.stop()
    with duckdb.connect(own.data / "spanloom.duckdb") as store:
        _forge(store, trail[2])
    own.start()
    own.wait_ready()
    found["changed in the store"] = _verified(own, "--url", url)
    own.stop()
    must(found.pop("untouched") == (0, []), "an untouched trail is said to be broken")
    unseen = [name for name, (code, faults) in found.items() if code != 1 or not faults]
    must(not unseen, f"not noticed: {unseen}")
    return f"{len(trail)} records; " + ", ".join(f"{name}: {faults}" for name, (_, faults) in found.items())


def _forge(store: Any, record: dict[str, Any]) -> None:
    """Put another name where the operator's was, as who owns the file can."""
    who = json.dumps(record["data"]["who"])
    columns = "table_name, column_name"
    named = (
        f"SELECT {columns} FROM duckdb_columns() WHERE table_name LIKE '%audit%' AND data_type IN ('VARCHAR', 'JSON', 'BLOB')"
    )
    changed = 0
    for table, column in store.execute(named).fetchall():
        text = f'SELECT rowid, "{column}" FROM "{table}" WHERE sequence = ?'
        for row, body in store.execute(text, [record["sequence"]]).fetchall():
            if isinstance(body, str) and who in body:
                store.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = ?', [body.replace(who, '"nobody"'), row])
                changed += 1
    must(changed, "the record's text was not found in the store")


LINES = (Line("audit", no_alteration_of_the_audit_trail_goes_unnoticed),)
