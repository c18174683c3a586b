"""What was said and done, as a reader sees it: a fold of the log that no rule depends on.

A rewound conversation, or that of a fork, goes on from an earlier fold: who has the logs at hand
(`application/reads/queries.py`) gets that one first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.session.content.part_results import PartResults
from domain.session.content.transcript_entries import (
    MARKS,
    CallEvent,
    Entries,
    Entry,
    decision_of,
    mark_of,
    request_of,
    said_by,
)
from domain.session.events import (
    AgentMessage,
    AgentSwitched,
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
    TurnCancelled,
    TurnFailed,
    TurnStarted,
)
from domain.values import rfc3339


@dataclass(slots=True)
class Transcript:
    """The entries so far; grows in place, because a long one is shared by many reads."""

    entries: Entries = field(default_factory=list[Entry])
    _ids: dict[str, int] = field(default_factory=dict[str, int])
    _agent: str | None = None
    _saying: tuple[str | None, str, str | None] | None = None
    """What the last entry is a piece of: its message id, kind and turn."""
    _calls: dict[tuple[str | None, str], int] = field(
        default_factory=dict[tuple[str | None, str], int]
    )
    _approvals: dict[tuple[str | None, str], Entry] = field(
        default_factory=dict[tuple[str | None, str], Entry]
    )
    _results: PartResults = field(default_factory=PartResults)
    _requests: dict[str, tuple[str | None, str]] = field(
        default_factory=dict[str, tuple[str | None, str]]
    )
    _marked: dict[str, int] = field(default_factory=dict[str, int])  # of pending permissions

    def apply(self, recorded: Recorded) -> Sequence[int]:
        """Take in the next event.

        Args:
            recorded: The event after the last one taken in.

        Returns:
            The indices of the entries that are new or different now.
        """
        index = self._taken(recorded)
        if index is None:
            return ()
        if isinstance(recorded.event, MessageAdded | TurnStarted | InputSteered | AgentMessage):
            said = self.entries[index]
            return (*self._results.join(self.entries, said, recorded.event.parts), index)
        return (index,)

    def _taken(self, recorded: Recorded) -> int | None:
        event = recorded.event
        match event:
            case MessageAdded():
                return self._added(recorded, event)
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
            case TurnStarted():
                self._agent = event.agent
                return self._given(recorded, event)
            case InputSteered():
                return self._given(recorded, event)
            case MessageRevised():
                return self._revise(recorded, event)
            case ConversationCleared():
                for kept in (self.entries, self._ids, self._calls, self._results, self._marked):
                    kept.clear()
                self._approvals, self._requests = {}, {}
                return self._mark(recorded)
            case TurnFailed() | TurnCancelled():
                return self._mark(recorded)
            case AgentSwitched(agent=agent):
                self._agent = agent.name
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
            case PermissionRequested():
                return self._requested(recorded, event)
            case PermissionDecided():
                return self._decided(recorded, event)

    def settle(self) -> list[int]:
        """Close the calls and the permissions that are open, where a conversation turns.

        What ran before a fork or a rewind will never return to it.
        """
        is_open = [i for i, entry in enumerate(self.entries) if entry.get("status") == "open"]
        for index in is_open:
            self.entries[index] = {**self.entries[index], "status": "abandoned"}
        undecided = list(self._marked.values())
        for index in undecided:
            self.entries[index] = {**self.entries[index], "decision": "cancelled"}
        self._marked.clear()
        return is_open + undecided

    def _added(self, recorded: Recorded, event: MessageAdded) -> int:
        entry = self._entry(recorded, "message", event.message_id, event.role)
        entry["parts"] = list(event.parts)
        if event.author is not None:
            entry["author"] = event.author
        if event.implicit:
            entry["implicit"] = True
        return self._add(entry)

    def _given(self, recorded: Recorded, event: TurnStarted | InputSteered) -> int:
        role = "system" if event.source == "synthetic" else "user"
        entry = self._entry(recorded, "message", event.message_id, role)
        entry["parts"] = list(event.parts)
        if event.source is not None:
            entry["source"] = event.source
        return self._add(entry)

    def _entry(self, recorded: Recorded, kind: str, entry_id: str | None, role: str) -> Entry:
        # What comes without an id, or with one that another entry has, goes by its sequence.
        wanted = f"event-{recorded.sequence}" if entry_id is None else entry_id
        entry: Entry = {
            "id": wanted if wanted not in self._ids else f"{wanted}:{recorded.sequence}",
            "kind": kind,
            "role": role,
            "sequence": recorded.sequence,
            "at": rfc3339(recorded.at),
            **said_by(recorded),
        }
        if role == "agent" and recorded.turn_id is not None and self._agent is not None:
            entry["agent"] = self._agent
        return entry

    def _add(self, entry: Entry) -> int:
        self._saying = None
        self._ids[entry["id"]] = len(self.entries)
        self.entries.append(entry)
        return len(self.entries) - 1

    def _said(self, recorded: Recorded, event: AgentMessage | AgentThought, kind: str) -> int:
        piece_of = (event.message_id, kind, recorded.turn_id)
        if event.message_id is not None and self._saying == piece_of:
            last = self.entries[-1]
            longer = {
                **last,
                "parts": [*last["parts"], *event.parts],
                "ends_at_sequence": recorded.sequence,
            }
            if event.meta is not None:
                longer["meta"] = {**last.get("meta", {}), **event.meta}
            self.entries[-1] = longer
            return len(self.entries) - 1
        entry = self._entry(recorded, kind, event.message_id, "agent")
        entry["parts"] = list(event.parts)
        index = self._add(entry)
        self._saying = piece_of
        return index

    def _called(self, recorded: Recorded, event: ToolCalled) -> int:
        entry = self._entry(recorded, "tool_call", event.tool_call_id, "agent")
        entry |= {"tool_call_id": event.tool_call_id, "name": event.name, "status": "open"}
        if event.title is not None:
            entry["title"] = event.title
        if event.input is not None:
            entry["input"] = event.input
        if event.kind is not None:
            entry["tool_kind"] = event.kind
        # An agent may ask whether it may call before it says that it calls.
        approval = self._approvals.pop((recorded.turn_id, event.tool_call_id), None)
        if approval is not None:
            entry["approval"] = approval
        index = self._calls[recorded.turn_id, event.tool_call_id] = self._add(entry)
        self._results.called(event.tool_call_id, index)
        return index

    def _update_call(self, recorded: Recorded, call: str, news: dict[str, Any]) -> int | None:
        index = self._calls.get((recorded.turn_id, call))
        if index is not None:
            if "status" in news:
                news = self._results.ended(index, news)
            known = {name: value for name, value in news.items() if value is not None}
            entry = self.entries[index]
            if "output" in known:
                # The call has a result of its own: that in a message is not the call's any more.
                entry = {k: v for k, v in entry.items() if k != "returned_in_message"}
            self.entries[index] = {**entry, **known}
        return index

    def _mark(self, recorded: Recorded) -> int | None:
        mark = mark_of(recorded.event)
        if mark is None:
            return None
        role = "agent" if mark["kind"] == "permission" else "system"
        return self._add({**self._entry(recorded, mark["kind"], None, role), **mark})

    def _decided(self, recorded: Recorded, event: PermissionDecided) -> int | None:
        approval = {"request_id": event.request_id} | decision_of(event)
        if recorded.actor is not None:
            approval["decided_by"] = recorded.claimed_actor or recorded.actor
        marked = self._marked.pop(event.request_id, None)
        if marked is not None:
            self.entries[marked] = {**self.entries[marked], **approval}
        if event.request_id not in self._requests:
            return marked
        place = self._requests.pop(event.request_id)
        index = self._calls.get(place)
        asked: dict[str, Any] = {} if index is None else self.entries[index].get("approval", {})
        if index is not None and asked.get("request_id") == event.request_id:
            self.entries[index] = {**self.entries[index], "approval": asked | approval}
            return index
        if place in self._approvals:
            self._approvals[place] = self._approvals[place] | approval
        return marked

    def _requested(self, recorded: Recorded, event: PermissionRequested) -> int | None:
        if event.tool_call_id is not None:
            place = self._requests[event.request_id] = (recorded.turn_id, event.tool_call_id)
            approval = request_of(event)
            index = self._calls.get(place)
            if index is not None and self.entries[index]["status"] == "open":
                self.entries[index] = {**self.entries[index], "approval": approval}
                return index
            # It is about a call that is yet to come, be it with an id that has returned.
            self._approvals[place] = approval
        marked = self._mark(recorded)
        if marked is not None:
            self._marked[event.request_id] = marked
        return marked

    def _revise(self, recorded: Recorded, event: MessageRevised) -> int | None:
        index = self._ids.get(event.message_id)
        if index is not None and self.entries[index]["kind"] not in MARKS:
            entry = self.entries[index]
            changed: Entry = {"revised_at_sequence": recorded.sequence}
            if event.parts is not None:
                of = "output" if entry["kind"] == "tool_call" else "parts"
                changed[of] = list(event.parts)
            if event.input is not None:
                changed["input"] = event.input
                # What a person changed the input to when allowing the call is replaced with it.
                approval: Entry = entry.get("approval") or {}
                if "arguments" in approval:
                    kept = {name: approval[name] for name in approval if name != "arguments"}
                    changed["approval"] = kept
            self.entries[index] = {**entry, **changed}
            return index
        return None
