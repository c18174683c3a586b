"""Pieces of messages: they are taken for the turn that runs, and for no other."""

import pytest

from api.composition.use_cases import pieces_over
from application.errors import PieceMisplaced
from application.partials.writer import PartialWriter
from application.use_cases.turn.pieces import Pieces, SentPiece
from domain.errors import CairnError
from domain.session import events as e
from domain.session.commands import CompleteTurn, StartTurn
from tests.support.builders import SESSION_ID, text
from tests.support.in_memory_app import InMemoryApp


def said(words: str, offset: int | None = None) -> SentPiece:
    return SentPiece(
        "agent.message", e.AgentMessage(parts=text(words), message_id="m"), words, offset
    )


@pytest.fixture
async def app() -> InMemoryApp:
    made = InMemoryApp()
    await made.create()
    return made


@pytest.fixture
def writer(app: InMemoryApp) -> PartialWriter:
    return PartialWriter(app.store.partials, app.fan_out)


@pytest.fixture
def pieces(app: InMemoryApp, writer: PartialWriter) -> Pieces:
    return pieces_over(app.store, app.repository, app.fan_out, writer, largest=100_000)


def written(app: InMemoryApp) -> list[str]:
    session = app.fan_out.partials.get(SESSION_ID)
    return [] if session is None else [one.text() for one in session.live()]


async def start(app: InMemoryApp, turn_id: str) -> None:
    await app.do(StartTurn(turn_id=turn_id, message_id=f"input of {turn_id}", parts=text()))


async def test_a_piece_of_another_turn_is_refused_and_shown_to_nobody(app, pieces):
    for turn_id in ("t0", "t1"):
        with pytest.raises(CairnError):
            await pieces.take(SESSION_ID, turn_id, [said("early", 0)])
    await start(app, "t1")
    await pieces.take(SESSION_ID, "t1", [said("one ", 0)])
    for turn_id in ("t0", "t2"):
        with pytest.raises(CairnError):
            await pieces.take(SESSION_ID, turn_id, [said("other", 4)])
    assert written(app) == ["one "]


async def test_the_next_turn_begins_with_nothing_of_the_one_before(app, pieces, writer):
    await start(app, "t1")
    await pieces.take(SESSION_ID, "t1", [said("one ", 0)])
    await app.do(CompleteTurn(turn_id="t1"))
    await start(app, "t2")
    with pytest.raises(CairnError):
        await pieces.take(SESSION_ID, "t1", [said("late", 4)])
    with pytest.raises(PieceMisplaced):
        await pieces.take(SESSION_ID, "t2", [said("late", 4)])
    taken = await pieces.take(SESSION_ID, "t2", [said("two", 0)])
    assert [(one["message_id"], one["offset"]) for one in taken.next] == [("m", 3)]
    assert written(app) == ["two"]
    await writer.stop()
    kept = await app.store.partials.read(SESSION_ID)
    assert [(one.turn_id, one.piece.text) for one in kept] == [("t2", "two")]
