"""A turn that a door was asked to run, and that nobody drives."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast
from uuid import UUID

import pytest

from application.commands.request import Caller, Outcome, Request
from application.errors import StoreUnavailable
from application.use_cases.turn.driven_turns import DrivenTurn, DrivenTurns, NobodyDrives
from domain.errors import CairnError, TurnEnded
from domain.session.commands import CancelInput

SESSION = UUID(int=1)
CALLER = Caller("user:ada", "adk")


class Refusing:
    """A handler that refuses everything."""

    def __init__(self, refusal: CairnError) -> None:
        self.refusal = refusal
        self.asked: list[Request] = []

    async def handle(self, request: Request) -> Outcome:
        self.asked.append(request)
        raise self.refusal


class Silent:
    """Streams in which nothing comes."""

    async def stream(self, *_: Any) -> AsyncGenerator[object]:
        await asyncio.Event().wait()
        yield


@pytest.mark.parametrize(
    ("refusal", "raised"),
    [(TurnEnded(None), NobodyDrives), (StoreUnavailable("it is away"), StoreUnavailable)],
)
async def test_who_asked_hears_when_it_could_not_be_ended(
    refusal: CairnError, raised: type[Exception]
) -> None:
    handler = Refusing(refusal)
    turns = DrivenTurns(
        cast("Any", handler), cast("Any", Silent()), cast("Any", None), patience=0.0
    )
    began = Outcome(SESSION, 2, 2, 2, {})
    turn = DrivenTurn(turns, CALLER, SESSION, "t1", began, is_driven=False)

    with pytest.raises(raised):
        await anext(turn.items())

    (request,) = handler.asked
    assert request.command == CancelInput(input_id="t1", reason="no_driver")
