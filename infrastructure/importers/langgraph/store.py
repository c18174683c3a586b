"""The checkpoints of LangGraph on SQLite and Postgres, one at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from application.transfer.foreign import Tally
from application.transfer.lines import FileFault
from infrastructure.importers.langgraph.values import value_of
from infrastructure.importers.reading.tables import Tables, statements
from infrastructure.importers.reading.values import Unreadable, decoded, object_of

_SQL = statements("langgraph")


class Place(NamedTuple):
    """A checkpoint: of a thread, in the graph itself or in one below it."""

    thread: str
    namespace: str
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Thread:
    """What is known of a thread before its checkpoints are read.

    Args:
        thread_id: Its name.
        parents: By namespace: the checkpoints in their order, each with the one before it.
    """

    thread_id: str
    parents: dict[str, dict[str, str | None]] = field(
        default_factory=dict[str, dict[str, str | None]]
    )


class Checkpoint(NamedTuple):
    """A checkpoint.

    Args:
        ts: When it was made.
        values: Of its channels.
        metadata: What is said about it.
    """

    ts: Any
    values: Mapping[str, Any]
    metadata: Mapping[str, Any]


class Write(NamedTuple):
    """What a task wrote to a channel, on the way to the next checkpoint."""

    task: str
    channel: str
    value: Any


class CheckpointStore:
    """Reads checkpoints.

    Args:
        tables: Of the saver.

    Raises:
        FileFault: They are of another program, or of a saver that keeps no history.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._dialect = "postgres" if tables.is_postgres else "sqlite"
        columns = tables.columns("checkpoints")
        if not {"thread_id", "checkpoint_ns", "checkpoint"} <= columns:
            raise FileFault(f"{tables.name} has no checkpoints of LangGraph")
        if not {"checkpoint_id", "parent_checkpoint_id"} <= columns:
            raise FileFault(f"{tables.name} has checkpoints of a saver that keeps only the last")
        if tables.is_postgres and "version" not in tables.columns("checkpoint_blobs"):
            raise FileFault(f"{tables.name} has no values of channels by their versions")

    def threads(self) -> Iterator[Thread]:
        """Give the threads by their names."""
        rows = self._rows("threads")
        for thread_id, group in groupby(rows, key=lambda row: row[0]):
            thread = Thread(thread_id)
            for _, namespace, checkpoint, parent in group:
                thread.parents.setdefault(namespace, {})[checkpoint] = parent
            yield thread

    def checkpoint(self, place: Place, tally: Tally) -> Checkpoint:
        """Return a checkpoint.

        Args:
            place: Which one.
            tally: Where changes are counted, and channels that cannot be read.

        Raises:
            Unreadable: It cannot be read.
        """
        kind, raw, about = next(self._rows("checkpoint", *place))
        told = object_of(value_of(kind, raw, tally))
        metadata = object_of(decoded(about or b"{}", tally))
        values = dict(object_of(told.get("channel_values")))
        if self._tables.is_postgres:
            versions = object_of(told.get("channel_versions"))
            for channel in sorted(versions.keys() - values.keys()):
                for one, blob in self._rows(
                    "blob", place.thread, place.namespace, channel, str(versions[channel])
                ):
                    if one != "empty":
                        values[channel] = self._value(place, channel, one, blob, tally)
        return Checkpoint(told.get("ts"), values, metadata)

    def writes(self, place: Place, tally: Tally) -> list[Write]:
        """Return what was written after a checkpoint.

        Args:
            place: Which one.
            tally: Where changes are counted, and what cannot be read.
        """
        return [
            Write(task, channel, self._value(place, channel, kind, raw, tally))
            for task, channel, kind, raw in self._rows("writes", *place)
        ]

    def _value(self, place: Place, channel: str, kind: Any, raw: Any, tally: Tally) -> Any:
        try:
            return value_of(kind, raw, tally)
        except Unreadable as error:
            where = f"{place.thread}, checkpoint {place.checkpoint}, channel {channel}"
            tally.failed(where, str(error))
            return None

    def _rows(self, name: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        return self._tables.rows(_SQL[f"{self._dialect}_{name}"], *values)
