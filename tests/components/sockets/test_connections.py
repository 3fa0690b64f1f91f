from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from components.sockets.connections import ConnectionLimits, ConnectionMetrics, Connections, Stage, address_key


class Port:
    """The connections of a port, and which of them were closed to make room."""

    def __init__(self, total: int, per_address: int) -> None:
        self.registry = CollectorRegistry()
        limits = ConnectionLimits(max_connections=total, max_connections_per_address=per_address)
        self.connections = Connections("test", limits, ConnectionMetrics(self.registry))
        self.closed: list[str] = []

    def admit(self, name: str, host: str = "192.0.2.1", stage: Stage = Stage.SILENT) -> bool:
        connection = self.connections.admit(host, lambda: self.closed.append(name))
        if connection is not None:
            connection.enter(stage)
        return connection is not None


def test_the_silent_go_before_the_idle_and_these_before_slow_bodies_and_websockets() -> None:
    port = Port(5, 5)
    for name, stage in (
        ("busy", Stage.BUSY),
        ("websocket", Stage.STREAMING),
        ("body", Stage.READING),
        ("idle", Stage.IDLE),
        ("silent", Stage.SILENT),
    ):
        assert port.admit(name, stage=stage)
    for name in ("a", "b", "c", "d"):
        assert port.admit(name, stage=Stage.BUSY)
    assert port.closed == ["silent", "idle", "body", "websocket"]
    assert not port.admit("e")


def test_of_equals_the_one_that_waits_longest_goes() -> None:
    port = Port(3, 3)
    for name in ("first", "second", "third", "fourth", "fifth"):
        assert port.admit(name)
    assert port.closed == ["first", "second"]


def test_an_address_that_has_all_it_may_have_pushes_out_itself_alone() -> None:
    port = Port(100, 2)
    assert port.admit("other", "192.0.2.9")
    for name in ("a", "b", "c"):
        assert port.admit(name, "192.0.2.1")
    assert port.closed == ["a"]


def test_who_nobody_makes_room_for_is_counted_by_reason() -> None:
    port = Port(2, 1)
    assert port.admit("a", "192.0.2.1", Stage.BUSY)
    assert not port.admit("b", "192.0.2.1")
    assert port.admit("c", "192.0.2.2", Stage.BUSY)
    assert not port.admit("d", "192.0.2.3")
    for reason in ("address_full", "full"):
        labels = {"port": "test", "reason": reason}
        assert port.registry.get_sample_value("spanloom_connections_closed_total", labels) == 1


def test_a_connection_that_has_ended_is_not_there_and_nothing_of_its_address_is_kept() -> None:
    port = Port(10, 10)
    connection = port.connections.admit("192.0.2.1", lambda: None)
    assert connection is not None
    assert len(port.connections) == 1
    for _ in range(2):
        connection.release()
    connection.enter(Stage.BUSY)
    assert len(port.connections) == 0
    assert port.registry.get_sample_value("spanloom_connections", {"port": "test"}) == 0


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_addresses_of_one_network_count_as_one(host: str, key: str) -> None:
    assert address_key(host) == key
