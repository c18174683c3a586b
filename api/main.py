"""The ASGI app: the program of `api/composition/program.py` behind its doors."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from litestar.types import ASGIApp

from api.composition.database import bring_up_to_date, database_of, program_url
from api.composition.keys import token_of
from api.composition.program import put_together
from api.doors_in_use import doors_of
from api.garbage import spare_the_collector
from api.http.around.drain import leave, on_shutdown_signal
from api.http.around.forwarded import Forwarding
from api.http.around.lifespan import Lifespan
from api.http.around.middleware import RequestMiddleware
from api.http.around.site_guard import SiteGuard
from api.http.outgoing.streams import goodbye
from api.services import Services
from api.settings import Settings
from application.fan_out import FanOut
from application.memory_budget import MEBIBYTE, MemoryBudget
from infrastructure.machine_memory import default_budget
from infrastructure.postgres.connecting.migrations import (
    newest_known,
)
from infrastructure.postgres.connecting.store_watch import StoreWatch
from infrastructure.postgres.store import open_store
from infrastructure.postgres.writing.group_commit import CommitLimits


@asynccontextmanager
async def open_services(settings: Settings, url: str) -> AsyncGenerator[Services]:
    """Put the program together over a database, and take it apart in order.

    Args:
        settings: How it runs.
        url: The database, up to date.
    """
    memory = MemoryBudget(
        default_budget(settings.workers)
        if settings.memory_mb is None
        else settings.memory_mb * MEBIBYTE
    )
    fan_out = FanOut(memory.share("partials"))
    limits = CommitLimits(patience=settings.patience_seconds, waiting=memory.share("appends"))
    async with open_store(
        url, fan_out=fan_out, readers=settings.database_readers, limits=limits
    ) as store:
        watch = StoreWatch(
            store.database,
            store.identity,
            newest_known(),
            lambda: fan_out.position,
            lambda trouble: leave(trouble, settings.drain_seconds),
        )
        services, jobs = put_together(settings, store, fan_out, memory, watch)
        await services.known_tokens.start()
        for job in jobs:
            await job.start()
        try:
            yield services
        finally:
            fan_out.close()
            for job in jobs:
                await job.stop()
            await services.known_tokens.stop()
            await services.session_managing.stop()


def create_app(settings: Settings | None = None) -> ASGIApp:
    """Return the ASGI app; its lifespan starts and stops everything.

    Args:
        settings: How it runs; from the environment by default.

    Raises:
        StartError: The file of the bearer token cannot be used.
    """
    chosen = settings or Settings()

    @asynccontextmanager
    async def running() -> AsyncGenerator[None]:
        with database_of(chosen) as url:
            await asyncio.to_thread(bring_up_to_date, url)
            program = await asyncio.to_thread(program_url, chosen, url)
            async with open_services(chosen, program) as services:
                app.services = services
                spare_the_collector()
                with on_shutdown_signal(goodbye(services.readers, services.fan_out.close)):
                    yield

    token = token_of(chosen)
    doors = doors_of(chosen, token)

    def asks_for_token() -> bool:
        services: Any = app.services
        return token is not None or services.authentication.is_asked_for

    guarded = SiteGuard(
        doors,
        answer_error=doors.answer_error,
        asks_for_token=asks_for_token,
        hosts=chosen.names("allowed_hosts"),
        origins=chosen.names("allowed_origins"),
    )
    trusted = chosen.names("trusted_proxies")
    app = RequestMiddleware(
        guarded,
        lifespan=Lifespan(running),
        access_log=chosen.access_log,
        forwarding=Forwarding(chosen.root_path, trusted) if chosen.root_path or trusted else None,
    )
    return app
