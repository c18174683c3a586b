"""Makes events of what a source tells, item by item: what was said, what was called, the rest."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from domain.replacing import maker
from domain.scope.state_keys import scope_of
from domain.session.events import (
    AgentMessage,
    AgentSwitched,
    AgentThought,
    ContextCompacted,
    RuntimeEvent,
    StatePatched,
    ToolCalled,
    ToolProgressed,
    ToolReturned,
    UsageRecorded,
    UsageReported,
)
from domain.values import Agent, JsonObject, Part, ToolOutcome, Usage
from infrastructure.importers.drafting.belonging import OpenCall
from infrastructure.importers.drafting.turns import TurnDrafter
from infrastructure.importers.reading.values import id_of, name_of

_MOST_KEPT = 1024 * 1024
_NOT_USED = Usage()
_COUNTS = tuple(Usage.__dataclass_fields__)
_reported = maker(UsageReported)


class SessionDrafter(TurnDrafter):
    """Takes what happened in the order of the source, and gives drafts of events."""

    def verbatim(self, kind: str, data: Any) -> None:
        """Keep what has no place.

        Args:
            kind: What the source calls it.
            data: All that it says.
        """
        self.tally.kept_verbatim[kind] += 1
        self.add(RuntimeEvent(kind=f"{self.source}.{kind}", data=data))

    def take_back(self, turn_id: str) -> None:
        """Go back to before a turn, of which nothing counts any more, and of what came after it.

        Args:
            turn_id: Of the turn, as it is named here; of one of another log nothing is taken back.
        """
        self.infer_end()
        gone_back = self._line and self._line.went_back(turn_id)
        if gone_back:
            self.add(gone_back)

    # ── what is said ─────────────────────────────────────────────────────────────────────────

    def unreadable(self, place: str, reason: str, raw: Any) -> None:
        """Keep what could not be read, and count it with its place.

        Args:
            place: Such as `line 12`.
            reason: One sentence.
            raw: What stands there; of a long one the beginning is kept.
        """
        self.tally.failed(f"{self.name}, {place}", reason)
        data = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
        kept: JsonObject = {"place": place, "reason": reason}
        if isinstance(data, bytes):
            head = data[:_MOST_KEPT]
            kept = {**kept, "bytes": len(data), "raw_base64": b64encode(head).decode()}
        self.verbatim("unparsable", kept)

    def say(
        self,
        parts: Sequence[Part],
        *,
        message_id: str | None = None,
        meta: JsonObject | None = None,
    ) -> None:
        """Add what the agent says."""
        if parts:
            self.tally.messages += 1
            self.require_turn()
            named = self.names.said_as(id_of(message_id), self.turn_id)
            self.act(AgentMessage(parts=tuple(parts), message_id=named, meta=meta))

    def think(
        self, text: str, *, message_id: str | None = None, meta: JsonObject | None = None
    ) -> None:
        """Add what the agent thinks."""
        parts: tuple[Part, ...] = ({"type": "reasoning", "text": text},)
        self.require_turn()
        named = self.names.said_as(id_of(message_id), self.turn_id)
        self.act(AgentThought(parts=parts, message_id=named, meta=meta))

    # ── tools ────────────────────────────────────────────────────────────────────────────────

    def call(
        self,
        call_id: Any,
        name: Any,
        arguments: Any,
        *,
        meta: JsonObject | None = None,
        raw: Any = None,
    ) -> None:
        """Add a call; one without an id, or of an id that is open already, is kept verbatim.

        Args:
            call_id: As the source has it.
            name: Of the tool.
            arguments: As the source has them.
            meta: What else is known.
            raw: The item, kept where it has no place.
        """
        known = id_of(call_id)
        item = {"id": call_id, "name": name, "arguments": arguments} if raw is None else raw
        if known is None:
            self.tally.notes["call_without_id"] += 1
            self.verbatim("call_without_id", item)
            return
        if known in self._open and self._open[known].turn_id == self.turn_id:
            self.tally.notes["repeated_call"] += 1
            self.verbatim("repeated_call", item)
            return
        tool = name_of(name, "unknown")
        self.act(ToolCalled(tool_call_id=known, name=tool, input=arguments, meta=meta))
        # The same id may come again in a later turn.
        self._returned.discard(known)
        self._open[known] = OpenCall(self.turn_id or "", tool)

    def is_open(self, call_id: Any) -> bool:
        """Return whether a call waits for its result."""
        return id_of(call_id) in self._open

    def progress(self, call_id: Any, content: Any) -> None:
        """Add news of a call; of one that is not known they are kept verbatim."""
        known = id_of(call_id)
        if known is None or (known not in self._open and known not in self._returned):
            self.tally.notes["orphan_progress"] += 1
            self.verbatim("orphan_progress", {"id": call_id, "content": content})
            return
        self.act(ToolProgressed(tool_call_id=known, content=content))

    def returned(
        self,
        call_id: Any,
        output: Any,
        *,
        status: ToolOutcome = "completed",
        meta: JsonObject | None = None,
        raw: Any = None,
    ) -> None:
        """Add a result; one without a call, or a second one, is kept verbatim.

        Args:
            call_id: As the source has it.
            output: What came back.
            status: How the call ended.
            meta: What else is known.
            raw: The item, kept where it has no place.
        """
        known = id_of(call_id)
        opened = self._open.pop(known, None) if known is not None else None
        if known is None or opened is None:
            kind = "repeated_result" if known in self._returned else "orphan_result"
            self.tally.notes[kind] += 1
            self.verbatim(kind, {"id": call_id, "output": output} if raw is None else raw)
            return
        self._returned.add(known)
        self.require_turn()
        late = None if opened.turn_id == self.turn_id else opened.turn_id
        self.act(
            ToolReturned(
                tool_call_id=known, status=status, output=output, meta=meta, called_in_turn=late
            )
        )

    # ── the rest ─────────────────────────────────────────────────────────────────────────────

    def switch(self, agent: str, *, meta: JsonObject | None = None) -> None:
        """Say that another agent answers from here on."""
        self.act(AgentSwitched(agent=Agent(name=name_of(agent, "unknown")), meta=meta))

    def used(self, usage: Usage, *, meta: JsonObject | None = None) -> None:
        """Add what was used: of the running turn, or of the session where none runs."""
        if usage == _NOT_USED:
            return
        if self._turn is not None:
            told = {name: getattr(usage, name) for name in _COUNTS}
            self.add(_reported(**told, meta=meta))
        else:
            self.add(
                UsageRecorded(
                    mode="add",
                    input_tokens=usage.input_tokens,
                    output_tokens=usage.output_tokens,
                    cost=usage.cost,
                )
            )

    def compacted(self, summary: str | None, meta: JsonObject | None = None) -> None:
        """Say that a part of the context became a summary."""
        self.add(ContextCompacted(summary=summary, meta=meta))

    def patch(self, changes: Mapping[str, Any], deleted: Sequence[str] = ()) -> None:
        """Set keys of the state; those that were never to be kept are left out."""
        kept = {key: value for key, value in changes.items() if scope_of(key) != "temp"}
        if len(kept) < len(changes):
            self.tally.notes["temp_key_dropped"] += len(changes) - len(kept)
        if kept or deleted:
            self.add(StatePatched(set=kept, delete=tuple(deleted)))
