"""Scripted LlmAgent: the last user text selects the script."""

import asyncio
from google.adk.agents import LlmAgent
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_response import LlmResponse
from google.adk.tools import FunctionTool, LongRunningFunctionTool, ToolContext
from google.genai import types


def content(*parts):
    return types.Content(role="model", parts=list(parts))


def text(t, **kw):
    return types.Part(text=t, **kw)


def call(name, **args):
    return types.Part(function_call=types.FunctionCall(name=name, args=args))


USAGE = types.GenerateContentResponseUsageMetadata(
    prompt_token_count=3, candidates_token_count=5, total_token_count=8
)


class ScriptedLlm(BaseLlm):
    async def generate_content_async(self, llm_request, stream=False):
        script, results = "text", []
        for c in llm_request.contents:
            for p in c.parts or []:
                if c.role == "user" and p.text and not p.text.startswith("For context"):
                    script, results = p.text, []
                if p.function_response:
                    results.append(p.function_response)
        n = len(results)
        word = script.split()[0] if script.split() else "text"
        if word == "stream":
            if stream:
                for w in ("Hel", "lo ", "wörld"):
                    yield LlmResponse(content=content(text(w)), partial=True)
            yield LlmResponse(
                content=content(text("Hello wörld")),
                usage_metadata=USAGE,
                finish_reason="STOP",
                model_version="scripted-1",
                turn_complete=True,
            )
        elif word == "parallel" and n == 0:
            yield LlmResponse(
                content=content(
                    text("Looking both up."),
                    call("get_weather", city="Oslo"),
                    call("get_weather", city="Rome"),
                )
            )
        elif word == "parallel":
            yield LlmResponse(content=content(text("Oslo 3, Rome 21")), usage_metadata=USAGE)
        elif word == "settool" and n == 0:
            yield LlmResponse(content=content(call("remember", key="colour", value="blue")))
        elif word == "artifact" and n == 0:
            yield LlmResponse(
                content=content(
                    types.Part(
                        function_call=types.FunctionCall(
                            name="write_report", args={"name": "report.txt", "body": "hello"}
                        )
                    )
                )
            )
        elif word == "long" and n == 0:
            yield LlmResponse(content=content(call("ask_approval", amount=50)))
        elif word == "long":
            yield LlmResponse(
                content=content(text("status: " + str((results[-1].response or {}).get("status"))))
            )
        elif word == "nap" and n == 0:
            yield LlmResponse(
                content=content(call("nap", seconds=3), call("get_weather", city="Oslo"))
            )
        elif word == "confirm" and n == 0:
            yield LlmResponse(content=content(call("wipe_disk", path="x")))
        elif word == "toolerror" and n == 0:
            yield LlmResponse(content=content(call("explode")))
        elif word == "unknowntool" and n == 0:
            yield LlmResponse(content=content(call("no_such_tool")))
        elif word == "error":
            raise RuntimeError("kaput")
        elif word == "lateerror":
            if n == 0:
                yield LlmResponse(content=content(call("get_weather", city="Oslo")))
            else:
                raise RuntimeError("kaput late")
        elif word == "errorevent":
            yield LlmResponse(
                error_code="SAFETY", error_message="blocked by script", finish_reason="SAFETY"
            )
        elif word == "thought":
            yield LlmResponse(
                content=content(
                    text("thinking", thought=True),
                    types.Part(text="done", thought_signature=b"\xfb\xff\x00sig"),
                ),
                custom_metadata={"k": 1, "n": None},
            )
        elif word == "blob":
            yield LlmResponse(
                content=content(
                    types.Part(
                        inline_data=types.Blob(
                            data=b"\xfb\xff\xfe", mime_type="application/octet-stream"
                        )
                    )
                )
            )
        elif word == "slow":
            for i in range(6):
                await asyncio.sleep(0.3)
                yield LlmResponse(content=content(text(f"piece {i} ")), partial=True)
            yield LlmResponse(content=content(text("slow done")))
        elif word == "slowtools":
            if n < 4:
                await asyncio.sleep(0.3)
                yield LlmResponse(content=content(call("get_weather", city=f"c{n}")))
            else:
                yield LlmResponse(content=content(text("slowtools done")))
        else:
            yield LlmResponse(content=content(text("echo: " + script)))


def get_weather(city: str) -> dict:
    """Weather of a city."""
    return {"city": city, "degrees": {"Oslo": 3, "Rome": 21}.get(city, 0)}


def remember(key: str, value: str, tool_context: ToolContext) -> dict:
    """Remember a value."""
    tool_context.state[key] = value
    tool_context.state["user:" + key] = value
    tool_context.state["temp:" + key] = value
    return {"ok": True}


async def write_report(name: str, body: str, tool_context: ToolContext) -> dict:
    """Save an artifact."""
    v = await tool_context.save_artifact(name, types.Part.from_text(text=body))
    return {"version": v}


def ask_approval(amount: int) -> dict:
    """Long-running approval."""
    return {"status": "pending", "ticket": "T-1", "amount": amount}


async def nap(seconds: int) -> dict:
    """Sleeps."""
    await asyncio.sleep(seconds)
    return {"slept": seconds}


def wipe_disk(path: str) -> dict:
    """Needs confirmation."""
    return {"wiped": path}


def explode() -> dict:
    """Raises."""
    raise ValueError("tool kaput")


root_agent = LlmAgent(
    name="golden_agent",
    description="scripted",
    model=ScriptedLlm(model="scripted-1"),
    instruction="script",
    tools=[
        get_weather,
        remember,
        write_report,
        LongRunningFunctionTool(ask_approval),
        FunctionTool(wipe_disk, require_confirmation=True),
        explode,
        nap,
    ],
)
