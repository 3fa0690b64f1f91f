"""Who sent telemetry: only what is surely of this machine counts as loopback."""

from __future__ import annotations

import pytest

from components.sender import MAX_SENDER, certificate_sender, grpc_host, is_loopback, sender_of_peer, token_sender


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "::ffff:127.0.0.1", "localhost", "::1%lo"])
def test_an_address_of_this_machine_alone_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "10.0.0.7", "127.0.0.1.evil.org", "localhost.evil.org", "::ffff:10.0.0.7", "", "unknown", "128.0.0.1"],
)
def test_any_other_is_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("name", ["forwarded", "x-forwarded-for", "x-real-ip", "via", "origin"])
def test_a_request_that_a_proxy_or_a_browser_passed_on_is_not_of_loopback(name: str) -> None:
    assert sender_of_peer("127.0.0.1", {name: "127.0.0.1"}) == "anonymous"


def test_who_shows_nothing_is_loopback_or_anonymous_by_the_connection() -> None:
    assert sender_of_peer("127.0.0.1", {"content-type": "application/json"}) == "loopback"
    assert sender_of_peer(None, {}) == "loopback"
    assert sender_of_peer("10.0.0.7", {}) == "anonymous"


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:127.0.0.1:5000", "127.0.0.1"),
        ("ipv6:[::1]:5000", "[::1]"),
        ("ipv6:%5B::1%5D:5000", "[::1]"),
        ("unix:/run/spanloom.sock", None),
        ("nonsense", "unknown"),
    ],
)
def test_the_address_of_a_grpc_peer_is_found(peer: str, host: str | None) -> None:
    assert grpc_host(peer) == host


def test_a_name_is_one_word_of_bounded_length_and_never_one_of_the_other_kinds() -> None:
    assert token_sender("checkout team\n") == "token:checkout_team_"
    assert certificate_sender("CN=agent,O=shop") == "certificate:CN=agent,O=shop"
    assert len(token_sender("x" * 10_000)) == MAX_SENDER
