"""What takes the events of google-adk: the drafter of an import, or that of a live session."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from application.transfer.foreign import Tally
from domain.session.events import (
    ActivityEvent,
    SessionEvent,
)
from domain.values import Failure, JsonObject, Part, Usage


class Drafter(Protocol):
    """Takes what events become; what each word means is told at `SessionDrafter`."""

    tally: Tally

    @property
    def turn_id(self) -> str | None: ...  # noqa: D102

    def item(  # noqa: D102
        self, at: datetime | None, *, cause: str | None = None, key: str | None = None
    ) -> None: ...

    def ask(  # noqa: D102
        self,
        parts: Sequence[Part],
        *,
        turn_id: str | None = None,
        message_id: str | None = None,
    ) -> None: ...

    def begin(self, turn_id: str | None, source: Literal["synthetic"]) -> None: ...  # noqa: D102

    def say(  # noqa: D102
        self,
        parts: Sequence[Part],
        *,
        message_id: str | None = None,
        meta: JsonObject | None = None,
    ) -> None: ...

    def think(  # noqa: D102
        self, text: str, *, message_id: str | None = None, meta: JsonObject | None = None
    ) -> None: ...

    def switch(self, agent: str) -> None: ...  # noqa: D102

    def call(  # noqa: D102
        self,
        call_id: Any,
        name: Any,
        arguments: Any,
        *,
        meta: JsonObject | None = None,
        raw: Any = None,
    ) -> None: ...

    def is_open(self, call_id: Any) -> bool: ...  # noqa: D102

    def progress(self, call_id: Any, content: Any) -> None: ...  # noqa: D102

    def returned(  # noqa: D102
        self, call_id: Any, output: Any, *, meta: JsonObject | None = None, raw: Any = None
    ) -> None: ...

    def add(self, event: SessionEvent) -> None: ...  # noqa: D102

    def act(self, event: ActivityEvent) -> None: ...  # noqa: D102

    def fail(self, failure: Failure) -> None: ...  # noqa: D102

    def used(self, usage: Usage) -> None: ...  # noqa: D102

    def compacted(  # noqa: D102
        self, summary: str | None, meta: JsonObject | None = None
    ) -> None: ...

    def patch(self, changes: Mapping[str, Any]) -> None: ...  # noqa: D102

    def take_back(self, turn_id: str) -> None: ...  # noqa: D102

    def verbatim(self, kind: str, data: Any) -> None: ...  # noqa: D102
