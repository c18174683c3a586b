"""What goes on beside requests goes on after it has failed."""

import asyncio

import pytest

from application import background
from application.background import Background
from tests.support.own_logs import own_records
from tests.support.tasks import no_task_left


async def test_work_that_has_failed_begins_anew_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "_PAUSE", 0)
    failures = [ValueError("one"), LookupError("two")]
    goes_on = asyncio.Event()

    async def work() -> None:
        if failures:
            raise failures.pop(0)
        goes_on.set()
        await asyncio.Event().wait()

    with no_task_left():
        one = Background(work)
        one.start()
        async with asyncio.timeout(60):
            await goes_on.wait()
        assert await one.stop()

    assert [record.levelname for record in own_records(caplog)] == ["ERROR", "ERROR"]
    assert "ValueError: one" in caplog.text


async def test_work_that_is_done_is_not_done_again() -> None:
    many = 0

    async def work() -> None:
        nonlocal many
        many += 1

    one = Background(work)
    one.start()
    for _ in range(5):
        await asyncio.sleep(0)
    await one.stop()
    assert many == 1
