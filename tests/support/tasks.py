"""What tests say about tasks of asyncio."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_task_left() -> Iterator[None]:
    """Fail when what ran in here leaves tasks behind."""
    before = asyncio.all_tasks()
    yield
    left = [task for task in asyncio.all_tasks() - before if not _is_of_anyio(task)]
    assert not left, f"tasks were left behind: {left}"


def _is_of_anyio(task: asyncio.Task[object]) -> bool:
    return getattr(task.get_coro(), "__qualname__", "").startswith("TestRunner.")
