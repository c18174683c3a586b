"""Writes threads with LangGraph, and prints what it reads back."""

import json
import sys
from typing import Annotated, TypedDict

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages


class State(TypedDict):
    messages: Annotated[list, add_messages]
    count: int


def agent(state: State) -> dict:
    last = state["messages"][-1]
    number = state.get("count", 0)
    if isinstance(last, ToolMessage):
        return {"messages": [AIMessage(f"answer {number}")], "count": number + 1}
    call = {"id": f"call-{number}", "name": "look_up", "args": {"n": number}}
    return {"messages": [AIMessage("", tool_calls=[call])]}


def tools(state: State) -> dict:
    call = state["messages"][-1].tool_calls[0]
    return {"messages": [ToolMessage(f"found {call['args']['n']}", tool_call_id=call["id"])]}


def next_of(state: State) -> str:
    return "tools" if getattr(state["messages"][-1], "tool_calls", None) else END


with SqliteSaver.from_conn_string(sys.argv[2]) as saver:
    graph = StateGraph(State)
    graph.add_node("agent", agent)
    graph.add_node("tools", tools)
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", next_of)
    graph.add_edge("tools", "agent")
    app = graph.compile(checkpointer=saver)
    told = {}
    for user in ("ana", "bo"):
        config = {"configurable": {"thread_id": user}}
        for number in range(3):
            app.invoke({"messages": [HumanMessage(f"question {number} ✓")]}, config)
        values = app.get_state(config).values
        told[user] = {
            "texts": [m.content for m in values["messages"] if m.type in ("human", "ai")],
            "results": [m.content for m in values["messages"] if m.type == "tool"],
            "count": values["count"],
        }
print(json.dumps(told))
