"""Reading requests: bodies, parameters and headers, each refused by name when it is not right."""

import math
import re
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar, cast
from uuid import UUID

from litestar import Request
from pydantic import BaseModel, ValidationError

from api.http.json_body import decode, require_plain_json
from api.http.problems import Problem
from application.commands.request import IdempotencyKey
from application.memory_budget import Share
from domain.errors import SessionNotFound

AnyRequest = Request[Any, Any, Any]
_M = TypeVar("_M", bound=BaseModel)

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_EVENTS = 1000
"""Of a page of events, which ends sooner when it is full by bytes."""
MAX_WAIT = 60.0
SLASH_IN_A_NAME = "\udc2f"
"""Stands for the slash of an id on its way through the router; no text of a client has it."""

_IN_MEMORY = 3
"""How many times as large as its body a request is in memory, with what is made of it."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_NO_UUID = "00000000-0000-0000-0000-000000000000"
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_WAIT = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(ms|s|m)?", re.ASCII)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)
_PRINTABLE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_WORD = re.compile(r"[^\x00-\x1f\x7f]+")
_LONGEST = 500
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


async def body_of(
    request: AnyRequest,
    model: type[_M],
    known: Iterable[str] = (),
    decoded: Callable[[bytes], Any] = decode,
) -> _M:
    """Return the validated body.

    Args:
        request: Whose body; an empty one stands for an empty object.
        model: What it must be.
        known: The query parameters that the route has.
        decoded: Makes a JSON value of its bytes.

    Raises:
        Problem: 400 it is no JSON or has another query, 413 too large, 415 of another type, 422
            not valid.
    """
    if scope_of(request)["query_string"]:
        Parameters(request, known)
    raw = await read_body(request)
    if not raw:
        return validated(model, {})
    require_plain_json(header(request, b"content-type"), header(request, b"content-encoding"))
    return validated(model, decoded(raw))


async def read_body(request: AnyRequest) -> bytes:
    """Return the body as it came; asked again, it is the same.

    Args:
        request: Whose body. Read from the connection itself: the framework's way to it costs more
            than all of the validation.

    Raises:
        Problem: 413, it is larger than the server takes; 400, the client hung up.
        Overloaded: All requests together are larger than this process takes.
    """
    scope = scope_of(request)
    body: bytes | None = scope.get("cairn_body")
    if body is not None:
        return body
    most: int = scope["cairn"].settings.max_body_bytes
    share: Share = scope["cairn"].memory.share("requests")
    told = header(request, b"content-length")
    if told is not None and told.isdigit() and int(told) > most:
        raise _too_large(most)
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            raise Problem("malformed_request", "the connection ended before the body did")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > most:
            raise _too_large(most)
        taken = _IN_MEMORY * len(chunks[-1])
        share.take(taken)
        # Given back when the request is answered: until then it may wait for its session.
        scope["cairn_memory"] = scope.get("cairn_memory", 0) + taken
        scope["cairn_share"] = share
        more = message.get("more_body", False)
    body = scope["cairn_body"] = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    return body


def _too_large(most: int) -> Problem:
    return Problem("body_too_large", f"the body has more than {most} bytes", limit=most)


def scope_of(request: AnyRequest) -> dict[str, Any]:
    """Return the ASGI scope of a request, with what `api/http/middleware.py` put into it."""
    return cast("dict[str, Any]", request.scope)


def header(request: AnyRequest, name: bytes) -> str | None:
    """Return a header, None when absent.

    Args:
        request: Whose header.
        name: In lower case.
    """
    value: bytes | None = scope_of(request)["cairn_headers"].get(name)
    return None if value is None else value.decode("latin-1")


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
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(error, at) from None


def invalid(error: ValidationError, at: str = "") -> Problem:
    """Return the refusal of a value, field by field."""
    errors = [
        {
            "field": _joined([*([at] if at else []), *_path(one["loc"])]),
            "message": "unknown field" if one["type"] == "extra_forbidden" else one["msg"],
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


def name_of(request: AnyRequest, parameter: str) -> str:
    """Return an id that the path names.

    Args:
        request: Whose path.
        parameter: Such as `turn_id`.
    """
    name: str = request.path_params[parameter]
    return name.replace(SLASH_IN_A_NAME, "/")


def session_id_of(request: AnyRequest) -> UUID:
    """Return the session that the path names.

    Raises:
        SessionNotFound: It is not even a UUID.
    """
    text = request.path_params["session_id"]
    if not _UUID.fullmatch(text):
        raise SessionNotFound("a session id is a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")
    return UUID(text)


class Parameters:
    """The query of a request, where every name must be known and every value must make sense.

    Args:
        request: Whose query.
        known: The names that the route has; any other is refused rather than ignored. One that ends
            in a dot stands for all that begin with it.
        many: Those of them that take several values: separated by commas, given again, or both.
    """

    def __init__(
        self, request: AnyRequest, known: Iterable[str], many: Collection[str] = ("types",)
    ) -> None:
        pairs = request.query_params
        self._values: dict[str, str] = {}
        known = frozenset(known)
        unknown = sorted(name for name in set(pairs) - known if _beginning(name) not in known)
        if unknown:
            name = unknown[0]
            raise Problem("invalid_parameter", f"unknown parameter {name!r}", field=name)
        for name in pairs:
            values = pairs.getall(name)
            if len(values) > 1 and name not in many:
                raise _bad(name, "it is given more than once")
            self._values[name] = ",".join(values)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def pairs(self) -> list[tuple[str, str]]:
        """Return the names and values as they were given."""
        return list(self._values.items())

    def text(self, name: str, *, most: int = _LONGEST) -> str | None:
        """Return a text without control characters; None when absent."""
        value = self._values.get(name)
        if value is None:
            return None
        if len(value) > most or not _WORD.fullmatch(value):
            raise _bad(name, f"it must be 1 to {most} characters, none of them a control character")
        return value

    def under(self, beginning: str) -> dict[str, str] | None:
        """Return the texts of all parameters that begin so, by the rest of their names.

        Args:
            beginning: Of their names, with the dot at its end.

        Raises:
            Problem: 400, one has more than 500 characters, or a NUL.
        """
        found: dict[str, str] = {}
        for name in sorted(self._values):
            value = self._values[name]
            if not name.startswith(beginning):
                continue
            if max(len(name), len(value)) > _LONGEST or "\0" in name + value:
                raise _bad(name, f"it must be at most {_LONGEST} characters, none of them NUL")
            found[name.removeprefix(beginning)] = value
        return found or None

    def words(self, name: str) -> tuple[str, ...]:
        """Return the texts of a comma-separated list."""
        value = self.text(name, most=4000)
        return () if value is None else tuple(filter(None, map(str.strip, value.split(","))))

    def one_of(self, name: str, allowed: Iterable[str]) -> str | None:
        """Return one of the allowed words."""
        value = self._values.get(name)
        choices = list(allowed)
        if value is not None and value not in choices:
            raise _bad(name, f"it must be one of {', '.join(choices)}")
        return value

    def some_of(self, name: str, allowed: Iterable[str]) -> tuple[str, ...] | None:
        """Return some of the allowed words, each once; None when absent."""
        if name not in self._values:
            return None
        choices = list(allowed)
        words = tuple(sorted(set(self.words(name))))
        if not words or not set(words).issubset(choices):
            raise _bad(name, f"it must be one or more of {', '.join(choices)}")
        return words

    def flag(self, name: str) -> bool | None:
        """Return true or false."""
        value = self.one_of(name, ("true", "false"))
        return None if value is None else value == "true"

    def count(self, name: str, *, least: int = 0, most: int = 2**62) -> int | None:
        """Return a whole number in a range."""
        value = self._values.get(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            raise _bad(name, "it must be a whole number, 0 or more")
        number = int(value)
        if not least <= number <= most:
            raise _bad(name, f"it must be from {least} to {most}")
        return number

    def factor(self, name: str, *, least: float, most: float) -> float | None:
        """Return a number in a range."""
        value = self._values.get(name)
        if value is None:
            return None
        number = float(value) if len(value) < 40 and _NUMBER.fullmatch(value) else math.nan
        if not least <= number <= most:
            raise _bad(name, f"it must be a number from {least:g} to {most:g}")
        return number

    def sequence_or_moment(self, name: str) -> int | datetime | None:
        """Return a sequence, from 1, or a time in RFC 3339."""
        value = self._values.get(name)
        is_sequence = value is not None and value.isascii() and value.isdigit()
        return self.count(name, least=1) if is_sequence else self.moment(name)

    def uuid(self, name: str) -> UUID | None:
        """Return a UUID."""
        value = self._values.get(name)
        if value is None:
            return None
        if not _UUID.fullmatch(value):
            raise _bad(name, "it must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")
        return UUID(value)

    def uuids_from(self, name: str) -> tuple[UUID, UUID] | tuple[None, None]:
        """Return the smallest and the greatest UUID that begin with a text; None when absent."""
        value = self._values.get(name)
        if value is None:
            return None, None
        rest = _NO_UUID[len(value) :]
        first, last = value + rest, value + rest.replace("0", "f")
        if not value or not _UUID.fullmatch(first):
            raise _bad(name, "it must be the beginning of a UUID such as 01890a5d-ac96")
        return UUID(first), UUID(last)

    def limit(self, *, most: int = MAX_LIMIT) -> int:
        """Return the most rows of a page.

        Args:
            most: That may be asked for.
        """
        value = self.count("limit", least=1, most=most)
        return DEFAULT_LIMIT if value is None else value

    def wait(self) -> float:
        """Return how long to wait, in seconds: `30`, `30s`, `500ms` or `1m`; 0 when absent."""
        value = self._values.get("wait")
        if value is None:
            return 0.0
        match = _WAIT.fullmatch(value)
        if not match:
            raise _bad("wait", "it must be a time such as 30s, 500ms or 1m")
        seconds = float(match[1]) * _SECONDS[match[2] or "s"]
        if seconds > MAX_WAIT:
            raise _bad("wait", f"it must be at most {MAX_WAIT:.0f}s")
        return seconds

    def moment(self, name: str) -> datetime | None:
        """Return a time in RFC 3339."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            if not _RFC3339.fullmatch(value):
                raise ValueError
            moment = datetime.fromisoformat(value.upper())
        except ValueError:
            raise _bad(name, "it must be an RFC 3339 time such as 2026-01-31T12:00:00Z") from None
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            # In the first or the last hours that there are: nothing is beyond them.
            return _FIRST if moment.year == 1 else _LAST


