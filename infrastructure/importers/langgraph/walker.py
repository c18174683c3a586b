"""What changed from one checkpoint of LangGraph to the next."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from domain.session.events import (
    ElicitationAnswered,
    ElicitationRequested,
    MessageRevised,
)
from domain.values import MAX_SUMMARY, Failure
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.langchain.messages import (
    MessageMapper,
    kind_of,
    message_of,
    parts_of,
)
from infrastructure.importers.langgraph.store import Write
from infrastructure.importers.langgraph.values import has_objects
from infrastructure.importers.reading.values import (
    id_of,
    list_of,
    object_of,
    text_of,
)

_MESSAGES = "messages"
_OF_THE_GRAPH = ("__", "branch:", "start:", "join:")
_REMOVE_ALL = "__remove_all__"
_encoded = msgspec.json.Encoder(order="sorted").encode


class Known(NamedTuple):
    """What a thread holds at a checkpoint.

    Args:
        messages: By their ids, as bytes.
        channels: By their names, as bytes.
    """

    messages: dict[str, bytes]
    channels: dict[str, bytes]


class Walker:
    """Goes from checkpoint to checkpoint, and tells what changed."""

    def __init__(self, drafter: SessionDrafter, known: Known, elsewhere: set[str]) -> None:
        self._drafter = drafter
        self._mapper = MessageMapper(drafter)
        self._known = known
        self._elsewhere = elsewhere

    def step(
        self, values: Mapping[str, Any], metadata: Mapping[str, Any], writes: Sequence[Write]
    ) -> None:
        """Tell what a checkpoint has that the one before it had not.

        Args:
            values: Of its channels.
            metadata: What is said about it.
            writes: What led to it.
        """
        source = metadata.get("source")
        if source in ("update", "fork"):
            self._drafter.verbatim(str(source), dict(metadata))
        if _MESSAGES in values:
            messages = [message_of(value) for value in list_of(values[_MESSAGES])]
            self._take(messages)
            gone = self._known.messages.keys() - {text_of(one.get("id")) for one in messages}
            self._remove(sorted(gone))
        elif "counters_since_delta_snapshot" in metadata:
            # Such a channel is kept whole only now and then: between, it is what was written to it.
            self._write(writes)
        self._patch(values)

    def wait(self, writes: Sequence[Write], *, is_last: bool) -> None:
        """Tell what happened after a checkpoint, and led to no other one.

        Args:
            writes: After it.
            is_last: Nothing came after it.
        """
        drafter = self._drafter
        resumed = {one.task: list_of(one.value) for one in writes if one.channel == "__resume__"}
        if is_last:
            self._write(writes)
        for write in writes:
            if write.channel == "__interrupt__":
                answers = resumed.get(write.task, [])
                for number, value in enumerate(list_of(write.value)):
                    self._ask(write, number, value, answers)
            elif write.channel == "__error__" and is_last:
                said = write.value if isinstance(write.value, str) else str(write.value)
                drafter.fail(Failure(kind="error", summary=said[:MAX_SUMMARY]))

    def _ask(self, write: Write, number: int, value: Any, answers: Sequence[Any]) -> None:
        told = object_of(object_of(value).get("value"))
        asked = told.get("value", object_of(value).get("value"))
        request_id = id_of(told.get("id")) or f"{write.task}:{number}"
        message = asked if isinstance(asked, str) else _encoded(asked).decode()
        self._drafter.add(
            ElicitationRequested(
                request_id=request_id,
                message=message,
                turn_id=self._drafter.turn_id,
                meta={"value": asked},
            )
        )
        if number < len(answers):
            content = {"value": answers[number]}
            self._drafter.add(
                ElicitationAnswered(request_id=request_id, action="accept", content=content)
            )

    def _write(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if write.channel == _MESSAGES:
                told = list_of(write.value) or [write.value]
                self._take([message_of(value) for value in told if value])

    def _take(self, messages: Sequence[Mapping[str, Any]]) -> None:
        for message in messages:
            message_id = text_of(message.get("id"))
            if kind_of(message) == "remove":
                every = message_id == _REMOVE_ALL
                self._remove(sorted(self._known.messages) if every else [message_id or ""])
                continue
            said = _encoded(message)
            before = self._known.messages.get(message_id or "")
            if message_id is not None:
                self._known.messages[message_id] = said
            if message_id in self._elsewhere:
                if before is None:
                    self._drafter.tally.notes["held_by_parent"] += 1
            elif before is None:
                self._mapper.map(message)
            elif before != said and message_id is not None:
                self._drafter.tally.notes["revised"] += 1
                parts = tuple(parts_of(message.get("content")))
                self._drafter.add(MessageRevised(message_id=message_id, parts=parts))

    def _remove(self, message_ids: Sequence[str]) -> None:
        found = [one for one in message_ids if one in self._known.messages]
        for message_id in found:
            del self._known.messages[message_id]
        if found:
            self._drafter.verbatim("removed", {"messages": found})

    def _patch(self, values: Mapping[str, Any]) -> None:
        changed: dict[str, Any] = {}
        for channel, value in values.items():
            if channel == _MESSAGES or channel.startswith(_OF_THE_GRAPH):
                continue
            said = _encoded(value)
            if self._known.channels.get(channel) != said:
                self._known.channels[channel] = said
                if has_objects(value):
                    self._drafter.verbatim("channel", {"name": channel, "value": value})
                else:
                    changed[channel] = value
        self._drafter.patch(changed)
