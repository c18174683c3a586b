"""Hooks: code in this process that sees a command before it is decided, to deny or change it.

    request → hooks of its point, in order → decide → ...

The rules judge a changed command like any other: a hook can narrow what is asked, never widen what
is allowed. Webhooks (`application/webhooks`) tell what happened afterwards; nothing waits for them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, Literal, TypeVar, cast, get_args, get_type_hints
from uuid import UUID

from application.commands.request import BY_ITSELF, Request, RequestOrigin, ScopeRequest
from application.errors import HookDenied, HookFailed
from domain.scope.rules import PatchScope
from domain.session import commands as c
from domain.values import Identity

Point = Literal[
    "session.pre_create",
    "session.pre_resume",
    "session.pre_stop",
    "session.pre_delete",
    "spawn.pre_create",
    "input.pre_submit",
    "message.pre_add",
    "tool.pre_call",
    "permission.pre_decide",
    "state.pre_patch",
]

POINTS: Mapping[type[Any], Point] = {
    c.CreateSession: "session.pre_create",
    c.ResumeSession: "session.pre_resume",
    c.StopSession: "session.pre_stop",
    c.DeleteSession: "session.pre_delete",
    c.SpawnSession: "spawn.pre_create",
    c.StartTurn: "input.pre_submit",
    c.QueueInputs: "input.pre_submit",
    c.EditInput: "input.pre_submit",
    c.AddMessage: "message.pre_add",
    c.ReviseMessage: "message.pre_add",
    c.RequestPermission: "tool.pre_call",
    c.DecidePermission: "permission.pre_decide",
    c.PatchState: "state.pre_patch",
    PatchScope: "state.pre_patch",
}
"""The point at which each command is shown to hooks; the others are shown to none."""

(_IDENTITY,) = get_args(Identity)[1:]

_logger = logging.getLogger("cairn.hooks")

_T = TypeVar("_T")
_Request = TypeVar("_Request", Request, ScopeRequest)


@dataclass(frozen=True, slots=True)
class Call:
    """What a hook is told.

    Args:
        point: When it is asked.
        session_id: Of which session, or of which shared scope.
        command: What is asked of it.
        actor: Who asks.
        origin: Through which door.
    """

    point: Point
    session_id: UUID
    command: c.Command | PatchScope
    actor: str
    origin: RequestOrigin


class Deny(Exception):
    """Raised by a hook that does not want the command to be done.

    Args:
        reason: For the caller.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """Code that is asked before commands.

    Args:
        name: For the log, and for what a caller is told.
        points: When it is asked.
        ask: Returns the command to decide instead, of the same class, or None to leave it as it
            is; raises `Deny` to refuse it.
        priority: Those with a higher one are asked first.
        required: Its failure refuses the command; that of another is logged and passed over.
        timeout: Seconds after which it has failed.
    """

    name: str
    points: frozenset[Point]
    ask: Callable[[Call], Awaitable[c.Command | PatchScope | None]]
    priority: int = 0
    required: bool = True
    timeout: float = 5.0


class Hooks:
    """All hooks, in the order in which they are asked.

    Args:
        hooks: In any order; of two with the same priority the name decides.
    """

    def __init__(self, hooks: Iterable[Hook] = ()) -> None:
        ordered = sorted(hooks, key=lambda hook: (-hook.priority, hook.name))
        self._of_point: dict[Point, list[Hook]] = {}
        for hook in ordered:
            for point in hook.points:
                self._of_point.setdefault(point, []).append(hook)

    def __bool__(self) -> bool:
        return bool(self._of_point)

    async def before(self, request: _Request) -> _Request:
        """Return the request as the hooks leave it.

        Args:
            request: As the caller sent it.

        Raises:
            HookDenied: One of them refuses it.
            HookFailed: One that is required could not say.
        """
        point = POINTS.get(type(request.command))
        if point is None or request.origin in BY_ITSELF:
            return request
        for hook in self._of_point.get(point, ()):
            request = await self._ask(hook, point, request)
        return request

    async def _ask(self, hook: Hook, point: Point, request: _Request) -> _Request:
        call = Call(point, request.session_id, request.command, request.actor, request.origin)
        try:
            changed = await _within(hook.timeout, hook.ask(call))
            if changed is not None:
                _require_same_kind(request.command, changed)
                return request._replace(command=cast("Any", changed))
        except Deny as denied:
            raise HookDenied(str(denied.reason)[:2000], hook=hook.name, point=point) from None
        except Exception as error:
            _logger.exception("hook %s at %s", hook.name, point)
            if hook.required:
                raise HookFailed(None, hook=hook.name, point=point) from error
        return request


async def _within(seconds: float, asked: Awaitable[_T]) -> _T:
    """Wait for an answer, and no longer: not even for one that does not let itself be cancelled.

    Args:
        seconds: How long.
        asked: What may never end, or end as cancelled although nobody has cancelled it.

    Raises:
        TimeoutError: There is none yet.
        RuntimeError: There will be none.
    """
    task = asyncio.ensure_future(asked)
    try:
        done, _ = await asyncio.wait((task,), timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        raise TimeoutError
    if task.cancelled():
        raise RuntimeError("it was cancelled, but not by who asked")
    return task.result()


def _require_same_kind(asked: c.Command | PatchScope, changed: c.Command | PatchScope) -> None:
    if type(changed) is not type(asked):
        raise TypeError(f"a hook made a {type(changed).__name__} of a {type(asked).__name__}")
    if _identity_of(changed) != _identity_of(asked):
        raise ValueError("a hook may not change what a command is about: its ids and its owner")


def _identity_of(asked: object) -> list[object]:
    """Return the ids and owners in a command, and in the inputs that it brings along."""
    found: list[object] = []
    for name, is_identity in _fields_of(type(asked)).items():
        value: object = getattr(asked, name)
        if is_identity:
            found.append(value)
        elif isinstance(value, tuple):
            for one in cast("tuple[object, ...]", value):
                found += _identity_of(one)
    return found


def _fields_of(kind: type[object]) -> Mapping[str, bool]:
    """Return the fields of a command, and which of them say what it is about."""
    if not is_dataclass(kind):
        return {}
    hints = get_type_hints(kind, include_extras=True)
    return {name: _IDENTITY in getattr(hint, "__metadata__", ()) for name, hint in hints.items()}
