"""What the application needs in order to hold answers of people to JSON Schemas."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Schemas(Protocol):
    """Judges schemas that clients wrote, and values by them, in bounded time and memory."""

    def problems_of_schema(self, schema: Mapping[str, Any]) -> Sequence[str]:
        """Return why a schema cannot be used, a sentence each; nothing when it can."""
        ...

    def violations(self, schema: Mapping[str, Any], value: Any) -> Sequence[str]:
        """Return what is wrong with a value, a sentence each; nothing when it fits."""
        ...
