"""LangGraph: the messages and channels of its threads, along the line of their checkpoints."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from application.transfer.foreign import (
    Draft,
    ForeignSession,
    ForkPoint,
    Tally,
    foreign_session_id,
)
from domain.session.events import (
    ElicitationAnswered,
    ElicitationRequested,
    MessageRevised,
    SessionCreated,
)
from domain.values import MAX_SUMMARY, Failure, Lineage, Owner
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting import SessionDrafter
from infrastructure.importers.family import end_child, lineage_of, note_child
from infrastructure.importers.langchain_messages import (
    MessageMapper,
    kind_of,
    message_of,
    parts_of,
)
from infrastructure.importers.langgraph_store import CheckpointStore, Place, Thread, Write
from infrastructure.importers.langgraph_values import has_objects
from infrastructure.importers.reading import (
    NO_TIME,
    Unreadable,
    id_of,
    list_of,
    moment_of,
    name_of,
    object_of,
    text_of,
)
from infrastructure.importers.tables import opened_tables

SOURCE = "langgraph"
_MESSAGES = "messages"
_OF_THE_GRAPH = ("__", "branch:", "start:", "join:")
_REMOVE_ALL = "__remove_all__"
_encoded = msgspec.json.Encoder(order="sorted").encode


class _Known(NamedTuple):
    """What a thread holds at a checkpoint.

    Args:
        messages: By their ids, as bytes.
        channels: By their names, as bytes.
    """

    messages: dict[str, bytes]
    channels: dict[str, bytes]


class _Line(NamedTuple):
    """Checkpoints one after the other.

    Args:
        checkpoints: Their ids.
        leaves: The checkpoint that it leaves another line after, if it does.
    """

    checkpoints: Sequence[str]
    leaves: str | None


def read_langgraph(place: str, choices: Choices) -> Iterator[ForeignSession]:
    """Yield the threads of a database: their live line, the dead ones as forks of it.

    Args:
        place: A path, or the URL of a database.
        choices: How they are placed.

    Raises:
        FileFault: There are none.
    """
    with opened_tables(place) as tables:
        store = CheckpointStore(tables)
        for thread in list(store.threads()):
            yield from _ThreadReader(store, thread, choices).sessions()


def _lines(parents: Mapping[str, str | None]) -> list[_Line]:
    """Return the live line first: the one to the newest checkpoint; then what leaves it."""
    with_children = set(parents.values())
    leaves = sorted((one for one in parents if one not in with_children), reverse=True)
    placed: set[str] = set()
    lines: list[_Line] = []
    for leaf in leaves:
        line: list[str] = []
        at: str | None = leaf
        while at is not None and at in parents and at not in placed:
            line.append(at)
            placed.add(at)
            at = parents[at]
        lines.append(_Line(line[::-1], at if at in placed and at not in line else None))
    return lines


class _ThreadReader:
    """Reads one thread."""

    def __init__(self, store: CheckpointStore, thread: Thread, choices: Choices) -> None:
        self._store = store
        self._thread = thread
        self._choices = choices
        self._reached: dict[tuple[str, str], tuple[UUID, int, _Known]] = {}
        self._seen: set[str] = set()

    def sessions(self) -> Iterator[ForeignSession]:
        """Yield the session of the graph, then those of its branches and of graphs below it."""
        root = self._id("", 0)
        for namespace in sorted(self._thread.parents):
            for number, line in enumerate(_lines(self._thread.parents[namespace])):
                lineage = None
                if namespace and number == 0 and "" in self._thread.parents:
                    lineage = lineage_of(root, root, 1, namespace.partition(":")[0])
                yield self._session(namespace, number, line, lineage)

    def _key(self, namespace: str, number: int) -> list[str]:
        key = [self._thread.thread_id]
        if namespace or number:
            key.append(namespace)
        return [*key, f"branch {number}"] if number else key

    def _id(self, namespace: str, number: int) -> UUID:
        return foreign_session_id(SOURCE, *self._key(namespace, number))

    def _session(
        self, namespace: str, number: int, line: _Line, lineage: Lineage | None
    ) -> ForeignSession:
        tally, key = Tally(), self._key(namespace, number)
        session_id, name = self._id(namespace, number), "|".join(part for part in key if part)
        origin, known = None, _Known({}, {})
        reached = self._reached.get((namespace, line.leaves or ""))
        if reached is not None:
            origin = ForkPoint(reached[0], reached[1])
            known = _Known(dict(reached[2].messages), dict(reached[2].channels))
        owner, began = "unknown", NO_TIME
        try:
            place = Place(self._thread.thread_id, namespace, line.checkpoints[0])
            first = self._store.checkpoint(place, Tally())
            owner = name_of(first.metadata.get("user_id"), owner)
            began = moment_of(first.ts, self._choices, Tally()) or began
        except Unreadable:
            pass
        drafter = SessionDrafter(
            SOURCE, session_id, began, tally, name=name, is_fork=origin is not None
        )
        return ForeignSession(
            source=SOURCE,
            source_id=name,
            session_id=session_id,
            names_turns=True,
            created=SessionCreated(
                owner=Owner(app=self._choices.app or SOURCE, user=self._choices.user or owner),
                type="user" if lineage is None else "spawned",
                lineage=lineage,
                metadata={"imported_from": {"kind": SOURCE, "key": key}},
            ),
            created_at=began,
            drafts=self._drafts(drafter, namespace, line, known, is_child=lineage is not None),
            forked_from=origin,
            tally=tally,
        )

    def _drafts(
        self,
        drafter: SessionDrafter,
        namespace: str,
        line: _Line,
        known: _Known,
        *,
        is_child: bool,
    ) -> Iterator[Draft]:
        left = {
            one.leaves for one in _lines(self._thread.parents[namespace]) if one.leaves is not None
        }
        walker = _Walker(drafter, known, self._seen if is_child else set())
        before: list[Write] | None = None
        if line.leaves is not None:
            place = Place(self._thread.thread_id, namespace, line.leaves)
            before = self._store.writes(place, Tally())
        for checkpoint in line.checkpoints:
            place = Place(self._thread.thread_id, namespace, checkpoint)
            writes = self._store.writes(place, drafter.tally)
            is_last = checkpoint == line.checkpoints[-1]
            try:
                found = self._store.checkpoint(place, drafter.tally)
                drafter.item(
                    moment_of(found.ts, self._choices, drafter.tally), cause=id_of(checkpoint)
                )
                walker.step(found.values, found.metadata, before or ())
                walker.wait(writes, is_last=is_last)
            except Unreadable as error:
                drafter.unreadable(f"checkpoint {checkpoint}", str(error), None)
            before = writes
            if checkpoint in left:
                now = _Known(dict(known.messages), dict(known.channels))
                self._reached[namespace, checkpoint] = drafter.session_id, drafter.sequence, now
            yield from drafter.take()
        if not namespace:
            self._seen |= known.messages.keys()
            if line.leaves is None:
                for below in sorted(self._thread.parents):
                    if below:
                        role = below.partition(":")[0]
                        note_child(drafter, self._id(below, 0), role, 1)
        if is_child:
            end_child(drafter)
        drafter.finish()
        yield from drafter.take()


class _Walker:
    """Goes from checkpoint to checkpoint, and tells what changed."""

    def __init__(self, drafter: SessionDrafter, known: _Known, elsewhere: set[str]) -> None:
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