def _beginning(name: str) -> str:
    """Return a name up to its first dot; nothing if it has none."""
    return name[: name.find(".") + 1]


def _bad(name: str, why: str) -> Problem:
    return Problem("invalid_parameter", f"{name}: {why}", field=name)


async def idempotency_key_of(request: AnyRequest) -> IdempotencyKey | None:
    """Return the client's idempotency key.

    Args:
        request: Its method, path, query and body make the fingerprint.

    Raises:
        Problem: 400, the key is not 1 to 255 printable ASCII characters.
    """
    key = header(request, b"idempotency-key")
    if key is None:
        return None
    if len(key) > 255 or not _PRINTABLE.fullmatch(key):
        raise Problem(
            "malformed_header", "Idempotency-Key must be 1 to 255 printable ASCII characters"
        )
    asked = scope_of(request)
    query = asked["query_string"].decode("latin-1")
    target = f"{request.method} {asked['path']}{'?' if query else ''}{query}\n"
    content = target.encode("utf-8", "surrogatepass") + await read_body(request)
    return IdempotencyKey(key, sha256(content).digest())


def header_text(request: AnyRequest, name: bytes) -> str | None:
    """Return a header that goes into the log.

    Raises:
        Problem: 400, it is not 1 to 200 printable ASCII characters.
    """
    value = header(request, name)
    if value is None:
        return None
    if len(value) > 200 or not _PRINTABLE.fullmatch(value):
        raise Problem(
            "malformed_header", f"{name.decode()} must be 1 to 200 printable ASCII characters"
        )
    return value
