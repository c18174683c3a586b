"""Writes a history with pydantic-ai, and prints what it has."""

import json
import sys
from pathlib import Path

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel


def model(messages, info):
    last = messages[-1].parts[-1]
    if isinstance(last, ToolReturnPart):
        return ModelResponse(parts=[TextPart(f"answer {last.content}")])
    return ModelResponse(
        parts=[TextPart("looking"), ToolCallPart("look_up", {"n": 1}, tool_call_id="call-1")]
    )


agent = Agent(FunctionModel(model))


@agent.tool_plain
def look_up(n: int) -> str:
    return f"found {n}"


first = agent.run_sync("question 0 ✓")
second = agent.run_sync("question 1", message_history=first.all_messages())
Path(sys.argv[2]).write_bytes(second.all_messages_json())
print(json.dumps({"runs": 2, "outputs": [first.output, second.output]}))
