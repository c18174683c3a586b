"""Hooks that the tests of the server name in its settings."""

from dataclasses import replace

from application.commands.hooks import Call, Deny, Hook
from domain.session.commands import Command, StartTurn


async def _no_secrets(call: Call) -> Command | None:
    command = call.command
    assert isinstance(command, StartTurn)
    text = command.parts[0].get("text", "")
    if "forbidden" in text:
        raise Deny("that word is not said here")
    if "my password is" in text:
        return replace(command, parts=({"type": "text", "text": "[withheld]"},))
    return None


async def _keep(call: Call) -> Command | None:
    raise Deny(f"{call.actor} may not delete sessions")


HOOKS = (
    Hook(name="no secrets", points=frozenset({"input.pre_submit"}), ask=_no_secrets),
    Hook(name="keep all", points=frozenset({"session.pre_delete"}), ask=_keep),
)
