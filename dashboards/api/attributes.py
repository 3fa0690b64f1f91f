"""The API of completion: names that searches can use, and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from dashboards.api.routes import Within
from dashboards.api.traces import SearchError
from dashboards.search.asked import Asked
from dashboards.search.attributes import names, values
from telemetry.documents import Kind

if TYPE_CHECKING:
    from dashboards.read_models.reader import Reader

Prefix = Annotated[str, Field(max_length=500, description="how it begins, in any case")]
Signal = Literal["span", "log"]


class NamesAsked(Within):
    """Which names."""

    prefix: Prefix = ""
    signal: Signal = "span"
    limit: int = Field(default=100, ge=1, le=500)


class NameRow(BaseModel):
    """A name of a field or attribute."""

    name: str = Field(description="as a search writes it")
    where: str = Field(description="field, span, log, resource or scope")
    type: str = Field(description="string, number, boolean or mixed")


class Names(BaseModel):
    """Names that begin so."""

    attributes: list[NameRow]
    more: bool = Field(description="there are more")


class ValuesAsked(Within):
    """Which values."""

    prefix: Prefix = ""
    signal: Signal = "span"
    limit: int = Field(default=50, ge=1, le=200)


class ValueRow(BaseModel):
    """A value, and how many documents have it; 0 where nobody counts."""

    value: str
    count: int


class AttributeValues(BaseModel):
    """Values that begin so, the most frequent first."""

    name: str
    values: list[ValueRow]
    more: bool = Field(description="there are more")


def attribute_routes(reader: Reader) -> APIRouter:
    """The routes of completion.

    Args:
        reader: reads the store.
    """
    router = APIRouter(responses={400: {"model": SearchError}})

    @router.get("/api/v1/attributes", response_model=Names)
    async def give_names(asked: Annotated[NamesAsked, Query()]) -> Names:
        """Fields, and attributes of the documents of a time, whose name begins so."""
        found = await names(reader.reads, _of(asked), asked.prefix, asked.limit + 1, Kind(asked.signal))
        rows = [NameRow(name=one.name, where=one.where, type=one.type) for one in found[: asked.limit]]
        return Names(attributes=rows, more=len(found) > asked.limit)

    @router.get("/api/v1/attributes/{name:path}/values", response_model=AttributeValues)
    async def give_values(
        name: Annotated[str, Path(min_length=1, max_length=500)], asked: Annotated[ValuesAsked, Query()]
    ) -> AttributeValues:
        """Values of a field or attribute that begin so."""
        found = await values(reader.reads, _of(asked), name, asked.prefix, asked.limit + 1, Kind(asked.signal))
        rows = [ValueRow(value=bucket.value, count=bucket.documents) for bucket in found[: asked.limit]]
        return AttributeValues(name=name, values=rows, more=len(found) > asked.limit)

    return router


def _of(asked: Within) -> Asked:
    return Asked("", asked.since, asked.until, asked.environment)
