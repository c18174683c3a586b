"""Requests and the answers to them, as one server really gave them, for the documents."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx

from tests.support.api import Json, openapi

_JSON = re.compile(r"application/(\w+[+-])*json(;|$)")
_TEXT = re.compile(r"application/jsonl|text/(plain|csv)")
_LONGEST_TEXT = 4096
_END_OF_BACKLOG = "event: caught-up"
_CHANGING = re.compile(
    r"(?P<id>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))"
    r"|\b(?P<digest>[0-9a-f]{64})\b|\b(?P<request>[0-9a-f]{24})\b"
    r"|(?P<secret>\b(?:cairn|ticket)_[A-Za-z0-9_-]{20,}|whsec_[A-Za-z0-9+/=]{32,})"
    r"|(?P<base64>[A-Za-z0-9+/]{43,}={0,2})"
)
_SHOWN_BASE = "http://127.0.0.1:8080"
_BEGUN = datetime(2026, 11, 30, 9, tzinfo=UTC)
_STEP = timedelta(minutes=15)
_AWAY = timedelta(days=1)
"""What is so far from now is a time that somebody has written."""
_UNMEASURED = {"last_used_at": None, "lag": 0, "next_cursor": "A" * 24}
"""What stands for values that are others in each run."""


class Recorder:
    """Calls operations by their ids, and keeps what was asked and answered.

    Args:
        base_url: Of a server that nobody else uses.
        fixed: Ids and digests that are the same in every run.
        **names: What stands for the parameters of paths, unless a call says otherwise.
    """

    def __init__(self, base_url: str, fixed: Iterable[str], **names: str) -> None:
        self.names = names
        self._fixed = {one: one for one in fixed}
        self._kept: dict[str, Json] = {}
        self._begun = datetime.now(UTC)
        self._client = httpx.Client(base_url=base_url, timeout=60)
        self._routes = {
            operation["operationId"]: (method.upper(), path)
            for path, operations in openapi()["paths"].items()
            for method, operation in operations.items()
        }

    def close(self) -> None:
        self._client.close()

    def ask(self, name: str, status: int = 200, **rest: Any) -> Any:
        """Call an operation, and keep nothing; the arguments are those of `call`."""
        return self._ask(name, status, **rest)[2]

    def call(
        self, name: str, status: int = 200, *, members: Iterable[str] = (), **rest: Any
    ) -> Any:
        """Call an operation; keep the request if it is the first, and of each form one answer.

        Args:
            name: Of the operation.
            status: That is expected.
            members: What is kept of a long answer.
            **rest: `body`, as JSON; `content`, as it is; `query`, with its `?`; `headers`; and
                what stands for parameters of the path.
        """
        request, media, answer = self._ask(name, status, **rest)
        kept = self._kept.setdefault(name, {"request": request, "answers": {}})
        forms = kept["answers"].setdefault(str(status), {})
        short = {member: answer[member] for member in members} if members else answer
        if answer is not None and not (isinstance(answer, str) and len(answer) > _LONGEST_TEXT):
            forms.setdefault(media, short)
        return answer

    def _ask(
        self,
        name: str,
        status: int,
        *,
        body: Any = None,
        content: bytes | None = None,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        **names: str,
    ) -> tuple[Json, str, Any]:
        method, template = self._routes[name]
        filled = {key: quote(value, safe=":") for key, value in {**self.names, **names}.items()}
        path = template.format_map(filled) + query
        sent = dict(headers or {})
        if body is not None:
            content, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        with self._client.stream(method, path, content=content, headers=sent) as response:
            answer = _read(response)
        assert response.status_code == status, f"{name}: {response.status_code} {answer}"
        request: Json = {"path": path, **({"headers": sent} if sent else {})}
        if body is not None:
            request["body"] = body
        elif content is not None:
            request["file"] = True
        media = response.headers.get("content-type", "").partition(";")[0]
        return request, media, answer

    def refuse_the_rest(self, session_id: str) -> None:
        """Have each operation that was called and never refused be refused for what it asks about.

        Args:
            session_id: That nobody has.
        """
        for name, kept in list(self._kept.items()):
            path, request = self._routes[name][1], kept["request"]
            if any(status >= "4" for status in kept["answers"]) or not path.startswith("/v1/"):
                continue
            about_a_session = "{session_id}" in path
            self.call(
                name,
                404 if about_a_session else 400,
                body=request.get("body"),
                query="" if about_a_session else "?colour=red",
                session_id=session_id,
            )

    def examples(self) -> Json:
        """Return what was kept, with what differs from run to run in names that do not."""
        here = (str(self._client.base_url), _SHOWN_BASE)
        stable = partial(_stable, self._begun, dict(self._fixed))
        found: Json = _renamed(self._kept, lambda text: _CHANGING.sub(stable, text.replace(*here)))
        return found


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return rename(value)
    if isinstance(value, list):
        return [_renamed(one, rename) for one in value]
    if isinstance(value, dict):
        return {
            key: _UNMEASURED.get(key, _renamed(one, rename)) if one else one
            for key, one in value.items()
        }
    return value


def _read(response: httpx.Response) -> Any:
    """Return an answer that is JSON or text, or None; of a stream what was there."""
    media = response.headers.get("content-type", "")
    if media.startswith("text/event-stream"):
        text = ""
        for piece in response.iter_text():
            text += piece
            if _END_OF_BACKLOG in text and text.endswith("\n\n"):
                break
        return text
    body = response.read()
    if _JSON.match(media):
        return json.loads(body)
    return body.decode() if _TEXT.match(media) else None


def _stable(begun: datetime, names: dict[str, str], found: re.Match[str]) -> str:
    """Return a name that is the same in every run, and the same for the same."""
    text, kind = found[0], str(found.lastgroup)
    if kind == "time":
        after = datetime.fromisoformat(text) - begun
        if abs(after) > _AWAY:
            return text
        shown = _BEGUN + round(after / _STEP) * _STEP
        return shown.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if text not in names:
        names[text] = _named(kind, text, len(names))
    return names[text]


def _named(kind: str, text: str, number: int) -> str:
    if kind == "id":
        return f"0199c0de-0000-7000-8000-{number:012x}"
    if kind == "secret":
        mark = text[: text.index("_") + 1]
        return mark + "A" * (len(text) - len(mark))
    hashed = hashlib.sha256(str(number).encode())
    if kind == "base64":
        size = len(text) * 3 // 4 - text.count("=")
        return base64.b64encode((hashed.digest() * 10)[:size]).decode()
    return hashed.hexdigest()[: len(text)]
