"""The start and the end of the program: what the server, and so the log, is told of them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from api.http.around.lifespan import Lifespan
from api.start_error import StartError
from application.errors import StoreUnavailable


async def told_by(at_start: Exception | None = None, at_end: Exception | None = None) -> list[Any]:
    """Return what a server is told when the program starts and ends like this."""
    told: list[Any] = []

    @asynccontextmanager
    async def running() -> AsyncGenerator[None]:
        if at_start is not None:
            raise at_start
        yield
        told.append("stopped")
        if at_end is not None:
            raise at_end

    async def receive() -> Any:
        return {"type": "lifespan.shutdown" if told else "lifespan.startup"}

    async def send(message: Any) -> None:
        told.append(message)

    scope: Any = {"type": "lifespan"}
    await Lifespan(running)(scope, receive, send)
    return told


async def test_the_program_runs_between_the_start_and_the_end() -> None:
    assert await told_by() == [
        {"type": "lifespan.startup.complete"},
        "stopped",
        {"type": "lifespan.shutdown.complete"},
    ]


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (StartError("The key cannot be read; see --key."), "The key cannot be read; see --key."),
        (StoreUnavailable(), "The database cannot be reached; nothing of this request was stored."),
    ],
)
async def test_why_it_cannot_start_or_end_is_one_sentence(why: Exception, words: str) -> None:
    (failed,) = await told_by(at_start=why)
    assert failed["type"] == "lifespan.startup.failed"
    assert failed["message"].startswith(words)
    assert "\n" not in failed["message"]
    *_, failed = await told_by(at_end=why)
    assert failed["type"] == "lifespan.shutdown.failed"
    assert failed["message"].startswith(words)


async def test_a_fault_of_the_program_itself_is_told_with_its_place() -> None:
    """The server logs it with its traceback."""
    with pytest.raises(ZeroDivisionError):
        await told_by(at_start=ZeroDivisionError())
