"""How much memory this process may use: what the control group says (v2 or v1), or the machine."""

import asyncio
import ctypes
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from time import thread_time

from application.background import Background
from application.memory_budget import MEBIBYTE, MemoryBudget
from infrastructure.metrics import MEMORY_LIMIT, MEMORY_USED

_MOST = 1024 * MEBIBYTE
_LEAST = 256 * MEBIBYTE
_TELL_EVERY = 1.0
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_KEPT = 16 * MEBIBYTE
_OF_ALL_TIME = 20
"""Giving back takes at most one of so many parts of the time."""
_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60
"""Version 1 says about 2^63 where there is no limit."""


def memory_of_machine(root: Path = _ROOT, own: Path = _OWN) -> int:
    """Return the bytes that all processes of this server may use together.

    Args:
        root: Where control groups are mounted.
        own: Says in which of them this process is.
    """
    limits = [limit for limit in map(_limit, _limit_files(root, own)) if limit is not None]
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *limits])


def default_budget(workers: int, root: Path = _ROOT, own: Path = _OWN) -> int:
    """Return the bytes of one process: half of what there is for all, and 1 GiB at most.

    Args:
        workers: How many processes share it; the other half is for Postgres and the system.
        root: Where control groups are mounted.
        own: Says in which of them this process is.
    """
    return max(min(memory_of_machine(root, own) // 2 // workers, _MOST), _LEAST)


def _limit_files(root: Path, own: Path) -> Iterator[Path]:
    """Yield the files of the groups of this process and of those around them."""
    # In a container its own group is often mounted as the root.
    yield root / "memory.max"
    yield root / "memory" / "memory.limit_in_bytes"
    for line in _lines(own):
        _, controllers, path = line.split(":", 2)
        base, name = root, "memory.max"
        if controllers:
            if "memory" not in controllers.split(","):
                continue
            base, name = root / "memory", "memory.limit_in_bytes"
        group = base / path.lstrip("/")
        for one in (group, *group.parents):
            if one == base:
                break
            yield one / name


def _lines(path: Path) -> Iterable[str]:
    try:
        return [line for line in path.read_text().splitlines() if line.count(":") >= 2]
    except OSError:
        return ()


def _limit(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    limit = int(text) if text.isdigit() else _UNLIMITED
    return limit if 0 < limit < _UNLIMITED else None


class MemoryReport:
    """Gives back what is free every second, and tells the metrics what is taken.

    Args:
        budget: Of this process.
    """

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._work = Background(self._tell)

    async def start(self) -> None:
        """Begin to tell, and to give back."""
        use_one_heap()
        keep_what_is_free()
        MEMORY_LIMIT.labels("process").set(self._budget.total)
        for share in self._budget.shares():
            MEMORY_LIMIT.labels(share.name).set(share.limit)
        self._work.start()

    async def stop(self) -> None:
        """End it."""
        await self._work.stop()

    async def _tell(self) -> None:
        while True:
            took = await asyncio.to_thread(give_back_what_is_free)
            MEMORY_USED.labels("process").set(resident_bytes())
            for share in self._budget.shares():
                MEMORY_USED.labels(share.name).set(share.used)
            await asyncio.sleep(max(_TELL_EVERY, _OF_ALL_TIME * took))


def use_one_heap() -> None:
    """Have the C library keep one heap for all threads: of the others it never gives back the end.

    glibc alone has it; see mallopt(3).
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def keep_what_is_free() -> None:
    """Have the C library keep what a large answer took for the next one, until it is asked for it.

    By itself it gives the end of the heap back whenever some MiB of it are free, and a page of
    events had half of its pages made anew: a quarter of the processor time. glibc alone has it; see
    mallopt(3).
    """
    with suppress(OSError, AttributeError):
        for parameter in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            ctypes.CDLL(None).mallopt(parameter, _KEPT)


def give_back_what_is_free() -> float:
    """Have the C library give the pages that it does not use back to the system.

    By itself it keeps them where blocks that are used lie between them (measured: 250 MB after 200
    stalled readers, 130 MB with this). To give each block back at once costs more: an export that
    had its pages made anew for each block took half as much again of the processor. glibc alone has
    it; see malloc_trim(3).

    Returns:
        The seconds of the processor that it took.
    """
    began = thread_time()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return thread_time() - began


def resident_bytes() -> int:
    """Return the bytes of memory that this process has now; 0 where that cannot be told."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
