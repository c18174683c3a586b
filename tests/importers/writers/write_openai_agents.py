"""Writes sessions with OpenAI Agents, and prints what it reads back."""

import asyncio
import json
import sys

from agents import SQLiteSession
from agents.extensions.memory import AdvancedSQLiteSession


def run(number: int) -> list[dict]:
    call = f"call-{number}"
    return [
        {"role": "user", "content": f"question {number} ✓"},
        {
            "type": "function_call",
            "call_id": call,
            "name": "look_up",
            "arguments": json.dumps({"n": number}),
        },
        {"type": "function_call_output", "call_id": call, "output": f"found {number}"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": f"answer {number}", "annotations": []}],
        },
    ]


async def main(kind: str, path: str) -> None:
    if kind == "plain":
        session = SQLiteSession("one", path)
    else:
        session = AdvancedSQLiteSession(session_id="one", db_path=path, create_tables=True)
    for number in range(3):
        await session.add_items(run(number))
    told = {"one": await session.get_items()}
    if kind == "branched":
        await session.create_branch_from_turn(2, "retry")
        await session.add_items([{"role": "user", "content": "another way"}])
        told["one/retry"] = await session.get_items()
    print(json.dumps(told))


asyncio.run(main(sys.argv[1], sys.argv[2]))
