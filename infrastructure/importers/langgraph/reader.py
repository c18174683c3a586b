"""LangGraph: the messages and channels of its threads, along the line of their checkpoints."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from application.transfer.foreign import (
    Draft,
    ForeignSession,
    ForkPoint,
    Tally,
    foreign_session_id,
)
from domain.values import Lineage
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting.family import end_child, lineage_of, note_child
from infrastructure.importers.drafting.foreign_session import foreign_session
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.langgraph.store import CheckpointStore, Place, Thread, Write
from infrastructure.importers.langgraph.walker import Known, Walker
from infrastructure.importers.reading.tables import opened_tables
from infrastructure.importers.reading.values import (
    NO_TIME,
    Unreadable,
    id_of,
    moment_of,
    name_of,
)

SOURCE = "langgraph"


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
        self._reached: dict[tuple[str, str], tuple[UUID, int, Known]] = {}
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
        origin, known = None, Known({}, {})
        reached = self._reached.get((namespace, line.leaves or ""))
        if reached is not None:
            origin = ForkPoint(reached[0], reached[1])
            known = Known(dict(reached[2].messages), dict(reached[2].channels))
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
        return foreign_session(
            drafter,
            self._drafts(drafter, namespace, line, known, is_child=lineage is not None),
            self._choices,
            key=key,
            user=owner,
            lineage=lineage,
            forked_from=origin,
        )

    def _drafts(
        self,
        drafter: SessionDrafter,
        namespace: str,
        line: _Line,
        known: Known,
        *,
        is_child: bool,
    ) -> Iterator[Draft]:
        left = {
            one.leaves for one in _lines(self._thread.parents[namespace]) if one.leaves is not None
        }
        walker = Walker(drafter, known, self._seen if is_child else set())
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
                now = Known(dict(known.messages), dict(known.channels))
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
