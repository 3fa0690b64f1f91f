from __future__ import annotations

from components.access import attempts, sessions
from components.access.attempts import Attempts
from components.access.identity import Identity
from components.access.roles import Role
from components.access.sessions import Sessions

SECOND = 1_000_000_000


def test_the_table_of_addresses_is_bounded() -> None:
    table = Attempts(lambda: 0)
    for number in range(attempts.MAX_ADDRESSES + 100):
        table.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(table) == attempts.MAX_ADDRESSES


def test_one_network_of_ipv6_is_one_address() -> None:
    table = Attempts(lambda: 0)
    for number in range(attempts.BURST):
        table.failed(f"2001:db8:1:2::{number:x}")
    assert table.wait("2001:db8:1:2:ffff::1") > 0
    assert table.wait("2001:db8:1:3::1") == 0


def test_a_scraper_that_fails_every_quarter_minute_is_never_locked_out() -> None:
    now = 0
    table = Attempts(lambda: now)
    for _ in range(1000):
        assert table.wait("10.0.0.1") == 0
        table.failed("10.0.0.1")
        now += 15 * SECOND


def test_the_oldest_login_ends_when_there_are_too_many() -> None:
    kept = Sessions(lambda: 0, 60)
    first, *others = [kept.begin(Identity("ann", Role.VIEWER, "token")) for _ in range(sessions.MAX_SESSIONS + 1)]
    assert len(kept) == sessions.MAX_SESSIONS
    assert kept.find(first) is None
    assert all(kept.find(cookie) is not None for cookie in others)
