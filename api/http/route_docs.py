"""What a route says about itself; `api/http/openapi.py` makes the document of it."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from api.http.requests import DEFAULT_LIMIT, MAX_EVENTS, MAX_LIMIT
from api.http.routing import Route
from application.reads.pace import FASTEST, SLOWEST

_F = TypeVar("_F", bound=Callable[..., Any])
_DESCRIPTIONS: dict[Callable[..., Any], "Describes"] = {}

Schema = Mapping[str, Any]

HEADER_PATTERN = r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$"
_WORD: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 500,
    "pattern": r"^[^\x00-\x1f\x7f]+$",
}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": 2**62}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query or a header of the request.

    Args:
        name: As the client sends it.
        description: What it does.
        schema: What it may be.
        where: In the query or in a header.
    """

    name: str
    description: str
    schema: Schema = field(default_factory=lambda: _WORD)
    where: str = "query"


def moment(name: str, description: str) -> Parameter:
    """Return a parameter that is a time."""
    return Parameter(name, description, _MOMENT)


def choice(name: str, description: str, *choices: str) -> Parameter:
    """Return a parameter that is one of some words."""
    return Parameter(name, description, {"type": "string", "enum": list(choices)})


def choices(name: str, description: str, *of: str) -> Parameter:
    """Return a parameter that is one or more of some words: given again, or with commas."""
    items = {"type": "string", "enum": list(of)}
    return Parameter(name, description, {"type": "array", "minItems": 1, "items": items})


def cursor_parameter(name: str, of: str) -> Parameter:
    """Return the parameter of a tail: a whole number or `now`."""
    schema = {"anyOf": [_NUMBER, {"type": "string", "enum": ["now"]}]}
    return Parameter(name, f"go on after this {of}; absent or 0 is the beginning", schema)


LIMIT = Parameter(
    "limit",
    "the most that is wanted",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)
EVENTS_LIMIT = Parameter(
    "limit",
    "the most that is wanted; a page of large events ends sooner, and says where to go on",
    {"type": "integer", "minimum": 1, "maximum": MAX_EVENTS, "default": DEFAULT_LIMIT},
)
CURSOR = Parameter("cursor", "`next_cursor` of the page before", {"type": "string"})
LAST = Parameter(
    "last",
    "the newest so many, instead of `since`; fewer when they are large",
    {"type": "integer", "minimum": 1, "maximum": MAX_EVENTS},
)
WAIT = Parameter(
    "wait",
    "wait so long for news, at most 60s: `30s`, `500ms` or `1m`",
    {"type": "string", "pattern": r"^([1-5]?[0-9](\.[0-9]{1,3})?s?|60s?|[0-9]{1,4}ms|1m)$"},
)
TYPES = Parameter(
    "types",
    "only events of these types, comma-separated; filters never change sequences",
    {**_WORD, "maxLength": 4000},
)
REPLAY_SPEED = Parameter(
    "replay_speed",
    "of a stream: what has happened comes as fast as it happened, times this; then what happens",
    {"type": "number", "minimum": SLOWEST, "maximum": FASTEST},
)
_SEQUENCE_OR_MOMENT: Schema = {"anyOf": [{**_NUMBER, "minimum": 1}, _MOMENT]}
AT = Parameter(
    "at",
    "as it was after this event, or at this time; a time to come is that of the newest event",
    _SEQUENCE_OR_MOMENT,
)
AT_PROBLEMS = ("cursor_ahead", "before_first_event")

_HEADER_TEXT: Schema = {
    "type": "string", "minLength": 1, "maxLength": 200, "pattern": HEADER_PATTERN
}  # fmt: skip
REQUEST_ID = Parameter(
    "X-Request-Id",
    "echoed in the answer and in the log; one that is not a simple word is replaced",
    {"type": "string"},
    "header",
)
COMMAND_HEADERS = (
    Parameter(
        "If-Match",
        "only at this sequence: an ETag, several of them, or `*`; else 412",
        {
            "type": "string",
            "pattern": r'^(\*|(W/)?"[0-9]{1,19}"( *, *(W/)?"[0-9]{1,19}")*)$',
            "examples": ['"7"'],
        },
        "header",
    ),
    Parameter(
        "Idempotency-Key",
        "makes the command safe to repeat: the same key and body give the first answer again",
        {**_HEADER_TEXT, "maxLength": 255},
        "header",
    ),
    Parameter("Cairn-Actor", "who asks, for the log; such as `user:ada`", _HEADER_TEXT, "header"),
    Parameter("Cairn-Causation", "why, for the log: an id", _HEADER_TEXT, "header"),
)
IF_NONE_MATCH = Parameter(
    "If-None-Match", "the ETag that the client has: 304 if it is current", {"type": "string"},
    "header",
)  # fmt: skip
STREAM: Schema = {
    "type": "string",
    "description": "server-sent events: each record with its cursor as `id` and its type as"
    " `event`; then `caught-up`, and `partial`, `ping`, `session.closed`, `stream.closing` and"
    " `error` as they come",
}
LAST_EVENT_ID = Parameter(
    "Last-Event-ID",
    "where a stream was cut; it beats the cursor in the query",
    {"type": "string", "pattern": r"^([0-9]{1,19})?$"},
    "header",
)

STORE = Parameter(
    "store", "the store that the cursor comes from, as a snapshot names it; 409 if it is another"
)

TICKET = Parameter(
    "ticket", "instead of the header `Authorization`: what `POST /v1/tickets` gave, good once"
)


@dataclass(frozen=True, slots=True)
class Describes:
    """Describes the handler below it; that one's docstring is the summary.

    Args:
        topic: The group it is shown in.
        answers: A model for each status of success; None is text.
        body: The model of its body, of a command.
        takes: The media types of a body that is a file.
        problems: Codes that only this route, or few, can give.
        parameters: Of the query and of headers.
        of_path: The schemas of what the path names, where they are not those that all routes have.
        of_sessions: It is about sessions: as a command, it takes their conditions and keys.
        conditional: Answers 304 to an `If-None-Match` that is current.
        etag: Answers with an ETag.
        linked: Answers with a `Link` to the next page.
        other_forms: More media types of its answer, each with its model or schema.
        media_type: Of its answer.
    """

    topic: str
    _: KW_ONLY
    answers: Mapping[int, type[BaseModel] | None]
    body: type[BaseModel] | None = None
    takes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    of_path: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
    of_sessions: bool = True
    conditional: bool = False
    etag: bool = False
    linked: bool = False
    other_forms: Mapping[str, type[BaseModel] | Schema] = field(
        default_factory=dict[str, type[BaseModel] | Schema]
    )
    media_type: str = "application/json"

    def __call__(self, handler: _F) -> _F:
        """Keep it for the document."""
        _DESCRIPTIONS[handler] = self
        return handler


def description_of(handler: Route) -> Describes:
    """Return what a handler says about itself.

    Raises:
        LookupError: Nothing; write `@Describes(...)` between its route and its function.
    """
    described = _DESCRIPTIONS.get(handler.handler)
    if described is None:
        raise LookupError(f"{handler.handler.__qualname__} has no description")
    return described


def summary_of(handler: Route) -> str:
    """Return the first line of what is said of a handler."""
    return (handler.handler.__doc__ or "").strip().split("\n")[0]
