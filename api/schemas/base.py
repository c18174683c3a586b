"""What every wire model has in common."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=500)]
JsonMap = dict[str, Any]
Sequence = Annotated[int, Field(ge=0, description="1, 2, 3 ... in this session; 0 before any")]
Position = Annotated[int, Field(ge=0, description="1, 2, 3 ... over all sessions")]


class Body(BaseModel):
    """The body of a request: JSON types as they are, unknown fields refused."""

    model_config = STRICT


class Shape(BaseModel):
    """Part of an answer, for the document; answers themselves are built from stored bytes."""

    model_config = ConfigDict(extra="forbid")
