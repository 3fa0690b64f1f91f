"""The API's description is that of the routes, and the routes keep to it, whatever they are asked."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from dashboards.api.openapi import PATH, description

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import Case
    from schemathesis.schemas import BaseSchema

ENDLESS = ("/api/v1/events", "/api/v1/logs/tail")
"""Streams: they answer for as long as somebody listens."""

EXAMPLES = 4

OPERATIONS = [
    (path, method)
    for path, operations in orjson.loads(PATH.read_bytes())["paths"].items()
    for method in operations
    if path not in ENDLESS
]

load_all_checks()
CHECKED = CHECKS.get_by_names(["not_a_server_error", "content_type_conformance", "response_schema_conformance"])


def test_the_committed_description_is_that_of_the_routes() -> None:
    assert PATH.read_bytes() == description(), "run python -m dashboards.api"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    """The description as a server with the shop's documents gives it."""
    command = [sys.executable, "-m", "tests.dashboards.serve", str(tmp_path_factory.mktemp("fuzzed")), "shop"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        url = server.stdout.readline().strip()
        yield schemathesis.openapi.from_url(f"{url}/openapi.json")
        server.stdin.close()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_question_makes_the_api_fail_or_answer_other_than_described(api: BaseSchema, path: str, method: str) -> None:
    operation = api[path][method]

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Case[Any]) -> None:
        case.call_and_validate(checks=CHECKED, timeout=60)  # type: ignore[arg-type] # it names a part of its own checks

    ask()
