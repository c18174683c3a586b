"""What the application needs in order to hold answers of people to the schemas of forms."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from domain.session.interaction.form_schema import Fault


class Schemas(Protocol):
    """Judges schemas that clients wrote, and content by them, in bounded time and memory."""

    def faults_of_schema(self, schema: Mapping[str, Any]) -> Sequence[Fault]:
        """Return why a schema cannot be used; nothing when it can."""
        ...

    def violations(self, schema: Mapping[str, Any], content: Mapping[str, Any]) -> Sequence[str]:
        """Return what is wrong with content, a sentence each; nothing when it fits."""
        ...
