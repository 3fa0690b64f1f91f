"""Files that are cut, flipped, gone or someone else's, and a second process on one folder."""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import TYPE_CHECKING

from tests.attack.line import Line, must
from tests.attack.telemetry import spans

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.attack.bench import Bench
    from tests.attack.target import Product


FILLED, RECORD = 6000, 200
"""Spans, and those of a record."""
LOST = re.compile(r"(otlp_spans\[\d\]): .*confirmed records (\d+) to (\d+) ")


def _filled(bench: Bench) -> Product:
    """One that was killed with acknowledged records in its log, most of them not yet read."""
    own = bench.product()
    own.start()
    own.wait_ready()
    for _ in range(FILLED // RECORD):
        must(own.export(spans("kept", RECORD)).status == 200, "not accepted")
    own.kill()
    return own


def _segments(data: Path, topic: str) -> list[Path]:
    return sorted((data / "log" / "topics" / topic).glob("*/*.log"))


def _largest(data: Path, topic: str) -> Path:
    return max(_segments(data, topic), key=lambda path: path.stat().st_size)


def _flip(path: Path, at: float, count: int) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(int(size * at))
        found = file.read(count)
        file.seek(int(size * at))
        file.write(bytes(byte ^ 0xFF for byte in found))


def _started_on(bench: Bench, filled: Product, damage: Callable[[Path], object]) -> tuple[Product, int | None]:
    """A product on a damaged copy of the folder: running, or its exit code."""
    own = bench.product("up", "--once")
    shutil.copytree(filled.data, own.data)
    (own.data / "log" / "lock").unlink(missing_ok=True)
    damage(own.data)
    own.start()
    return own, own.outcome()


def damage_to_confirmed_records_is_found_at_the_start(bench: Bench) -> str:
    """Segments of a log cut to 5 bytes, to nothing and in the middle, deleted, flipped: each start must say which file."""
    filled = _filled(bench)
    cases: dict[str, Callable[[Path], object]] = {
        "cut to 5 bytes": lambda data: os.truncate(_largest(data, "otlp_spans"), 5),
        "cut to nothing": lambda data: os.truncate(_largest(data, "otlp_spans"), 0),
        "cut to its header": lambda data: os.truncate(_largest(data, "otlp_spans"), 16),
        "cut in the middle": lambda data: os.truncate(
            _largest(data, "otlp_spans"), _largest(data, "otlp_spans").stat().st_size // 2
        ),
        "deleted": lambda data: _largest(data, "otlp_spans").unlink(),
        "flipped in the middle": lambda data: _flip(_largest(data, "otlp_spans"), 0.5, 16),
        "flipped at the beginning": lambda data: _flip(_largest(data, "otlp_spans"), 0, 8),
    }
    said = []
    for name, damage in cases.items():
        own, code = _started_on(bench, filled, damage)
        own.stop()
        must(code == 1, f"{name}: exit code {code}; log: {own.log[-200:]}")
        must("otlp_spans" in own.log and "Traceback" not in own.log, f"{name}: the file is not named: {own.log[-300:]}")
        said.append(name)
    return f"{', '.join(said)}: exit 1, each names the file"


def _kept(own: Product) -> int:
    return len(own.find("span", "resource.attributes.service.name:kept", limit=10_000))


def _damage_two(data: Path) -> None:
    first, second, *_ = _segments(data, "otlp_spans")
    os.truncate(first, 16)
    _flip(second, 0.5, 16)


def a_damaged_log_goes_on_once_its_loss_is_accepted(bench: Bench) -> str:
    """`spanloom log repair` of a log cut in the middle of a segment and flipped in another; then a start on it."""
    own, code = _started_on(bench, _filled(bench), _damage_two)
    must(code == 1 and "spanloom log repair" in own.log, f"exit code {code}, without the way out: {own.log[-300:]}")
    asked = own.command("log", "repair", "--json")
    must(asked.returncode == 2, f"repaired without being asked for: {asked.stdout}")
    repaired = own.command("log", "repair", "--yes", "--json")
    must(repaired.returncode == 0, f"not repaired: {repaired.stderr[-300:]}")
    repairs = json.loads(repaired.stdout)["repairs"]
    lost = {found[1]: int(found[3]) - int(found[2]) + 1 for line in repairs if (found := LOST.match(line))}
    must(list(lost) == ["otlp_spans[0]", "otlp_spans[1]"], f"what is lost is not said: {repairs}")
    own.start()
    own.wait_ready()
    seconds = own.stored_afterwards()
    least = FILLED - RECORD * sum(lost.values())
    own.wait_for(lambda: _kept(own) >= least, 120, f"fewer than the {least} spans of intact records are stored")
    kept = _kept(own)
    again = own.command("log", "repair", "--yes", "--json")
    must(again.returncode == 2, "a log that is in use was repaired")
    own.stop()
    return f"{repairs}; {kept} of {FILLED} spans kept, the next stored after {seconds:.0f} s"


def a_damaged_topic_file_is_named(bench: Bench) -> str:
    """topic.json empty, garbage, of other types, gone; the lock and the token replaced by folders."""
    filled = _filled(bench)
    cases: dict[str, Callable[[Path], object]] = {
        "empty": lambda data: (data / "log/topics/otlp_spans/topic.json").write_text(""),
        "garbage": lambda data: (data / "log/topics/otlp_spans/topic.json").write_text("{x"),
        "list": lambda data: (data / "log/topics/otlp_spans/topic.json").write_text("[]"),
        "odd numbers": lambda data: (data / "log/topics/otlp_spans/topic.json").write_text('{"partitions":-1}'),
        "not UTF-8": lambda data: (data / "log/topics/otlp_spans/topic.json").write_bytes(b"\xff\xfe"),
    }
    for name, damage in cases.items():
        own, code = _started_on(bench, filled, damage)
        own.stop()
        must(code == 1, f"{name}: exit code {code}; log: {own.log[-200:]}")
        must("topic.json" in own.log, f"{name}: the file is not named: {own.log[-300:]}")
        must("Traceback" not in own.log, f"{name}: a traceback: {own.log[-300:]}")
    return f"{len(cases)} kinds, exit 1, each names topic.json"


def a_damaged_store_or_state_is_named(bench: Bench) -> str:
    """The DuckDB file flipped and emptied, the approval key and the token too short."""
    filled = _filled(bench)
    cases: dict[str, tuple[str, Callable[[Path], object]]] = {
        "store flipped at its beginning": ("spanloom.duckdb", lambda data: _flip(data / "spanloom.duckdb", 0, 4096)),
        "store of text": ("spanloom.duckdb", lambda data: (data / "spanloom.duckdb").write_text("not a database" * 99)),
        "token of text": ("token", lambda data: (data / "token").write_text("x")),
    }
    codes = {}
    for name, (file, damage) in cases.items():
        own, code = _started_on(bench, filled, damage)
        own.stop()
        codes[name] = code
        must(code is not None and code != 0, f"{name}: it runs; log: {own.log[-200:]}")
        must(file in own.log and "Traceback" not in own.log, f"{name}: the file is not named: {own.log[-400:]}")
    return f"{codes}"


def what_was_acknowledged_is_stored_after_a_kill(bench: Bench) -> str:
    """kill -9 with 6,000 acknowledged spans, then a start on the folder as it is."""
    filled = _filled(bench)
    filled.start()
    filled.wait_ready()
    filled.wait_for(
        lambda: filled.status()["spans_stored"] and len(filled.find("span", limit=10_000)) == FILLED, 90, "not all stored"
    )
    filled.stop()
    return f"{FILLED} of {FILLED}"


def a_second_process_on_a_folder_ends_at_once(bench: Bench) -> str:
    """`spanloom up` on the folder of a running one."""
    up = bench.up
    second = bench.product(settings={"DATA_DIR": str(up.data)})
    second.start()
    code = second.ended(60)
    second.stop()
    must(code == 2, f"exit code {code}; log: {second.log[-300:]}")
    must(str(up.data) in second.log, f"the folder is not named: {second.log[-300:]}")
    must(second.log.count("restarting") == 0, "it was started again")
    must(up.export(spans("first")).status == 200, "the first one does not go on")
    return "exit 2, the first goes on"


def a_second_process_on_the_same_log_or_store_ends_at_once(bench: Bench) -> str:
    """`spanloom up` on the log, on the store, and by another name on the folder of a running one."""
    up = bench.up
    link = bench.folder() / "link"
    link.symlink_to(up.data)
    codes = {}
    for name, settings in (
        ("log", {"LOG": f"log://{up.data / 'log'}"}),
        ("store", {"STORE": f"duckdb://{up.data / 'spanloom.duckdb'}"}),
        ("link", {"DATA_DIR": str(link)}),
    ):
        second = bench.product(settings=settings)
        second.start()
        codes[name] = second.ended(90)
        second.stop()
        must(codes[name] == 2, f"{name}: exit code {codes[name]}; log: {second.log[-300:]}")
        must("restarting" not in second.log, f"{name}: it was started again")
        must("Traceback" not in second.log, f"{name}: a traceback: {second.log[-400:]}")
    must(up.export(spans("first")).status == 200, "the first one does not go on")
    return f"{codes}"


LINES = (
    Line("damage", damage_to_confirmed_records_is_found_at_the_start),
    Line("damage", a_damaged_log_goes_on_once_its_loss_is_accepted),
    Line("damage", a_damaged_topic_file_is_named),
    Line("damage", a_damaged_store_or_state_is_named),
    Line("damage", what_was_acknowledged_is_stored_after_a_kill),
    Line("damage", a_second_process_on_a_folder_ends_at_once, quick=True),
    Line("damage", a_second_process_on_the_same_log_or_store_ends_at_once),
)
