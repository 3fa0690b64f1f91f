"""The routes of the numbers of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response  # noqa: TC002  FastAPI reads annotations at run time

from dashboards.api.asked import Asked  # noqa: TC001  as above
from dashboards.api.calls.red import AskedRed, Red, red
from dashboards.api.calls.service import ServiceDetail, is_known, service_detail
from dashboards.api.calls.service_graph import ServiceGraph, service_graph
from dashboards.api.calls.services import Services, services
from dashboards.api.errors import ERRORS
from dashboards.read_models.http_errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboards.api.answers import Answers
    from dashboards.read_models.bounded_reads import BoundedReads


def call_routes(reads: BoundedReads, answers: Answers, now: Callable[[], int]) -> APIRouter:
    """`/api/v1/services`, `/api/v1/services/{service}`, `/api/v1/red`, `/api/v1/map`."""
    router = APIRouter(responses=ERRORS)

    @router.get("/api/v1/services", response_model=Services)
    async def give_services(asked: Annotated[Asked, Query()]) -> Response:
        """Every service that there was anything of: calls that it received, spans that it sent, how unusual it is."""
        covered = asked.covered(now())
        question = "services", covered.since, covered.until, asked.environment
        return await answers.give(question, covered.until, lambda: services(reads, asked, covered))

    @router.get("/api/v1/services/{service:path}", response_model=ServiceDetail)
    async def give_service(
        service: Annotated[str, Path(min_length=1, max_length=1024)], asked: Annotated[Asked, Query()]
    ) -> Response:
        """One service: its operations, who calls it and whom it calls, instances, versions and exceptions."""
        covered = asked.covered(now())

        async def make() -> ServiceDetail:
            detail = await service_detail(reads, asked, covered, service)
            if not is_known(detail):
                raise NotFoundError(f"nothing is stored of service {service!r} in this time")
            return detail

        return await answers.give(("service", service, covered.since, covered.until, asked.environment), covered.until, make)

    @router.get("/api/v1/red", response_model=Red)
    async def give_red(asked: Annotated[AskedRed, Query()]) -> Response:
        """Rate, errors and durations by step of time: of all calls to services, of a service, an operation or an edge."""
        at = now()
        step = asked.chosen_step(at)
        covered = asked.covered(at, step)
        named = asked.service, asked.operation, asked.caller, asked.callee, asked.heatmap
        question = "red", covered.since, covered.until, asked.environment, step, *named
        return await answers.give(question, covered.until, lambda: red(reads, asked, covered, step))

    @router.get("/api/v1/map", response_model=ServiceGraph)
    async def give_map(asked: Annotated[Asked, Query()]) -> Response:
        """Who calls whom, how often, how fast, how often it fails, and how far that is from what it was just before."""
        covered = asked.covered(now())
        question = "map", covered.since, covered.until, asked.environment
        return await answers.give(question, covered.until, lambda: service_graph(reads, asked, covered))

    return router
