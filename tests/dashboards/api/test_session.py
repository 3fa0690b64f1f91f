from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest
from prometheus_client import CollectorRegistry

from components.access.tokens import new_token, token_hash
from dashboards.api.app import build_app
from dashboards.api.server import ConsoleServer
from spanloom import clock
from spanloom.access.build import build_access
from spanloom.config import Config
from tests.dashboards import shop

if TYPE_CHECKING:
    from pathlib import Path

    from stores.duckdb.store import DuckDbStore

VIC, ANN = new_token(), new_token()


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", {"name": "anonymous", "role": None, "source": "anonymous", "rights": []}),
        (VIC, {"name": "vic", "role": "viewer", "source": "token", "rights": ["read"]}),
        (ANN, {"name": "ann", "role": "operator", "source": "token", "rights": ["read", "operate"]}),
    ],
    ids=["anonymous", "vic", "ann"],  # tokens are others in each process, and tests must have the same names in all
)
async def test_a_session_says_who_asks_and_what_they_may_do(
    token: str, said: dict[str, object], store: DuckDbStore, tmp_path: Path
) -> None:
    tokens = [
        {"name": name, "role": role, "hash": token_hash(secret)}
        for name, role, secret in (("vic", "viewer", VIC), ("ann", "operator", ANN))
    ]
    config = Config.model_validate({"data_dir": tmp_path, "access": {"tokens": tokens, "read": "open"}})
    access = build_access(config, CollectorRegistry(), clock.system)
    server = ConsoleServer(access.guard(build_app(store, dict, CollectorRegistry(), lambda: shop.NOW)), port=0)
    await server.start()
    try:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        async with httpx2.AsyncClient(base_url=server.url, headers=headers) as client:
            assert (await client.get("/api/v1/session")).json() == said
    finally:
        await server.stop()
