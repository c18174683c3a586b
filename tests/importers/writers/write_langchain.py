"""Writes messages with LangChain, in both of its forms."""

import json
import sys
from pathlib import Path

from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, messages_to_dict

MESSAGES = [
    HumanMessage("question ✓"),
    AIMessage("looking", tool_calls=[{"id": "call-1", "name": "look_up", "args": {"n": 1}}]),
    ToolMessage("found", tool_call_id="call-1"),
    AIMessage("answer"),
]
written = messages_to_dict(MESSAGES) if sys.argv[1] == "dict" else dumpd(MESSAGES)
Path(sys.argv[2]).write_text(json.dumps(written), "utf-8")
print(json.dumps([message.content for message in MESSAGES if message.type != "tool"]))
