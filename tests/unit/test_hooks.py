"""Hooks are asked in order, may deny and change, and may not do harm."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from api.composition.over_store import repository_over, scope_handler_over
from application.commands.hooks import POINTS, Call, Deny, Hook, Hooks, Point
from application.commands.request import Idempotency, Request, ScopeRequest
from application.errors import HookDenied, HookFailed
from application.fan_out import FanOut
from domain.scope.rules import PatchScope
from domain.session import commands as c
from domain.session.declarations import RULES
from infrastructure.hook_loading import HookNameError, load_hooks
from infrastructure.memory.store import MemoryStore
from tests.support.builders import SESSION_ID, create, text
from tests.support.in_memory_app import lone_handler
from tests.unit.test_lifecycle import EVERY_COMMAND_TO_A_SESSION

pytestmark = pytest.mark.anyio

START = c.StartTurn(turn_id="t1", message_id="m1", parts=text("go"))
Ask = Callable[[Call], Awaitable[c.Command | PatchScope | None]]


def hook(name: str, ask: Ask, point: Point = "input.pre_submit", **rest: Any) -> Hook:
    return Hook(name=name, points=frozenset({point}), ask=ask, **rest)


def says(word: str) -> Ask:
    async def ask(call: Call) -> c.Command | None:
        command = call.command
        assert isinstance(command, c.StartTurn)
        return replace(command, parts=(*command.parts, {"type": "text", "text": word}))

    return ask


async def denies(_: Call) -> c.Command | None:
    raise Deny("not now")


async def breaks(_: Call) -> c.Command | None:
    raise RuntimeError("boom")


async def hangs(_: Call) -> c.Command | None:
    await asyncio.Event().wait()
    return None


async def asked_for(command: c.Command, *hooks: Hook, origin: str = "http") -> c.Command:
    request = Request(SESSION_ID, command, actor="user:ada", origin=origin)
    return (await Hooks(hooks).before(request)).command


def words(command: c.Command) -> list[str]:
    assert isinstance(command, c.StartTurn)
    return [part["text"] for part in command.parts]


async def test_each_sees_what_the_one_before_it_made_and_the_highest_priority_is_first():
    changed = await asked_for(
        START, hook("b", says("b")), hook("a", says("a")), hook("z", says("z"), priority=5)
    )

    assert words(changed) == ["go", "z", "a", "b"]


async def test_whoever_gives_up_waiting_ends_what_was_asked():
    ended = asyncio.Event()

    async def ask(_: Call) -> c.Command | None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return None

    asking = asyncio.create_task(asked_for(START, hook("a", ask)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    await asyncio.wait_for(ended.wait(), 5)


async def test_a_message_is_shown_when_it_is_added_and_when_it_is_revised():
    guard = hook("a", denies, "message.pre_add")
    for command in (
        c.AddMessage(message_id="m1", role="user", parts=text()),
        c.ReviseMessage(message_id="m1", parts=text()),
    ):
        with pytest.raises(HookDenied):
            await asked_for(command, guard)


async def test_a_denial_says_why_and_ends_the_chain():
    with pytest.raises(HookDenied) as denied:
        await asked_for(START, hook("a", denies), hook("b", breaks))

    assert denied.value.detail == "not now"
    assert denied.value.facts == {"hook": "a", "point": "input.pre_submit"}


async def is_cancelled(_: Call) -> c.Command | None:
    raise asyncio.CancelledError


async def does_not_let_go(_: Call) -> c.Command | None:
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await asyncio.Event().wait()
    return None


def is_not_async(_: Call) -> Any:
    return None


@pytest.mark.parametrize("ask", [breaks, hangs, is_cancelled, does_not_let_go, is_not_async])
async def test_a_required_hook_that_fails_refuses_and_another_is_passed_over(ask: Ask):
    with pytest.raises(HookFailed):
        await asked_for(START, hook("a", ask, timeout=0.01))

    passed = await asked_for(START, hook("a", ask, timeout=0.01, required=False))

    assert passed == START


@pytest.mark.parametrize(
    "changed", [replace(START, turn_id="t2"), c.DeleteSession(), replace(START, message_id="m2")]
)
async def test_a_hook_may_change_neither_the_kind_of_a_command_nor_whom_it_is_about(
    changed: c.Command,
):
    async def ask(_: Call) -> c.Command | None:
        return changed

    with pytest.raises(HookFailed):
        await asked_for(START, hook("a", ask))


_CHOSEN = {"option_id", "tool_call_id", "expected_turn_id", "expected"}
"""What a caller refers to, and a hook may choose otherwise."""


@pytest.mark.parametrize("command", [*RULES, c.NewInput])
def test_every_id_of_a_command_is_declared_as_one(command: type[Any]):
    hints = get_type_hints(command, include_extras=True)
    ids = {name for name in hints if name.endswith("_id") or name in ("owner", "app", "user")}

    declared = {name for name, hint in hints.items() if "identity" in _metadata(hint)}

    assert ids - _CHOSEN <= declared


def _metadata(hint: Any) -> tuple[Any, ...]:
    return getattr(hint, "__metadata__", ())


@pytest.mark.parametrize("kept", [slice(0, 1), slice(1, 2), slice(None, None, -1)])
async def test_a_hook_may_change_what_inputs_say_and_not_which_there_are(kept: slice):
    first, second = (
        c.NewInput(input_id=f"i{n}", message_id=f"m{n}", parts=text("go")) for n in (1, 2)
    )
    queued = c.QueueInputs(inputs=(first, second))

    async def ask(_: Call) -> c.Command | None:
        return replace(queued, inputs=queued.inputs[kept])

    async def rewords(_: Call) -> c.Command | None:
        return replace(queued, inputs=(replace(first, parts=text("stay")), second))

    with pytest.raises(HookFailed):
        await asked_for(queued, hook("a", ask))
    changed = await asked_for(queued, hook("a", rewords))
    assert isinstance(changed, c.QueueInputs)
    assert changed.inputs[0].parts == text("stay")


async def test_nobody_is_asked_at_other_points_nor_about_what_a_clock_decides():
    stop = c.StopSession()
    keeps = hook("a", denies, "session.pre_stop")

    assert await asked_for(START, keeps) == START
    assert await asked_for(stop, keeps, origin="supervision") == stop
    with pytest.raises(HookDenied):
        await asked_for(stop, keeps)


OTHERS = (create(), c.DeleteSession())
SHOWN = [one for one in (*OTHERS, *EVERY_COMMAND_TO_A_SESSION) if type(one) in POINTS]


@pytest.mark.parametrize("command", SHOWN, ids=lambda command: type(command).__name__)
async def test_whatever_is_shown_can_be_denied_and_leaves_no_trace(command: c.Command):
    assert {type(one) for one in SHOWN} | {PatchScope} == set(POINTS)
    store, point = MemoryStore(), POINTS[type(command)]
    handler = lone_handler(store, hooks=Hooks([hook("a", denies, point)]))

    with pytest.raises(HookDenied) as denied:
        await handler.handle(Request(SESSION_ID, command, actor="user:ada"))

    assert denied.value.facts == {"hook": "a", "point": point}
    assert await store.log.head() == 0


async def test_a_patch_of_a_shared_scope_is_shown_too_and_can_be_narrowed():
    async def narrow(call: Call) -> PatchScope | None:
        assert isinstance(call.command, PatchScope)
        return replace(call.command, set={"app:k": 1})

    store, fan_out = MemoryStore(), FanOut()
    asked = ScopeRequest(PatchScope(app="a", set={"app:k": 1, "app:secret": 2}), "user:ada")
    no = scope_handler_over(store, fan_out, hooks=Hooks([hook("a", denies, "state.pre_patch")]))
    with pytest.raises(HookDenied):
        await no.handle(asked)
    assert await store.log.head() == 0

    some = scope_handler_over(store, fan_out, hooks=Hooks([hook("a", narrow, "state.pre_patch")]))
    await some.handle(asked)

    assert (await store.shared_state.scope(asked.session_id)).values == {"app:k": b"1"}


async def test_what_was_done_before_a_hook_said_no_is_answered_as_it_was_then():
    allowed = True

    async def ask(_: Call) -> c.Command | None:
        if not allowed:
            raise Deny("no more")
        return None

    handler = lone_handler(MemoryStore(), hooks=Hooks([hook("a", ask)]))
    await handler.handle(Request(SESSION_ID, create(), actor="user:ada"))
    key = Idempotency(scope=SESSION_ID, key="k", fingerprint=b"f" * 32)
    request = Request(SESSION_ID, START, actor="user:ada", idempotency=key)
    first = await handler.handle(request)
    allowed = False

    again = await handler.handle(request)

    assert again.replayed
    assert again.sequence == first.sequence


@pytest.mark.parametrize("ask", [denies, breaks])
async def test_what_is_already_so_cannot_be_denied(ask: Ask):
    handler = lone_handler(MemoryStore(), hooks=Hooks([hook("a", ask, "session.pre_stop")]))
    await handler.handle(Request(SESSION_ID, create(), actor="user:ada"))
    stop = Request(SESSION_ID, c.StopSession(), actor="user:ada")
    with pytest.raises((HookDenied, HookFailed)):
        await handler.handle(stop)
    first = await handler.handle(stop._replace(origin="supervision"))

    again = await handler.handle(stop)

    assert (first.changed, again.changed) == (True, False)
    assert again[2:] == first[2:] == (2, 2, first.answer, False)
    assert again.answer["status"] == "stopped"
    with pytest.raises((HookDenied, HookFailed)):
        # What is asked of another sequence is not answered here.
        await handler.handle(stop._replace(expected=frozenset({1})))


async def test_a_session_stays_active_when_a_required_hook_cannot_say_whether_it_may_stop():
    keeps = hook("a", breaks, "session.pre_stop")
    store = MemoryStore()
    handler = lone_handler(store, hooks=Hooks([keeps]))
    await handler.handle(Request(SESSION_ID, create(), actor="user:ada"))

    with pytest.raises(HookFailed):
        await handler.handle(Request(SESSION_ID, c.StopSession(), actor="user:ada"))

    assert (await repository_over(store).load(SESSION_ID)).session.status == "idle"


def test_hooks_are_found_by_their_names():
    found = load_hooks("tests.support.hooks:HOOKS, ")

    assert [one.name for one in found] == ["no secrets", "keep all"]


@pytest.mark.parametrize(
    "name",
    ["nowhere.at.all:HOOKS", "tests.support.hooks:NOTHING", "tests.support.hooks", "json:dumps",
     ":HOOKS", ".hooks:HOOKS", "tests..hooks:HOOKS", "tests/support/hooks.py:HOOKS"],
)  # fmt: skip
def test_a_name_that_is_no_hook_is_refused(name: str):
    with pytest.raises(HookNameError, match=r"write it like package.module:attribute|not a Hook"):
        load_hooks(name)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise KeyError('a')", "KeyError: 'a'"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def (", "invalid syntax"),
        ("import not_installed_here", "No module named 'not_installed_here'"),
    ],
)
def test_a_file_of_hooks_that_ends_early_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
):
    (tmp_path / "hooks_that_end_early.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HookNameError) as refusal:
        load_hooks("hooks_that_end_early:HOOKS")
    assert said in str(refusal.value)
    assert "mend that module" in str(refusal.value)
