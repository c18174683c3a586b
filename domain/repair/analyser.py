"""The one analyser of logs: live ones, exported ones, and those of another system.

It takes rows one at a time and keeps only what is open, so that a log of any length can be looked
at. It assumes no order, no uniqueness and no readable payload. It never changes anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.repair.integrity import Integrity, Placed
from domain.repair.report import Action, Issue, Options, Report, Source
from domain.repair.rows import Dialect, Row, Standing
from domain.repair.turns import Turns

MOST_ISSUES = 1000
"""The most issues that a report lists."""

_REPAIRED_UNASKED = frozenset({"agent_crashed", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known beside the rows.

    Args:
        source: Where they come from.
        standing: Where the session stands.
        found: What was found beside the log, such as a list row that says something else.
        head: The sequence, digest and position that are kept as those of the last event.
        keeps_head: Whether the source keeps a head: then none is a mismatch too.
    """

    source: Source
    standing: Standing
    found: Sequence[tuple[str, str]] = ()
    head: tuple[int, bytes, int] | None = None
    keeps_head: bool = False


class PageReader(Protocol):
    """Reads the rows of one log, many at a time."""

    def unclear(self, rows: Sequence[Placed], turns: Turns) -> Iterable[Row]:
        """Let turns follow rows that are in their places, and give those that need a closer look.

        Args:
            rows: The next ones.
            turns: Follow those that are not given, each before the next one is given.
        """
        ...

    def closely(self, placed: Placed) -> Row:
        """Return an event as it lies in the store as a row, with all that is wrong with it."""
        ...


class Analyser:
    """Looks at one log, row by row.

    Args:
        dialect: Who wrote it.
        options: How to analyse.
        genesis: The digest before its first event; None for a source without digests.
    """

    def __init__(self, dialect: Dialect, options: Options, genesis: bytes | None = None) -> None:
        self._dialect = dialect
        self._options = options
        self.integrity = Integrity(genesis)
        self._turns = Turns()
        self._issues: list[Issue] = []
        self._omitted = 0
        self._damaged = False

    @property
    def damaged(self) -> bool:
        """Whether something was found so far that nothing may be appended to."""
        return self._damaged

    def page(self, rows: Sequence[Placed], reader: PageReader) -> None:
        """Look at the next rows of a log that has digests.

        Args:
            rows: In the order of the source.
            reader: Reads them.
        """
        at = 0
        while at < len(rows):
            taken = self.integrity.run(rows[at:] if at else rows)
            for row in reader.unclear(rows[at : at + taken], self._turns):
                if row.problems:
                    self._look(row, ())
                elif found := self._turns.follow(row):
                    self._note_all(row, found)
            at += taken
            if at < len(rows):
                self.row(reader.closely(rows[at]))
                at += 1

    def row(self, row: Row) -> None:
        """Look at the next row, in the order of the source."""
        self._look(row, self.integrity.check(row))

    def _look(self, row: Row, misplaced: Sequence[tuple[str, str]]) -> None:
        problems = row.problems
        found = [*misplaced, *problems]
        if not any(code == "invalid_event_json" for code, _ in problems):
            found += self._turns.follow(row)
        self._note_all(row, found)

    def _note_all(self, row: Row, found: Sequence[tuple[str, str]]) -> None:
        for code, detail in found:
            self._note(
                Issue(
                    code,
                    detail,
                    row.turn_id if code in _IN_A_TURN else None,
                    row.event_id,
                    row.sequence,
                )
            )

    def report(self, facts: Facts) -> Report:
        """Return what was found in all rows, and what could be appended.

        Args:
            facts: What is known beside the rows.
        """
        self._check_head(facts)
        for code, detail in facts.found:
            self._note(Issue(code, detail))
        actions: Sequence[Action] = ()
        gated = False
        if not self._damaged:
            actions, gated = self._plan(facts.standing)
        return Report(
            session_id=facts.standing.session_id,
            source=facts.source,
            options=self._options,
            analysed_sequence=self.integrity.last or 0,
            analysed_digest=self.integrity.digest.hex(),
            blocked=self._damaged or gated,
            gated=gated,
            issues=tuple(self._issues),
            issues_omitted=self._omitted,
            actions=actions,
            planned_events=[self._dialect.planned(one, facts.standing) for one in actions],
            sequence=self.integrity.last or 0,
            position=self.integrity.position,
        )

    def _plan(self, standing: Standing) -> tuple[Sequence[Action], bool]:
        """Return the actions, and whether the session keeps them from being done."""
        final = self._turns.final
        if final is None:
            self._note(Issue("no_repairable_turn", "the log has no turn"))
            return (), False
        if self._turns.final_has_ended:
            self._note(Issue("terminal_event_already_exists", "the final turn has ended", final))
        actions = tuple(self._turns.plan(self._options.scope))
        if not actions and self._dialect.quiet_gates:
            return (), False
        if standing.state != "stopped":
            detail = f"the session is {standing.state or 'in no known state'}"
            self._note(Issue("session_not_stopped", detail, final))
        elif standing.stop_reason not in _REPAIRED_UNASKED and not self._options.force:
            detail = f"it stopped with the reason {standing.stop_reason or 'none'}"
            self._note(Issue("stop_reason_requires_force", detail, final))
        else:
            return actions, False
        return (), bool(actions)

    def _check_head(self, facts: Facts) -> None:
        if not facts.keeps_head:
            return
        integrity, head = self.integrity, facts.head
        if head is None:
            if integrity.last is not None:
                self._note(Issue("event_head_mismatch", "no head is kept of this log"))
            return
        sequence, digest, position = head
        if sequence != (integrity.last or 0):
            detail = f"the head is at {sequence}, the log ends at {integrity.last or 0}"
        elif digest != integrity.digest:
            detail = f"the digest of the head is not that of event {sequence}"
        elif position != integrity.position:
            detail = f"the head is at position {position}, event {sequence} is not"
        else:
            return
        self._note(Issue("event_head_mismatch", detail, sequence=integrity.last))

    def _note(self, issue: Issue) -> None:
        if issue.blocks and issue.code not in _GATES:
            self._damaged = True
        if len(self._issues) < MOST_ISSUES:
            self._issues.append(issue)
        else:
            self._omitted += 1


_GATES = ("session_not_stopped", "stop_reason_requires_force")
_IN_A_TURN = frozenset(
    {
        "invalid_event_json",
        "event_type_mismatch",
        "unknown_event_version",
        "dangling_tool_call_missing_id",
    }
)


def analyse(
    rows: Iterable[Row],
    facts: Facts,
    options: Options,
    dialect: Dialect,
    genesis: bytes | None = None,
) -> Report:
    """Return what is wrong with a log, and what could be appended to it.

    Args:
        rows: In the order of their source; they are taken one at a time.
        facts: What is known beside them.
        options: How to analyse.
        dialect: Who wrote them.
        genesis: The digest before the first event; None for a source without digests.
    """
    analyser = Analyser(dialect, options, genesis)
    for row in rows:
        analyser.row(row)
    return analyser.report(facts)
