"""Reading requests: bodies, parameters and headers, each refused by name when it is not right."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec
from litestar import Request
from pydantic import BaseModel, ValidationError

from api.problems import Problem
from application.handle import Idempotency
from domain.errors import SessionNotFound

AnyRequest = Request[Any, Any, Any]
_M = TypeVar("_M", bound=BaseModel)

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_WAIT = 60.0
MAX_DEPTH = 100
NIL = UUID(int=0)

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_ETAG = re.compile(r'\s*(?:W/)?"(\d{1,19})"\s*')
_STRONG_ETAG = re.compile(r'\s*"(\d{1,19})"\s*')
_WAIT = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(ms|s|m)?")
_PRINTABLE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_WORD = re.compile(r"[^\x00-\x1f\x7f]+")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


async def body_of(request: AnyRequest, model: type[_M]) -> _M:
    """Return the validated body.

    Args:
        request: Whose body; an empty one stands for an empty object.
        model: What it must be.

    Raises:
        Problem: 400 it is no JSON, 413 too large, 415 of another type, 422 not valid.
    """
    raw = await request.body()
    if not raw:
        return validated(model, {})
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        # Also what keeps a web page from sending commands to a server on its reader's machine.
        raise Problem(
            "unsupported_media_type",
            "send JSON with the header `Content-Type: application/json`",
        )
    return validated(model, decode(raw))


def decode(raw: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        Problem: It is no JSON, or nested deeper than the log takes.
    """
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        raise Problem(
            "malformed_json", f"the JSON is nested deeper than {MAX_DEPTH} levels"
        ) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Problem("malformed_json", f"the body is not valid JSON: {error}") from None
    # So few brackets cannot be too deep; counting them is cheaper than walking.
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise Problem("malformed_json", f"the JSON is nested deeper than {MAX_DEPTH} levels")
    return value


def _deeper_than(value: Any, most: int) -> bool:
    level: list[Any] = [value]
    for _ in range(most + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).values()
    return cast("list[Any]", value) if isinstance(value, list) else ()


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
            "field": ".".join([*([at] if at else []), *_path(one["loc"])]),
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
        known: The names that the route has; any other is refused rather than ignored.
    """

    def __init__(self, request: AnyRequest, known: Iterable[str]) -> None:
        pairs = request.query_params
        self._values: dict[str, str] = {}
        unknown = sorted(set(pairs) - set(known))
        if unknown:
            name = unknown[0]
            raise Problem("invalid_parameter", f"unknown parameter {name!r}", field=name)
        for name in pairs:
            values = pairs.getall(name)
            if len(values) > 1:
                raise _bad(name, "it is given more than once")
            self._values[name] = values[0]

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def pairs(self) -> list[tuple[str, str]]:
        """Return the names and values as they were given."""
        return list(self._values.items())

    def text(self, name: str, *, most: int = 500) -> str | None:
        """Return a text without control characters; None when absent."""
        value = self._values.get(name)
        if value is None:
            return None
        if len(value) > most or not _WORD.fullmatch(value):
            raise _bad(name, f"it must be 1 to {most} characters, none of them a control character")
        return value

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

    def limit(self) -> int:
        """Return the most rows of a page."""
        value = self.count("limit", least=1, most=MAX_LIMIT)
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
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None or not 1970 <= moment.year < 9999:
            raise _bad(name, "it must be an RFC 3339 time such as 2026-01-31T12:00:00Z")
        return moment.astimezone(UTC)


def _bad(name: str, why: str) -> Problem:
    return Problem("invalid_parameter", f"{name}: {why}", field=name)


def expected_of(request: AnyRequest) -> frozenset[int] | None:
    """Return the sequences that If-Match allows; None when it allows any.

    Raises:
        Problem: 400, it is not a list of strong ETags.
    """
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    matches = [_STRONG_ETAG.fullmatch(etag) for etag in header.split(",")]
    if not all(matches):
        raise Problem(
            "malformed_header", 'If-Match must be an ETag such as "7", several of them, or *'
        )
    return frozenset(int(match[1]) for match in matches if match)


def is_current(request: AnyRequest, sequence: int) -> bool:
    """Return whether the client has this very sequence already, by If-None-Match."""
    header = request.headers.get("if-none-match")
    if header is None:
        return False
    if header.strip() == "*":
        return True
    matches = (_ETAG.fullmatch(etag) for etag in header.split(","))
    return any(match and int(match[1]) == sequence for match in matches)


async def idempotency_of(request: AnyRequest, scope: UUID) -> Idempotency | None:
    """Return the client's idempotency key.

    Args:
        request: Its method, path and body make the fingerprint.
        scope: The session, or nil for a request that makes one.

    Raises:
        Problem: 400, the key is not 1 to 255 printable ASCII characters.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if len(key) > 255 or not _PRINTABLE.fullmatch(key):
        raise Problem(
            "malformed_header", "Idempotency-Key must be 1 to 255 printable ASCII characters"
        )
    content = f"{request.method} {request.url.path}\n".encode() + await request.body()
    return Idempotency(scope=scope, key=key, fingerprint=sha256(content).digest())


def header_text(request: AnyRequest, name: str) -> str | None:
    """Return a header that goes into the log.

    Raises:
        Problem: 400, it is not 1 to 200 printable ASCII characters.
    """
    value = request.headers.get(name)
    if value is None:
        return None
    if len(value) > 200 or not _PRINTABLE.fullmatch(value):
        raise Problem("malformed_header", f"{name} must be 1 to 200 printable ASCII characters")
    return value


def cursor_of(request: AnyRequest, parameters: Parameters, name: str = "since") -> int | None:
    """Return the sequence or position to go on from, exclusive; None is the head.

    `Last-Event-ID` beats the parameter: a browser that reconnects keeps its old URL.

    Raises:
        Problem: 400, it is neither a whole number nor `now`.
    """
    resumed = request.headers.get("last-event-id")
    if resumed is not None and resumed != "":
        if not (resumed.isascii() and resumed.isdigit() and len(resumed) < 20):
            raise Problem("malformed_header", "Last-Event-ID must be a whole number, 0 or more")
        return int(resumed)
    if parameters.text(name) == "now":
        return None
    return parameters.count(name) or 0
