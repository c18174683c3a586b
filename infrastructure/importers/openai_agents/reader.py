"""OpenAI Agents: what `SQLiteSession` and its kin keep, on SQLite and Postgres, with branches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any, NamedTuple

from application.transfer.foreign import (
    Draft,
    ForeignSession,
    ForkPoint,
    Tally,
    foreign_session_id,
)
from application.transfer.lines import FileFault
from domain.values import Usage
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting.foreign_session import foreign_session
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.openai_agents.responses import ResponsesMapper, parts_of
from infrastructure.importers.reading.tables import Tables, opened_tables, statements
from infrastructure.importers.reading.values import (
    NO_TIME,
    Unreadable,
    count_of,
    decoded,
    moment_of,
    name_of,
    object_of,
    text_of,
)

SOURCE = "openai-agents"
_MAIN = "main"
_SQL = statements("openai_agents")


class _Message(NamedTuple):
    """A row.

    Args:
        number: Its id.
        raw: The item as JSON.
        created_at: When its whole batch was written.
        turn: The number of its turn, where that is kept.
    """

    number: int
    raw: Any
    created_at: Any
    turn: int | None = None


class _Branch(NamedTuple):
    """A line of the conversation.

    Args:
        name: `main`, or what its maker called it.
        messages: All of them, those that it shares with another branch too.
    """

    name: str
    messages: Sequence[_Message]


def read_openai_agents(place: str, choices: Choices) -> Iterator[ForeignSession]:
    """Yield the sessions of a database, each branch of one as a fork.

    Args:
        place: A path, or the URL of a database.
        choices: How they are placed.

    Raises:
        FileFault: There are none.
    """
    with opened_tables(place) as tables:
        if not {"session_id", "message_data"} <= tables.columns("agent_messages"):
            raise FileFault(f"{tables.name} has no sessions of OpenAI Agents")
        yield from _Database(tables, choices).sessions()


class _Database:
    def __init__(self, tables: Tables, choices: Choices) -> None:
        self._tables = tables
        self._choices = choices
        self._dialect = "postgres" if tables.is_postgres else "sqlite"
        self._branched = not tables.is_postgres and "branch_id" in tables.columns(
            "message_structure"
        )
        self._counted = not tables.is_postgres and bool(tables.columns("turn_usage"))

    def sessions(self) -> Iterator[ForeignSession]:
        """Yield the sessions, the branches of each after it."""
        for native, created in list(self._rows("sessions")):
            yield from self._branches(native, created)
        for (native,) in list(self._rows("orphans")):
            yield from self._branches(native, None)

    def _rows(self, name: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        return self._tables.rows(_SQL[f"{self._dialect}_{name}"], *values)

    def _branches(self, native: str, created: Any) -> Iterator[ForeignSession]:
        rows = (_Message(*row) for row in self._rows("messages", native))
        if not self._branched:
            yield self._session(native, created, _Branch(_MAIN, ()), rows, {}, None)
            return
        read: list[tuple[_Branch, dict[int, int]]] = []
        for branch in self._structured(native, list(rows)):
            # It goes on where the branch that it shares most with had come to.
            origin, shared = None, 0
            for before, reached in read:
                same = _same(before.messages, branch.messages)
                if same > shared:
                    number = branch.messages[same - 1].number
                    origin = ForkPoint(_id(native, before.name), reached[number])
                    shared = same
            reached = dict[int, int]()
            yield self._session(native, created, branch, branch.messages[shared:], reached, origin)
            read.append((branch, reached))

    def _structured(self, native: str, rows: Sequence[_Message]) -> Iterator[_Branch]:
        by_number = {row.number: row for row in rows}
        branches: dict[str, list[_Message]] = {_MAIN: []}
        placed: set[int] = set()
        for number, branch, turn in self._tables.rows(_SQL["structure"], native):
            if number in by_number:
                placed.add(number)
                row = by_number[number]._replace(turn=turn)
                branches.setdefault(branch, []).append(row)
        branches[_MAIN] += [row for row in rows if row.number not in placed]
        branches[_MAIN].sort(key=lambda row: row.number)
        for name, messages in branches.items():
            yield _Branch(name, messages)

    def _session(
        self,
        native: str,
        created: Any,
        branch: _Branch,
        messages: Iterable[_Message],
        reached: dict[int, int],
        origin: ForkPoint | None,
    ) -> ForeignSession:
        tally, session_id = Tally(), _id(native, branch.name)
        began = moment_of(created, self._choices, tally, zone=UTC) or NO_TIME
        key = [native] if branch.name == _MAIN else [native, branch.name]
        usage = self._usage(native, branch.name) if self._counted else {}
        name, is_fork = "/".join(key), origin is not None
        drafter = SessionDrafter(SOURCE, session_id, began, tally, name=name, is_fork=is_fork)
        return foreign_session(
            drafter,
            _drafts(drafter, messages, usage, reached, self._choices),
            self._choices,
            key=key,
            title=None if branch.name == _MAIN else name_of(branch.name, "branch"),
            forked_from=origin,
        )

    def _usage(self, native: str, branch: str) -> dict[int, Usage]:
        found: dict[int, Usage] = {}
        for row in self._tables.records(_SQL["usage"], native):
            if row.get("branch_id", _MAIN) == branch:
                found[row["user_turn_number"]] = _usage_of(row)
        return found


def _id(native: str, branch: str) -> Any:
    return foreign_session_id(SOURCE, *((native,) if branch == _MAIN else (native, branch)))


def _same(one: Sequence[_Message], other: Sequence[_Message]) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a.number != b.number:
            break
        count += 1
    return count


def _usage_of(row: Mapping[str, Any]) -> Usage:
    details: dict[str, Any] = {}
    for name in ("input_tokens_details", "output_tokens_details"):
        try:
            details |= object_of(decoded(row.get(name) or "{}", Tally()))
        except Unreadable:
            continue
    return Usage(
        input_tokens=count_of(row.get("input_tokens")),
        output_tokens=count_of(row.get("output_tokens")),
        total_tokens=count_of(row.get("total_tokens")),
        cached_tokens=count_of(details.get("cached_tokens")),
        reasoning_tokens=count_of(details.get("reasoning_tokens")),
    )


def _drafts(
    drafter: SessionDrafter,
    messages: Iterable[_Message],
    usage: Mapping[int, Usage],
    reached: dict[int, int],
    choices: Choices,
) -> Iterator[Draft]:
    mapper, turn = ResponsesMapper(drafter), None
    for message in messages:
        if message.turn != turn:
            drafter.used(usage.get(turn or 0, Usage()))
            turn = message.turn
        drafter.item(moment_of(message.created_at, choices, drafter.tally, zone=UTC))
        try:
            _map(drafter, mapper, object_of(decoded(message.raw or "", drafter.tally)))
        except Unreadable as error:
            drafter.unreadable(f"message {message.number}", str(error), message.raw)
        reached[message.number] = drafter.sequence
        yield from drafter.take()
    drafter.used(usage.get(turn or 0, Usage()))
    drafter.finish()
    yield from drafter.take()


def _map(drafter: SessionDrafter, mapper: ResponsesMapper, item: Mapping[str, Any]) -> None:
    if "__enc__" in item:
        drafter.verbatim("encrypted", dict(item))
    elif item.get("role") == "user":
        drafter.ask(parts_of(item.get("content")), message_id=text_of(item.get("id")))
    elif not item:
        drafter.verbatim("empty", {})
    else:
        mapper.map(item)
