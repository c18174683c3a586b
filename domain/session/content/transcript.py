"""What was said and done, as a reader sees it: a fold of the log that no rule depends on.

A rewound conversation, or that of a fork, goes on from an earlier fold: who has the logs at hand
(`application/reads/queries.py`) gets that one first.
"""

from dataclasses import dataclass, field
from typing import Any

from domain.session.events import (
    AgentMessage,
    AgentThought,
    ConversationCleared,
    InputSteered,
    MessageAdded,
    MessageRevised,
    PermissionDecided,
    PermissionRequested,
    Recorded,
    ToolCalled,
    ToolProgressed,
    ToolReturned,
    TurnStarted,
)
from domain.values import rfc3339

CallEvent = ToolCalled | ToolProgressed | ToolReturned | PermissionRequested | PermissionDecided
Entry = dict[str, Any]
"""A message, a thought or a tool call with its result, as JSON."""


@dataclass(slots=True)
class Transcript:
    """The entries so far; grows in place, because a long one is shared by many reads."""

    entries: list[Entry] = field(default_factory=list[Entry])
    _messages: dict[str, int] = field(default_factory=dict[str, int])
    _calls: dict[tuple[str | None, str], int] = field(
        default_factory=dict[tuple[str | None, str], int]
    )
    _approvals: dict[tuple[str | None, str], Entry] = field(
        default_factory=dict[tuple[str | None, str], Entry]
    )
    _requests: dict[str, tuple[str | None, str]] = field(
        default_factory=dict[str, tuple[str | None, str]]
    )

    def apply(self, recorded: Recorded) -> int | None:
        """Take in the next event.

        Args:
            recorded: The event after the last one taken in.

        Returns:
            The index of the entry that is new or different now; None when nothing changed.
        """
        event = recorded.event
        match event:
            case AgentMessage():
                return self._said(recorded, event, "message")
            case AgentThought():
                return self._said(recorded, event, "thought")
            case (
                ToolCalled()
                | ToolProgressed()
                | ToolReturned()
                | PermissionRequested()
                | PermissionDecided()
            ):
                return self._of_call(recorded, event)
            case MessageAdded():
                return self._added(recorded, event)
            case TurnStarted(source="synthetic") | InputSteered(source="synthetic"):
                return self._given(recorded, event, "system")
            case TurnStarted() | InputSteered():
                return self._given(recorded, event, "user")
            case MessageRevised():
                return self._revise(recorded, event)
            case ConversationCleared():
                self.entries.clear()
                for kept in (self._messages, self._calls, self._approvals, self._requests):
                    kept.clear()
                return None
            case _:
                return None

    def _of_call(self, recorded: Recorded, event: CallEvent) -> int | None:
        match event:
            case ToolCalled():
                return self._called(recorded, event)
            case ToolProgressed():
                news = {"title": event.title, "content": event.content}
                news["progress_meta"] = event.meta
                return self._update_call(recorded, event.tool_call_id, news)
            case ToolReturned():
                news = {"status": event.status, "output": event.output}
                news["result_meta"] = event.meta
                news["returned_at_sequence"] = recorded.sequence
                if event.called_in_turn is None:
                    return self._update_call(recorded, event.tool_call_id, news)
                news |= {"late": True, "returned_in_turn": recorded.turn_id}
                late = recorded._replace(turn_id=event.called_in_turn)
                return self._update_call(late, event.tool_call_id, news)
            case PermissionRequested(tool_call_id=str(call)):
                self._requests[event.request_id] = place = (recorded.turn_id, call)
                return self._requested(place, {"request_id": event.request_id})
            case PermissionDecided() if event.request_id in self._requests:
                return self._decided(event)
            case _:
                return None

    def settle(self) -> list[int]:
        """Close the tool calls that are open, and return their indices.

        A fork begins here, or what follows a rewind: what ran then will never return to it.
        """
        is_open = [i for i, entry in enumerate(self.entries) if entry.get("status") == "open"]
        for index in is_open:
            self.entries[index] = {**self.entries[index], "status": "abandoned"}
        return is_open

    def _added(self, recorded: Recorded, event: MessageAdded) -> int:
        entry = _message(recorded, event.message_id, event.role, event.parts)
        if event.author is not None:
            entry["author"] = event.author
        if event.implicit:
            entry["implicit"] = True
        return self._add_message(entry)

    def _given(self, recorded: Recorded, event: TurnStarted | InputSteered, role: str) -> int:
        entry = _message(recorded, event.message_id, role, event.parts)
        if event.meta is not None:
            entry["meta"] = event.meta
        return self._add_message(entry)

    def _add(self, entry: Entry) -> int:
        self.entries.append(entry)
        return len(self.entries) - 1

    def _add_message(self, entry: Entry) -> int:
        index = self._messages[entry["id"]] = self._add(entry)
        return index

    def _said(self, recorded: Recorded, event: AgentMessage | AgentThought, kind: str) -> int:
        last = self.entries[-1] if self.entries else {}
        if (
            event.message_id is not None
            and last.get("id") == event.message_id
            and last.get("kind") == kind
            and last.get("turn_id") == recorded.turn_id
        ):
            self.entries[-1] = {**last, "parts": [*last["parts"], *event.parts]}
            if event.meta is not None:
                self.entries[-1]["meta"] = {**last.get("meta", {}), **event.meta}
            return len(self.entries) - 1
        message_id = event.message_id or f"event-{recorded.sequence}"
        entry = _message(recorded, message_id, "agent", event.parts, kind)
        if event.meta is not None:
            entry["meta"] = event.meta
        return self._add(entry)

    def _called(self, recorded: Recorded, event: ToolCalled) -> int:
        entry = _entry(recorded, "tool_call", event.tool_call_id, "agent")
        entry |= {"name": event.name, "status": "open"}
        if event.title is not None:
            entry["title"] = event.title
        if event.input is not None:
            entry["input"] = event.input
        if event.kind is not None:
            entry["tool_kind"] = event.kind
        if event.meta is not None:
            entry["meta"] = event.meta
        # An agent may ask whether it may call before it says that it calls.
        approval = self._approvals.pop((recorded.turn_id, event.tool_call_id), None)
        if approval is not None:
            entry["approval"] = approval
        index = self._calls[recorded.turn_id, event.tool_call_id] = self._add(entry)
        return index

    def _update_call(self, recorded: Recorded, call: str, news: dict[str, Any]) -> int | None:
        index = self._calls.get((recorded.turn_id, call))
        if index is not None:
            known = {name: value for name, value in news.items() if value is not None}
            self.entries[index] = {**self.entries[index], **known}
        return index

    def _decided(self, event: PermissionDecided) -> int | None:
        place = self._requests.pop(event.request_id)
        approval = {"request_id": event.request_id, "decision": event.decision}
        if event.reason is not None:
            approval["reason"] = event.reason
        index = self._calls.get(place)
        asked: dict[str, Any] = {} if index is None else self.entries[index].get("approval", {})
        if index is not None and asked.get("request_id") == event.request_id:
            self.entries[index] = {**self.entries[index], "approval": approval}
            return index
        if place in self._approvals:
            self._approvals[place] = approval
        return None

    def _requested(self, place: tuple[str | None, str], approval: Entry) -> int | None:
        index = self._calls.get(place)
        if index is None or self.entries[index]["status"] != "open":
            # It is about a call that is yet to come, be it with an id that has returned.
            self._approvals[place] = approval
            return None
        self.entries[index] = {**self.entries[index], "approval": approval}
        return index

    def _revise(self, recorded: Recorded, event: MessageRevised) -> int | None:
        index = self._messages.get(event.message_id)
        if index is not None:
            changed = {"parts": list(event.parts), "revised_at_sequence": recorded.sequence}
            self.entries[index] = {**self.entries[index], **changed}
        return index


def _entry(recorded: Recorded, kind: str, entry_id: str, role: str) -> Entry:
    entry: Entry = {
        "id": entry_id,
        "kind": kind,
        "role": role,
        "sequence": recorded.sequence,
        "at": rfc3339(recorded.at),
    }
    if recorded.turn_id is not None:
        entry["turn_id"] = recorded.turn_id
    return entry


def _message(
    recorded: Recorded, message_id: str, role: str, parts: Any, kind: str = "message"
) -> Entry:
    entry = _entry(recorded, kind, message_id, role)
    entry["parts"] = list(parts)
    return entry
