"""Bodies of requests: read within bounds, and refused field by field when they are not right."""

from collections.abc import AsyncGenerator, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from api.http.around.limits import is_limited, take_bytes
from api.http.incoming.addresses import names_sessions, with_ids
from api.http.incoming.json_body import decode, require_plain_json
from api.http.incoming.requests import HttpRequest
from api.http.incoming.wording import in_json_words
from api.http.outgoing.problems import Problem
from application.memory_budget import Share

_M = TypeVar("_M", bound=BaseModel)

NO_DEFAULTS: Mapping[str, Any] = MappingProxyType({})

_IN_MEMORY = 3
"""How many times as large as its body a request is in memory, with what is made of it."""


async def body_of(
    request: HttpRequest,
    model: type[_M],
    decoded: Callable[[bytes], Any] = decode,
    defaults: Mapping[str, Any] = NO_DEFAULTS,
) -> _M:
    """Return the validated body.

    Args:
        request: Whose body; an empty one stands for an empty object.
        model: What it must be.
        decoded: Makes a JSON value of its bytes.
        defaults: Stand for fields that an object leaves out.

    Raises:
        Problem: 400 it is no JSON, 413 too large, 415 of another type, 422
            not valid.
    """
    raw = await read_body(request)
    if not raw:
        return validated(model, {**defaults})
    require_plain_json(request.scope["cairn_headers"])
    value = decoded(raw)
    if defaults and isinstance(value, dict):
        value = {**defaults, **cast("dict[str, Any]", value)}
    if names_sessions(model):
        value = await with_ids(request, model, value)
    return validated(model, value)


async def read_body(request: HttpRequest) -> bytes:
    """Return the body as it came; asked again, it is the same.

    Args:
        request: Whose body. Read from the connection itself: the framework's way to it costs more
            than all of the validation.

    Raises:
        Problem: 413, it is larger than the server takes; 400, the client hung up.
        Overloaded: All requests together are larger than this process takes.
    """
    scope = request.scope
    body: bytes | None = scope.get("cairn_body")
    if body is not None:
        return body
    most: int = scope["cairn"].settings.max_body_bytes
    share: Share = scope["cairn"].memory.share("requests")
    told = told_size_of(request)
    if told is not None and told > most:
        raise _too_large(most)
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            raise Problem("malformed_request", "the connection ended before the body did")
        chunk: bytes = message.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        taken = _IN_MEMORY * len(chunk)
        share.take(taken)
        # Given back when the request is answered: until then it may wait for its session.
        scope["cairn_memory"] = scope.get("cairn_memory", 0) + taken
        scope["cairn_share"] = share
        more = message.get("more_body", False)
    # A door may need the body to know who it is.
    if "cairn_principal" in scope and is_limited(request, "bytes"):
        await take_bytes(request, size)
    body = scope["cairn_body"] = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    return body


async def pieces_of(request: HttpRequest) -> AsyncGenerator[bytes]:
    """Yield a body as it comes; whoever takes the pieces bounds them.

    Args:
        request: Whose body; it can be read once.

    Raises:
        Problem: 400, the client hung up.
        RateLimited: Whoever asks has sent as much as they may in a day.
    """
    more = True
    while more:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            raise Problem("malformed_request", "the connection ended before the body did")
        piece: bytes = message.get("body", b"")
        if piece:
            await take_bytes(request, len(piece))
            yield piece
        more = message.get("more_body", False)


def told_size_of(request: HttpRequest) -> int | None:
    """Return the bytes that the body is said to have; None when that is not said.

    Args:
        request: Whose header Content-Length.
    """
    told: bytes | None = request.scope["cairn_headers"].get(b"content-length")
    return int(told) if told is not None and told.isdigit() else None


def _too_large(most: int) -> Problem:
    return Problem("body_too_large", f"the body has more than {most} bytes", limit=most)


def validated(model: type[_M], value: Any, at: str = "") -> _M:
    """Return a wire model made of JSON.

    Args:
        model: What it must be.
        value: A JSON value.
        at: Where in the body it stands, for the refusal.

    Raises:
        Problem: 422, with every field that is not right.
    """
    try:
        # What `model_validate` calls, with options that nobody here has.
        made: _M = model.__pydantic_validator__.validate_python(value)
    except ValidationError as error:
        raise invalid(error, at) from None
    return made


def invalid(error: ValidationError, at: str = "") -> Problem:
    """Return the refusal of a value, field by field."""
    errors = [
        {
            "field": _joined([*([at] if at else []), *_path(one["loc"])]),
            "message": "unknown field"
            if one["type"] == "extra_forbidden"
            else in_json_words(one["msg"]),
            "code": one["type"],
        }
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    first = errors[0]
    detail = f"{first['field'] or 'the body'}: {first['message']}"
    if len(errors) > 1:
        detail += f" (and {len(errors) - 1} more)"
    return Problem("invalid", detail, errors=errors[:50])


def _path(location: tuple[int | str, ...]) -> list[str]:
    """Return where a value stands in the body, without the tag that pydantic puts after a part."""
    return [
        str(step)
        for i, step in enumerate(location)
        if not (i > 1 and location[i - 2] == "parts" and isinstance(location[i - 1], int))
    ]


def _joined(steps: list[str]) -> str:
    """Return `events[0].data.parts[1].text`: the way that the domain names fields too."""
    return "".join(
        f"[{step}]" if step.isdigit() else f".{step}" if i else step for i, step in enumerate(steps)
    )
