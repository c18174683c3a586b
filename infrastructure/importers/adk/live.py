"""An event of google-adk as it comes: read as the importer reads it, and placed by the rules."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from application.transfer.foreign import Tally
from domain.session.events import (
    ActivityEvent,
    AgentMessage,
    AgentSwitched,
    AgentThought,
    ContextCompacted,
    PermissionRequested,
    RuntimeNotice,
    SessionEvent,
    ToolCalled,
    ToolProgressed,
    ToolReturned,
    UsageReported,
)
from domain.values import Agent, Failure, JsonObject, Part, Usage
from infrastructure.importers.adk.events import CONFIRMATION, AdkMapper
from infrastructure.importers.adk.names import snaked_event
from infrastructure.importers.choices import Choices
from infrastructure.importers.reading.values import id_of, name_of, object_of, text_of

_LAST = datetime(9999, 12, 31, tzinfo=UTC)


class LiveAdkReader:
    """Says what one event means; where it belongs is decided where the session is known."""

    def meaning(self, event: Mapping[str, Any]) -> Sequence[ActivityEvent]:
        """Return what an event means.

        Args:
            event: As google-adk writes it in JSON.
        """
        read = snaked_event(event)
        steps = _Steps()
        mapper = AdkMapper(steps, text_of(read.get("author")), Choices(now=_LAST))
        mapper.map({**read, "timestamp": None})
        return steps.taken


class _Steps:
    """Takes what one event says, without a turn of its own."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.taken: list[ActivityEvent] = []

    @property
    def turn_id(self) -> str | None:
        return None

    def item(
        self, at: datetime | None, *, cause: str | None = None, key: str | None = None
    ) -> None:
        pass

    def ask(
        self,
        parts: Sequence[Part],
        *,
        turn_id: str | None = None,  # noqa: ARG002
        message_id: str | None = None,
    ) -> None:
        self.say(parts, message_id=message_id)

    def begin(self, turn_id: str | None, source: Literal["synthetic"]) -> None:
        pass

    def say(
        self,
        parts: Sequence[Part],
        *,
        message_id: str | None = None,
        meta: JsonObject | None = None,
    ) -> None:
        if parts:
            named = id_of(message_id)
            self.taken.append(AgentMessage(parts=tuple(parts), message_id=named, meta=meta))

    def think(
        self, text: str, *, message_id: str | None = None, meta: JsonObject | None = None
    ) -> None:
        parts: tuple[Part, ...] = ({"type": "reasoning", "text": text},)
        self.taken.append(AgentThought(parts=parts, message_id=id_of(message_id), meta=meta))

    def switch(self, agent: str) -> None:
        self.taken.append(AgentSwitched(agent=Agent(name=name_of(agent, "unknown"))))

    def call(
        self,
        call_id: Any,
        name: Any,
        arguments: Any,
        *,
        meta: JsonObject | None = None,
        raw: Any = None,  # noqa: ARG002
    ) -> None:
        known = id_of(call_id)
        if known is not None:
            tool = name_of(name, "unknown")
            self.taken.append(ToolCalled(tool_call_id=known, name=tool, input=arguments, meta=meta))

    def is_open(self, call_id: Any) -> bool:
        return id_of(call_id) is not None

    def progress(self, call_id: Any, content: Any) -> None:
        known = id_of(call_id)
        if known is not None:
            self.taken.append(ToolProgressed(tool_call_id=known, content=content))

    def returned(
        self, call_id: Any, output: Any, *, meta: JsonObject | None = None, raw: Any = None
    ) -> None:
        known = id_of(call_id)
        if known is not None and raw is not None:
            self.taken.append(ToolReturned(tool_call_id=known, output=output, meta=meta))

    def add(self, event: SessionEvent) -> None:
        if isinstance(event, PermissionRequested):
            # Who runs the agent asks with a call of this name, and waits for what it returns.
            self.call(event.request_id, CONFIRMATION, object_of(event.arguments), meta=event.meta)

    def act(self, event: ActivityEvent) -> None:
        self.taken.append(event)

    def fail(self, failure: Failure) -> None:
        said = failure.summary or failure.kind
        self.taken.append(RuntimeNotice(level="error", text=said, meta={"code": failure.kind}))

    def used(self, usage: Usage) -> None:
        if usage != Usage():
            told = {name: getattr(usage, name) for name in Usage.__dataclass_fields__}
            self.taken.append(UsageReported(**told))

    def compacted(self, summary: str | None, meta: JsonObject | None = None) -> None:
        self.taken.append(ContextCompacted(summary=summary, meta=meta))

    def patch(self, changes: Mapping[str, Any]) -> None:
        """Keys are set by what records the event."""

    def take_back(self, turn_id: str) -> None:
        """What records the event goes back."""

    def verbatim(self, kind: str, data: Any) -> None:
        """The whole event is kept anyway."""
