"""One run: mixed load on two workers, faults drawn from a seed, and the records of all of it."""

import asyncio
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg

from tests.faults.history import Fault, History, Start
from tests.faults.load.mixed import Mix, MixedLoad
from tests.faults.load.recorder import Recorder
from tests.faults.making.actions import NotAllowed, Saboteur
from tests.faults.making.schedule import KINDS, Plan, draw
from tests.faults.making.server import MEMORY_MB, PATIENCE
from tests.faults.making.world import World, open_world

_LONGEST_FAULT = 240.0
_AFTER = 30
"""Commands that must be accepted when all faults are over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run is.

    Args:
        seed: Of everything that is drawn.
        seconds: How long faults are begun.
        least: So many faults are begun however long that takes on a busy machine.
        faults: After how many no more are begun, if that comes first.
        kinds: Those that are drawn.
        lanes: How many are made at once.
        clients: How many write; a quarter as many read.
        followers: How many follow a session, at most; two follow the whole log.
        pace: The most seconds that a client thinks.
        broken: How the workers are broken on purpose.
        log: Where what the server has said is kept; None does not keep it.
    """

    seed: int = 7
    seconds: float = 60.0
    least: int = 0
    faults: int = 1_000_000
    kinds: Collection[str] = tuple(KINDS)
    lanes: int = 2
    clients: int = 12
    followers: int = 16
    pace: float = 0.15
    broken: str = ""
    log: Path | None = None


async def run(options: Options) -> History:
    """Run it, and return what was recorded; nothing of it is left running.

    Args:
        options: What it is.
    """
    async with open_world(options.seconds / 60, options.broken) as world:
        recorder = Recorder()
        recorder.add(
            Start(
                seed=options.seed,
                wall=recorder.wall,
                patience=PATIENCE,
                budget=MEMORY_MB * 1024**2,
                broken=options.broken,
            )
        )
        try:
            await _Run(options, world, recorder).whole()
        finally:
            if options.log is not None:
                shutil.copyfile(world.server.log, options.log)
        return recorder.history


class _Run:
    def __init__(self, options: Options, world: World, recorder: Recorder) -> None:
        self._options = options
        self._world = world
        self._recorder = recorder
        self._numbers = count(1)
        mix = Mix(
            seed=options.seed,
            clients=options.clients,
            followers=options.followers,
            spread=options.seconds / 2,
            pace=options.pace,
        )
        self._load = MixedLoad(mix, recorder, world.server, world.clients.port)

    async def whole(self) -> None:
        """Load and faults, then quiet, then what is stored."""
        url = self._world.cluster.url
        async with self._load.running(url):
            try:
                await self._load.until_accepted(10, "the first commands are accepted")
                await self._make_faults()
                await self._world.server.serves()
                await self._load.until_accepted(_AFTER, "commands are accepted after all faults")
            except AssertionError as error:
                self._load.find(str(error))
        await self._load.finish(url)

    async def _make_faults(self) -> None:
        saboteur = Saboteur(self._world, self._recorder)
        until = self._recorder.now() + self._options.seconds
        async with asyncio.TaskGroup() as group:
            for lane in range(self._options.lanes):
                group.create_task(self._lane(saboteur, lane, until))

    async def _lane(self, saboteur: Saboteur, lane: int, until: float) -> None:
        for plan in draw(self._options.seed, lane, self._options.kinds):
            number = next(self._numbers)
            is_over = self._recorder.now() > until and number > self._options.least
            if is_over or number > self._options.faults:
                return
            await self._make(saboteur, plan, number)
            await asyncio.sleep(min(plan.pause, max(until - self._recorder.now(), 0)))

    async def _make(self, saboteur: Saboteur, plan: Plan, number: int) -> None:
        asked = self._recorder.now()
        fault = Fault(number=number, kind=plan.kind, began=asked, ended=asked)
        try:
            async with asyncio.timeout(_LONGEST_FAULT):
                fault.began, fault.detail = await saboteur.make(plan)
        except NotAllowed as why:
            fault.skipped = str(why)
        except (AssertionError, TimeoutError, psycopg.Error, OSError) as error:
            self._load.find(f"fault {number} ({plan.kind}) was not over: {error!r}")
        fault.ended = self._recorder.now()
        if not fault.detail and plan.seconds:
            fault.detail = f"{plan.seconds:g} s"
        self._recorder.add(fault)
