"""The supervisor's HTTP API.

GET  /healthz                    200 when every instance is ready, else 503
GET  /services                   every instance: name, pid, state, url, restarts, isolated, takes_traffic, fault, and
                                 restarted_by, the Idempotency-Key of the last restart that was asked for and is done
GET  /services/{name}            one of them
GET  /sent                       spans and logs that the shop's exporters have delivered
POST /services/{name}/restart    a new process, which has no fault; answers when it is ready
POST /services/{name}/isolate    no traffic any more; 409 if nobody else takes it
POST /services/{name}/restore    traffic again
POST /services/{name}/fault      {"kind": "latency", "milliseconds": N}, {"kind": "errors", "ratio": R}, {} clears
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from demo.shop.faults import Fault, FaultError
from demo.supervisor.instance import InstanceError
from demo.supervisor.shop import LastInstanceError, UnknownInstanceError

if TYPE_CHECKING:
    from starlette.requests import Request

    from demo.supervisor.shop import Shop

BODY_LIMIT = 4096

STATUS: dict[type[Exception], int] = {
    UnknownInstanceError: 404,
    LastInstanceError: 409,
    FaultError: 422,
    InstanceError: 503,
}


def api(shop: Shop) -> Starlette:
    """The application."""

    def described(name: str) -> JSONResponse:
        return JSONResponse(next(service for service in shop.services() if service["name"] == name))

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"ready": shop.all_ready}, 200 if shop.all_ready else 503)

    async def services(request: Request) -> JSONResponse:
        name = request.path_params.get("name")
        return JSONResponse(shop.services()) if name is None else described(shop.instance(name).role.name)

    async def sent(_: Request) -> JSONResponse:
        return JSONResponse(shop.sent())

    async def restart(request: Request) -> JSONResponse:
        name = request.path_params["name"]
        await shop.instance(name).restart(request.headers.get("idempotency-key", ""))
        return described(name)

    async def isolate(request: Request) -> JSONResponse:
        name = request.path_params["name"]
        shop.isolate(name)
        return described(name)

    async def restore(request: Request) -> JSONResponse:
        name = request.path_params["name"]
        shop.restore(name)
        return described(name)

    async def fault(request: Request) -> JSONResponse:
        name = request.path_params["name"]
        instance = shop.instance(name)
        await instance.put(Fault.of(await _json(request)).body())
        return described(name)

    async def refused(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, STATUS[type(error)])

    return Starlette(
        routes=[
            Route("/healthz", health),
            Route("/services", services),
            Route("/services/{name}", services),
            Route("/sent", sent),
            Route("/services/{name}/restart", restart, methods=["POST"]),
            Route("/services/{name}/isolate", isolate, methods=["POST"]),
            Route("/services/{name}/restore", restore, methods=["POST"]),
            Route("/services/{name}/fault", fault, methods=["POST"]),
        ],
        exception_handlers=dict.fromkeys(STATUS, refused),
    )


async def _json(request: Request) -> object:
    body = await request.body()
    if len(body) > BODY_LIMIT:
        raise FaultError(f"a fault of {len(body)} bytes; {BODY_LIMIT} are enough")
    try:
        return json.loads(body or b"{}")
    except ValueError as error:
        raise FaultError(f"not JSON: {error}") from None
