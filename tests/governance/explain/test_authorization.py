"""`spanloom policy explain` says what the real Envoy does: documents and requests drawn by a seed, each asked of both."""

from __future__ import annotations

import asyncio
import random
import ssl
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

import orjson
import pytest
from click.testing import CliRunner

from components.durations import HOUR
from components.spiffe import spiffe_id
from governance.compile.site import Options
from governance.explain.authorization import AskedRequest, decide
from governance.explain.paths import normalised
from governance.files import read_policies
from governance.svid.authority import Authority
from spanloom import clock
from spanloom.commands.policy import policy
from telemetry.errors import InputError
from tests.governance.mesh import DEADLINE, Connection, Mesh
from tests.governance.test_identity import context
from tests.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

DOMAIN = "shop.test"
CALLERS = ("front", "shop/till", "thief")
PATHS = (
    "/",
    "/pay",
    "/pay/1",
    "/pay/1?user=ann",
    "/pay//1",
    "/pay/./1",
    "/x/../pay/1",
    "/adm",
    "/pay/../adm",
    "/pay/..",
    "/pay/.",
    "/PAY/1",
    "/%70ay/1",
    "/pay/%2E%2E/adm",
    "/pay/a%20b",
    "/pay;v=1/1",
    "/../../pay/1",
    "/pay?next=/adm/../x//y",
)
HEADERS: tuple[dict[str, str], ...] = ({}, {"x-user": "ann"}, {"x-user": "annabel"}, {"x-user": "bob", "x-beta": "1"})


class Secure(Connection):
    """A kept connection that proves an identity."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        super().__init__(port)
        self._tls = tls

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(DEADLINE):
            while True:
                try:
                    self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self._tls)
                except ssl.SSLError:  # a hello that comes late, on a busy machine, is taken for plain text
                    await asyncio.sleep(0.05)
                else:
                    return self


def a_document(chance: random.Random) -> str:
    """Policies of `pay` and of others."""

    def some(items: tuple[str, ...], most: int) -> list[str]:
        return chance.sample(items, chance.randint(0, most))

    def rule() -> dict[str, object]:
        path: dict[str, object] = chance.choice(
            [
                {},
                {"path": "/pay/1"},
                {"prefix": "/pay"},
                {"prefix": "/pay/"},
                {"regex": "/(pay|adm)(/[0-9]*)?"},
                {"prefix": "/"},
            ]
        )
        header: dict[str, object] = chance.choice(
            [{}, {"exact": "ann"}, {"prefix": "ann"}, {"regex": "(ann|bob)"}, {"absent": True}],
        )
        match: dict[str, object] = {**path, "methods": some(("GET", "POST", "PUT"), 2)}
        if chance.random() < 0.4:
            match["headers"] = [{"name": chance.choice(["x-user", "X-Beta"]), **header}]
        return {"callers": some(("front", "shop/till", f"spiffe://{DOMAIN}/ns/default/sa/thief", "*"), 2), "match": match}

    mode = {"name": "mode", "service": chance.choice(["pay", "*", "other"]), "mode": chance.choice(["strict", "permissive"])}
    authorization = [
        {
            "name": f"a{at}",
            "service": chance.choice(["pay", "pay", "other"]),
            "allow": [rule() for _ in range(chance.randint(0, 3))],
        }
        for at in range(chance.randint(0, 3))
    ]
    return orjson.dumps({"services": [{"name": "pay"}], "mtls": [mode], "authorization": authorization}).decode()


async def test_the_explanation_is_what_envoy_decides(tmp_path: Path) -> None:
    chance = random.Random(20260)
    authority = Authority(tmp_path / "authority.pem", DOMAIN, HOUR, clock.system())
    seen = {True: 0, False: 0}
    async with (
        Mesh(tmp_path, options=Options(trust_domain=DOMAIN), issuer=authority) as mesh,
        AsyncExitStack() as stack,
    ):
        upstream, inbound = await mesh.upstream("pay"), free_port()
        await mesh.publish("services: [{name: pay}]")
        await mesh.envoy("pay", inbound=inbound, address="127.0.0.1", application=upstream.port)
        kept: dict[str, Connection] = {"": await stack.enter_async_context(Connection(inbound))}
        for at, caller in enumerate(CALLERS):
            tls = context(tmp_path, f"c{at}", authority.issue(caller, clock.system()), authority.bundle)
            kept[spiffe_id(DOMAIN, caller)] = await stack.enter_async_context(Secure(inbound, tls))
        for _ in range(16):
            text = a_document(chance)
            await mesh.publish(text + " " * mesh.envoys)
            policies = read_policies(text, "p.yml")
            for path in PATHS:
                for caller, connection in kept.items():
                    method, headers = chance.choice(["GET", "POST", "DELETE"]), chance.choice(HEADERS)
                    decision = decide(policies, AskedRequest(caller, "pay", method, path, headers), DOMAIN)
                    status, _ = await connection.get(
                        "pay", path, method, **{k.replace("-", "_"): v for k, v in headers.items()}
                    )
                    assert {200: True, 403: False}[status] is decision.allowed, (text, caller, method, path, headers, decision)
                    seen[decision.allowed] += 1
                    if status == 200:
                        assert upstream.seen[-1][":path"] == normalised(path)
    assert min(seen.values()) > 100, seen


@pytest.mark.parametrize("path", ["pay", "/a#b", "/a\\b", "/a b", "/a%2Fb", "/a%5cb", "/a%zz", "/ä", ""])
def test_what_envoy_refuses_or_redirects_before_it_decides_is_not_explained(path: str) -> None:
    with pytest.raises(InputError):
        normalised(path)


DOCUMENT = """
mtls: [{name: proven, service: '*', mode: strict}]
authorization:
  - name: readers
    service: pay
    allow:
      - {callers: [front], match: {prefix: /pay, methods: [GET]}}
      - {match: {path: /health}}
"""


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (
            "--from spiffe://shop.test/ns/default/sa/front --to pay --path /pay/1",
            0,
            'FILE:7:9: allowed by "readers/0": it allows callers front what it matches\n',
        ),
        (
            "--from front --trust-domain shop.test --to pay --path /pay/1 --method POST",
            1,
            (
                'FILE:4:5: refused by "readers": pay has authorization, and no rule allows the request\n'
                '  FILE:7:9: "readers/0" does not allow it: the method POST is none of GET\n'
                '  FILE:8:9: "readers/1" does not allow it: the path /pay/1 is not /health\n'
            ),
        ),
        ("--to other", 1, 'FILE:2:8: refused by "strict": mtls is strict, and the caller proves no identity\n'),
        (
            "--from spiffe://evil.test/ns/default/sa/front --trust-domain shop.test --to pay",
            1,
            "refused: its certificate is of evil.test, and shop.test is trusted: refused in the handshake\n",
        ),
        ("--from front --to pay", 2, None),
        ("--to pay --path /a#b", 2, None),
        ("--from spiffe://shop.test --to pay", 2, None),
        ("--to pay --method get", 2, None),
        ("--to pay --header nothing", 2, None),
    ],
)
def test_the_command_names_the_line_that_decides(tmp_path: Path, arguments: str, code: int, expected: str | None) -> None:
    file = tmp_path / "p.yml"
    file.write_text(DOCUMENT)
    found = CliRunner().invoke(policy, ["explain", str(file), *arguments.split()])
    assert found.exit_code == code, found.output
    if expected is not None:
        assert found.output.replace(str(file), "FILE") == expected
        data = CliRunner().invoke(policy, ["explain", str(file), *arguments.split(), "--json"])
        assert orjson.loads(data.output)["allowed"] is (code == 0)
