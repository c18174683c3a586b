"""Scripted BaseAgent: yields events directly."""

import asyncio
from google.adk.agents import BaseAgent
from google.adk.events import Event, EventActions
from google.genai import types


def c(t):
    return types.Content(role="model", parts=[types.Part(text=t)])


class RawAgent(BaseAgent):
    async def _run_async_impl(self, ctx):
        inv = ctx.invocation_id
        word = "text"
        if ctx.user_content and ctx.user_content.parts and ctx.user_content.parts[0].text:
            word = ctx.user_content.parts[0].text.split()[0]
        mk = lambda **kw: Event(invocation_id=inv, author=self.name, **kw)
        if word == "silent":
            return
        if word == "delta":
            yield mk(
                content=c("one"),
                actions=EventActions(
                    state_delta={
                        "k": 1,
                        "deep": {"a": [1, None]},
                        "app:a": "A",
                        "user:u": "U",
                        "temp:t": "T",
                        "nul": None,
                    }
                ),
            )
            yield mk(content=c("sees temp: %s" % ctx.session.state.get("temp:t")))
        elif word == "artifactdelta":
            if ctx.artifact_service:
                v = await ctx.artifact_service.save_artifact(
                    app_name=ctx.session.app_name,
                    user_id=ctx.session.user_id,
                    session_id=ctx.session.id,
                    filename="raw.txt",
                    artifact=types.Part.from_text(text="raw"),
                )
            else:
                v = 0
            yield mk(
                content=c("with artifact"), actions=EventActions(artifact_delta={"raw.txt": v})
            )
        elif word == "partials":
            for t in ("a", "b"):
                yield mk(content=c(t), partial=True)
            yield mk(content=c("ab"), partial=False, turn_complete=True)
        elif word == "partialdelta":
            yield mk(
                content=c("p"), partial=True, actions=EventActions(state_delta={"fromPartial": 1})
            )
            yield mk(content=c("f"))
        elif word == "full":
            yield mk(
                content=c("full"),
                branch="b.c",
                custom_metadata={"x": [1]},
                error_code="E1",
                error_message="m",
                interrupted=False,
                long_running_tool_ids={"z", "a"},
                actions=EventActions(
                    escalate=True,
                    skip_summarization=True,
                    transfer_to_agent="other",
                    end_of_agent=True,
                    agent_state={"s": 1},
                ),
            )
        elif word == "fail":
            yield mk(content=c("before failure"))
            raise RuntimeError("raw kaput")
        elif word == "failnow":
            raise RuntimeError("raw kaput now")
        elif word == "sleep":
            for i in range(5):
                await asyncio.sleep(0.3)
                yield mk(content=c(f"step {i}"))
        elif word == "surrogate":
            yield mk(content=c("nul \x00 end"))
        elif word == "bigint":
            yield mk(
                content=c("x"),
                actions=EventActions(
                    state_delta={"big": 123456789012345678901234567890, "f": 1.0, "tiny": 1e-320}
                ),
            )
        elif word == "unserialisable":
            yield mk(content=c("x"), actions=EventActions(state_delta={"o": object, "s": {1}}))
        elif word == "auth":
            from google.adk.auth.auth_tool import AuthConfig
            from google.adk.auth.auth_credential import (
                AuthCredential,
                AuthCredentialTypes,
                OAuth2Auth,
            )
            from fastapi.openapi.models import OAuth2, OAuthFlows, OAuthFlowAuthorizationCode

            yield mk(
                content=c("auth"),
                actions=EventActions(
                    requested_auth_configs={
                        "fc1": AuthConfig(
                            auth_scheme=OAuth2(
                                flows=OAuthFlows(
                                    authorizationCode=OAuthFlowAuthorizationCode(
                                        authorizationUrl="https://a.example/auth",
                                        tokenUrl="https://a.example/token",
                                        scopes={"s": "d"},
                                    )
                                )
                            ),
                            raw_auth_credential=AuthCredential(
                                auth_type=AuthCredentialTypes.OAUTH2,
                                oauth2=OAuth2Auth(
                                    client_id="cid",
                                    client_secret="PLAIN-SECRET",
                                    access_token="PLAIN-TOKEN",
                                    refresh_token="PLAIN-REFRESH",
                                    redirect_uri="https://a.example/r",
                                ),
                            ),
                        )
                    }
                ),
            )
        elif word == "errorkey":
            yield mk(content=c("x"), output={"error": "just data"}, custom_metadata={"error": 1})
        elif word == "many":
            for i in range(12):
                yield mk(content=c(f"e{i}"))
        else:
            yield mk(content=c("raw: " + word))


root_agent = RawAgent(name="raw_agent", description="raw scripted")
