"""google-adk's session service beside Cairn. Run by the Python of `.work/venv-adk`, not by ours.

`adk_peer.py DSN SECONDS` prints one JSON line: appends per second with 16 clients over 64 sessions,
once as ADK's own server does it (load the session, append) and once with the session held.
"""

import asyncio
import json
import sys
import uuid
from importlib.metadata import version
from time import perf_counter
from typing import Any

from google.adk.events import Event  # type: ignore[import-not-found]
from google.adk.sessions import DatabaseSessionService  # type: ignore[import-not-found]
from google.genai import types  # type: ignore[import-not-found]

_APP, _USER = "bench", "bench-user"
_CLIENTS, _SESSIONS, _PRIOR = 16, 64, 10
_TEXT = "adk " * 150


def _event() -> Any:
    content = types.Content(role="user", parts=[types.Part(text=_TEXT)])
    return Event(author="user", invocation_id=str(uuid.uuid4()), content=content)


async def _rate(service: Any, sessions: list[Any], seconds: float, *, held: bool) -> float:
    done = 0
    started = perf_counter()

    async def client(mine: list[Any]) -> None:
        nonlocal done
        turn = 0
        while perf_counter() < started + seconds:
            session = mine[turn % len(mine)]
            turn += 1
            if not held:
                session = await service.get_session(
                    app_name=_APP, user_id=_USER, session_id=session.id
                )
            await service.append_event(session, _event())
            done += 1

    await asyncio.gather(*(client(sessions[number::_CLIENTS]) for number in range(_CLIENTS)))
    return done / (perf_counter() - started)


async def _measure(dsn: str, seconds: float) -> dict[str, object]:
    service = DatabaseSessionService(dsn, pool_size=_CLIENTS)
    rates: dict[str, object] = {"version": version("google-adk")}
    for held in (False, True):
        sessions = []
        for _ in range(_SESSIONS):
            session = await service.create_session(app_name=_APP, user_id=_USER)
            for _ in range(_PRIOR):
                await service.append_event(session, _event())
            sessions.append(session)
        rates["held" if held else "loaded"] = await _rate(service, sessions, seconds, held=held)
    return rates


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measure(sys.argv[1], float(sys.argv[2])))))
