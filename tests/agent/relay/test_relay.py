"""The relay's state machines alone: what is offered, accepted, refused and kept; and what a request of Envoy means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.relay.fault_ends import ends_of, without_ended
from agent.relay.last_good import LastGood
from agent.relay.messages import CLUSTER, ENDPOINTS, RUNTIME, SECRET, Request, Response, pack
from agent.relay.session import Session
from agent.relay.snapshots import Accepted, Snapshots
from components.xds.pool import parse, to_dict
from telemetry.errors import DecodeError, InputError

if TYPE_CHECKING:
    from pathlib import Path


def endpoints(name: str, port: int = 80) -> bytes:
    address = {"socket_address": {"address": "10.0.0.1", "port_value": port}}
    found = {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}
    return pack({"@type": ENDPOINTS, **found})[2]


def offered(*names: str, version: str = "2", port: int = 80) -> Response:
    return Response(ENDPOINTS, version, "n" + version, {name: endpoints(name, port) for name in names})


def accepted(snapshots: Snapshots, response: Response, names: tuple[str, ...]) -> Response:
    assert snapshots.offer(response, names)
    offer = snapshots.answer(response.type_url, names, 0).offer
    assert offer is not None
    assert snapshots.accept(offer)
    return offer


def test_messages_are_what_protobuf_says_they_are() -> None:
    request = Request(ENDPOINTS, ("a", "b"), "7", "n1", "no", b"")
    assert Request.decode(request.encode()) == request
    response = offered("a", "b")
    assert Response.decode(response.encode()) == response
    with pytest.raises(DecodeError):
        Request.decode(b"\xff\xff")
    with pytest.raises(DecodeError, match="an answer of"):
        Response.decode(response.encode() + Response(CLUSTER, "1", "n", {}).encode())  # the last of a field counts
    with pytest.raises(InputError, match="none of"):
        pack({"@type": "type.googleapis.com/google.protobuf.Struct"})


def test_an_answer_by_name_adds_to_what_is_there_and_what_nobody_asks_for_goes() -> None:
    snapshots = Snapshots()
    accepted(snapshots, offered("a", "b", version="1"), ("a", "b"))
    accepted(snapshots, offered("b", version="2", port=81), ("a", "b"))
    found = snapshots.answer(ENDPOINTS, ("a", "b"), 0)
    assert found.resources == {"a": endpoints("a"), "b": endpoints("b", 81)}
    assert found.complete
    accepted(snapshots, offered("c", version="3"), ("c",))
    assert set(snapshots.accepted[ENDPOINTS].resources) == {"c"}
    assert not snapshots.answer(ENDPOINTS, ("a", "c"), 0).complete


def test_what_is_refused_leaves_what_was_accepted() -> None:
    snapshots = Snapshots()
    accepted(snapshots, offered("a", version="1"), ("a",))
    assert snapshots.offer(offered("a", version="2", port=81), ("a",))
    bad = snapshots.answer(ENDPOINTS, ("a",), 0).offer
    assert bad is not None
    assert snapshots.refuse(bad)
    assert not snapshots.refuse(bad)
    assert not snapshots.accept(bad)
    assert snapshots.answer(ENDPOINTS, ("a",), 0).resources == {"a": endpoints("a")}
    assert snapshots.version(ENDPOINTS) == "1"


def test_an_answer_that_a_newer_one_replaced_is_neither_accepted_nor_refused() -> None:
    snapshots = Snapshots()
    assert snapshots.offer(offered("a", version="1"), ("a",))
    old = snapshots.answer(ENDPOINTS, ("a",), 0).offer
    assert snapshots.offer(offered("a", version="2", port=81), ("a",))
    assert old is not None
    assert not snapshots.accept(old)
    assert not snapshots.refuse(old)


def test_what_envoy_has_already_is_not_offered_again() -> None:
    snapshots = Snapshots()
    accepted(snapshots, offered("a", version="1"), ("a",))
    assert not snapshots.offer(offered("a", version="9"), ("a",))
    assert snapshots.version(ENDPOINTS) == "9"


def test_resources_of_the_centre_win_over_own_ones() -> None:
    snapshots = Snapshots()
    snapshots.set_own({ENDPOINTS: {"a": endpoints("a", 1), "b": endpoints("b", 1)}})
    accepted(snapshots, offered("a"), ("a",))
    assert snapshots.answer(ENDPOINTS, None, 0).resources == {"a": endpoints("a"), "b": endpoints("b", 1)}
    assert set(snapshots.own_only(ENDPOINTS)) == {"a", "b"}


def test_keys_below_one_that_ended_go_and_others_stay() -> None:
    layer = {"fault.a.abort": 5, "fault.a": 1, "fault.ab": 2, "until.fault.a": 100, "until.fault.b": 200.5, "until.x": "soon"}
    data = pack({"@type": RUNTIME, "name": "spanloom", "layer": layer})[2]
    assert sorted(ends_of(data)) == [100 * 10**9, 200_500_000_000]
    assert without_ended(data, 100 * 10**9 - 1) == data
    message = parse("envoy.service.runtime.v3.Runtime", {})
    message.ParseFromString(without_ended(data, 100 * 10**9))
    left = to_dict(message)["layer"]
    assert left == {"fault.a": 1, "fault.ab": 2, "until.fault.b": 200.5, "until.x": "soon"}
    snapshots = Snapshots({RUNTIME: Accepted("1", {"spanloom": data})})
    assert snapshots.next_end(0) == 100 * 10**9
    assert snapshots.next_end(100 * 10**9) == 200_500_000_000
    assert snapshots.next_end(201 * 10**9) is None
    assert snapshots.answer(RUNTIME, ("spanloom",), 0).version != snapshots.answer(RUNTIME, ("spanloom",), 10**12).version


def test_the_last_good_is_read_as_it_was_written_without_secrets_and_not_when_it_is_damaged(tmp_path: Path) -> None:
    secret = pack({"@type": SECRET, "name": "workload", "tls_certificate": {"private_key": {"inline_string": "k"}}})[2]
    known = {ENDPOINTS: Accepted("3", {"a": endpoints("a")}), SECRET: Accepted("1", {"workload": secret})}
    file = tmp_path / "folder" / "last-good"
    LastGood(file, keep_secrets=False, max_bytes=1000).write(known)
    assert file.stat().st_mode & 0o777 == 0o600
    assert LastGood(file, keep_secrets=False, max_bytes=1000).read() == {ENDPOINTS: known[ENDPOINTS]}
    LastGood(file, keep_secrets=True, max_bytes=1000).write(known)
    assert LastGood(file, keep_secrets=True, max_bytes=1000).read() == known
    with pytest.raises(InputError, match="more than"):
        LastGood(file, keep_secrets=True, max_bytes=50).write(known)
    assert LastGood(file, keep_secrets=True, max_bytes=50).read() == {}  # larger than allowed
    whole = file.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole.replace(b'"3"', b'"4"'), b"", b"x\ny"):
        file.write_bytes(damaged)
        assert LastGood(file, keep_secrets=True, max_bytes=1000).read() == {}


class Dialogue:
    """A session with what it was asked; `reply` is what the newest request means."""

    def __init__(self) -> None:
        self.session, self.snapshots = Session(), Snapshots()
        self.snapshots.offer(offered("a", "b", "c"), None)

    def asks(self, *names: str, nonce: str = "", error: str = "") -> tuple[bool, bool]:
        reply = self.session.read(Request(ENDPOINTS, names, "", nonce, error))
        return reply.first_answer is not None, reply.wants_answer

    def sends(self, *names: str) -> None:
        self.session.send(ENDPOINTS, self.snapshots.answer(ENDPOINTS, names, 0))


async def test_a_request_is_an_answer_once_and_the_same_again_asks_again() -> None:
    dialogue = Dialogue()
    assert dialogue.asks("a") == (False, True)
    dialogue.sends("a")
    assert [one.nonce for one in await dialogue.session.outgoing()] == ["1"]
    assert len(dialogue.session.unanswered()) == 1
    assert dialogue.asks("a", nonce="1") == (True, False)
    assert dialogue.session.unanswered() == []
    assert dialogue.asks("a", nonce="1") == (False, True)  # a changed cluster waits for its endpoints
    assert dialogue.asks("a", "b", nonce="1") == (False, True)


async def test_a_request_with_an_old_nonce_only_changes_what_is_subscribed() -> None:
    dialogue = Dialogue()
    dialogue.asks("a")
    dialogue.sends("a")
    dialogue.sends("a")
    sent = await dialogue.session.outgoing()
    assert [one.nonce for one in sent] == ["2"], "a newer answer replaces one that waits"
    assert dialogue.asks("a", nonce="1") == (False, False)
    assert dialogue.asks("a", "b", nonce="1") == (False, True)
    assert dialogue.asks("a", "b", nonce="2", error="no") == (True, False)
    assert dialogue.asks("a", "b", nonce="2", error="no") == (False, False)
