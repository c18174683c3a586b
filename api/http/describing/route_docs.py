"""What a route says about itself; `api/http/describing/openapi.py` makes the document of it."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from pydantic import BaseModel

from api.http.incoming.query import Handler, without_query
from api.http.routing import Route
from domain.errors import CairnError
from domain.session.declarations import Command, refusals_of

_DESCRIPTIONS: dict[Handler, "Describes"] = {}

Schema = Mapping[str, Any]

HEADER_PATTERN = r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$"
AT_PROBLEMS = ("cursor_ahead", "before_first_event")


@dataclass(frozen=True, slots=True)
class Header:
    """A header of the request.

    Args:
        name: As the client sends it.
        description: What it does.
        schema: What it may be.
    """

    name: str
    description: str
    schema: Schema


_HEADER_TEXT: Schema = {
    "type": "string", "minLength": 1, "maxLength": 200, "pattern": HEADER_PATTERN
}  # fmt: skip
REQUEST_ID = Header(
    "X-Request-Id",
    "echoed in the answer and in the log; one that is not a simple word is replaced",
    {"type": "string"},
)
COMMAND_HEADERS = (
    Header(
        "If-Match",
        "only at this sequence: an ETag, several of them, or `*`; else 412",
        {
            "type": "string",
            "pattern": r'^(\*|(W/)?"[0-9]{1,19}"( *, *(W/)?"[0-9]{1,19}")*)$',
            "examples": ['"7"'],
        },
    ),
    Header(
        "Idempotency-Key",
        "makes the command safe to repeat: the same key and body give the first answer again",
        {**_HEADER_TEXT, "maxLength": 255},
    ),
    Header("Cairn-Actor", "who asks, for the log; such as `user:ada`", _HEADER_TEXT),
    Header("Cairn-Causation", "why, for the log: an id", _HEADER_TEXT),
)
IF_NONE_MATCH = Header(
    "If-None-Match", "the ETag that the client has: 304 if it is current", {"type": "string"},
)  # fmt: skip
STREAM: Schema = {
    "type": "string",
    "description": "server-sent events: each record with its cursor as `id` and its type as"
    " `event`; then `caught-up`, and `partial`, `ping`, `session.closed`, `stream.closing` and"
    " `error` as they come",
}
LAST_EVENT_ID = Header(
    "Last-Event-ID",
    "where a stream was cut; it beats the cursor in the query",
    {"type": "string", "pattern": r"^([0-9]{1,19})?$"},
)


@dataclass(frozen=True, slots=True)
class Describes:
    """Describes the handler below it; that one's docstring is the summary.

    Args:
        topic: The group it is shown in.
        answers: A model for each status of success; None is text.
        body: The model of its body, of a command.
        takes: The media types of a body that is a file.
        asks: The commands that it may ask for: what their rules may refuse is in the document.
        never: What these rules may refuse, and never do of what this route asks for.
        problems: Codes of what else it may refuse.
        headers: That it reads, besides those that all routes do.
        of_path: The schemas of what the path names, where they are not those that all routes have.
        any_query: Whatever the query says is ignored; else it is refused where none is declared.
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
    asks: tuple[type[Command], ...] = ()
    never: tuple[type[CairnError], ...] = ()
    problems: tuple[str, ...] = ()
    headers: tuple[Header, ...] = ()
    of_path: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
    any_query: bool = False
    of_sessions: bool = True
    conditional: bool = False
    etag: bool = False
    linked: bool = False
    other_forms: Mapping[str, type[BaseModel] | Schema] = field(
        default_factory=dict[str, type[BaseModel] | Schema]
    )
    media_type: str = "application/json"

    def __call__(self, handler: Handler) -> Handler:
        """Keep it for the document, and hold the handler to the query that it has declared.

        Raises:
            LookupError: It asks for a command without a rule; the server does not start.
        """
        self.refusals()
        if not self.any_query:
            handler = without_query(handler)
        _DESCRIPTIONS[handler] = self
        return handler

    def refusals(self) -> set[str]:
        """Return the codes of what this route refuses, besides what all of its kind do."""
        by_rules = {refused for command in self.asks for refused in refusals_of(command)}
        return {refused.code for refused in by_rules.difference(self.never)}.union(self.problems)


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
