"""Answers that belong to no topic: a refusal, health, version, the welcome."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, RootModel

from api.v1.schemas.base import JsonMap, Shape


class Problem(Shape):
    """A refusal as RFC 9457 has it; other members help to go on, by its `code`."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    type: Annotated[str, Field(json_schema_extra={"format": "uri"})]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: Annotated[str, Field(description="what was wrong, and what to do")]
    code: Annotated[str, Field(description="a stable word to test for")]
    request_id: str


# ── commands ─────────────────────────────────────────────────────────────────────────────────


# ── reads ────────────────────────────────────────────────────────────────────────────────────


# ── operations ───────────────────────────────────────────────────────────────────────────────


class Health(Shape):
    """The process lives."""

    status: Literal["ok", "degraded"]
    database: Literal["up", "down"]


class Ready(Shape):
    """Requests can be served."""

    status: Literal["ready"]
    warnings: dict[str, str] = {}
    """What an operator should see to, by its reason."""


class Version(Shape):
    """What runs here, and over which log."""

    name: Literal["cairn"]
    version: str
    store: UUID


class Welcome(Shape):
    """What this is, and where to read on."""

    name: Literal["cairn"]
    about: str
    version: str
    links: dict[str, str]


class JsonDocument(RootModel[JsonMap]):
    """A document that describes this server."""
