"""A report of very many lines is made a piece at a time, and is the same one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from application.commands.request import Caller
from application.tasks import in_pieces
from application.use_cases.examination import Examination
from application.use_cases.repair import Repairs
from domain.log.canonical import digest_of
from domain.log.piecewise import AT_ONCE
from domain.repair.report import Action, Issue, Options, PlannedEvent, Report
from tests.support.builders import SESSION_ID

LINES = 20 * AT_ONCE + 1


def report_of(lines: int) -> Report:
    returned = {"status": "failed", "output": {"é": [1]}}
    return Report(
        session_id=str(SESSION_ID),
        source="live",
        options=Options(),
        analysed_sequence=lines,
        analysed_digest="",
        blocked=False,
        gated=False,
        issues=[Issue("digest_mismatch", "x")] * min(lines, 3),
        issues_omitted=0,
        actions=[Action("append_interrupted_tool_result", "t1", f"c{n}") for n in range(lines)],
        planned_events=[PlannedEvent("tool.returned", "t1", returned)] * lines,
    )


class LongExamination(Examination):
    def __init__(self) -> None:
        pass

    async def look_at(self, session_id: UUID, options: Options) -> Report:
        return report_of(LINES)


class Turns:
    taken = 0


@asynccontextmanager
async def others() -> AsyncIterator[Turns]:
    """Count the turns that others have on the loop meanwhile."""
    turns = Turns()

    async def count() -> None:
        while True:
            turns.taken += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(count())
    try:
        yield turns
    finally:
        task.cancel()


@pytest.mark.parametrize("lines", [0, 1, AT_ONCE, AT_ONCE + 1, LINES])
async def test_a_report_made_in_pieces_is_the_same(lines: int) -> None:
    report = report_of(lines)
    document = report.document()
    beside = ("dry_run", "planned_classification", "persisted", "repair_id", "sequence", "position")
    left = {name: document[name] for name in document if name not in (*beside, "report_digest")}

    assert document["report_digest"] == report.digest == digest_of(left)
    assert await in_pieces(report.documenting()) == document
    assert len(document["planned_events"]) == len(document["actions"]) == lines


async def test_others_have_their_turns_while_a_long_report_is_made() -> None:
    none: Any = None
    repairs = Repairs(LongExamination(), none, none, none, none, none, none)
    report = report_of(LINES)
    asked, digest = Caller("user:ada", "http"), report.digest

    async with others() as turns:
        await repairs.repair(asked, SESSION_ID, Options(), dry_run=True, expected_report=digest)
    assert turns.taken >= 2 * LINES // AT_ONCE

    async with others() as turns:
        await in_pieces(report.documenting())
    assert turns.taken >= 5 * LINES // AT_ONCE
