"""Writes sessions with google-adk, and prints what it reads back."""

import asyncio
import json
import sys

from google.adk.events import Event, EventActions
from google.adk.sessions import DatabaseSessionService
from google.adk.sessions.sqlite_session_service import SqliteSessionService
from google.genai import types


def content(role: str, *parts: types.Part) -> types.Content:
    return types.Content(role=role, parts=list(parts))


def events(run: int) -> list[Event]:
    call = types.FunctionCall(id=f"call-{run}", name="look_up", args={"n": run})
    answer = types.FunctionResponse(id=f"call-{run}", name="look_up", response={"n": run})
    turn = f"run-{run}"
    delta = {"last": run, "app:total": run, "user:seen": run, "temp:scratch": run}
    return [
        Event(
            invocation_id=turn,
            author="user",
            content=content("user", types.Part(text=f"question {run} ✓\U0001f350")),
        ),
        Event(
            invocation_id=turn,
            author="keeper",
            content=content(
                "model", types.Part(text=f"looking {run}"), types.Part(function_call=call)
            ),
        ),
        Event(
            invocation_id=turn,
            author="keeper",
            content=content("user", types.Part(function_response=answer)),
            actions=EventActions(state_delta=delta),
        ),
        Event(
            invocation_id=turn,
            author="keeper",
            content=content("model", types.Part(text=f"answer {run}")),
        ),
    ]


async def main(kind: str, path: str) -> None:
    if kind == "database":
        service = DatabaseSessionService(f"sqlite+aiosqlite:///{path}")
    else:
        service = SqliteSessionService(path)
    told = {}
    for user in ("ana", "bo"):
        first = {"kept": [1, None], "app:motd": "hello", "user:lang": user}
        session = await service.create_session(
            app_name="orchard", user_id=user, session_id="one", state=first
        )
        for run in range(3):
            for event in events(run):
                await service.append_event(session, event)
        read = await service.get_session(app_name="orchard", user_id=user, session_id="one")
        texts = [
            part.text
            for event in read.events
            for part in event.content.parts
            if part.text is not None
        ]
        told[f"orchard/{user}/one"] = {
            "state": read.state,
            "texts": texts,
            "times": [event.timestamp for event in read.events],
        }
    print(json.dumps(told))


asyncio.run(main(sys.argv[1], sys.argv[2]))
