from google.adk.agents import BaseAgent
from google.adk.events import Event, EventActions
from google.genai import types


class Scopes(BaseAgent):
    async def _run_async_impl(self, ctx):
        yield Event(
            invocation_id=ctx.invocation_id,
            author=self.name,
            content=types.Content(role="model", parts=[types.Part(text="scopes")]),
            actions=EventActions(state_delta={"s": 1, "app:a": "A", "user:u": "U", "temp:t": "T"}),
        )
        yield Event(
            invocation_id=ctx.invocation_id,
            author=self.name,
            content=types.Content(
                role="model",
                parts=[types.Part(text="temp seen: %s" % ctx.session.state.get("temp:t"))],
            ),
        )


root_agent = Scopes(name="scopes_agent", description="scopes")
