"""Pieces of text that were cut within a surrogate pair, as programs do that count in UTF-16."""

import json
import re
from typing import Any, cast

from api.http.incoming.json_body import decode, decode_leniently
from api.http.outgoing.problems import Problem

_LOW_FIRST = re.compile("^[\udc00-\udfff]")
_HIGH_LAST = re.compile("[\ud800-\udbff]$")


class TornText:
    """Decodes a body of pieces; a text in it may begin and end with half of a pair.

    Everything else sees the texts without these halves.
    """

    def __init__(self) -> None:
        self._whole: dict[int, str] = {}

    def text(self, number: int, seen: str) -> str:
        """Return the text of a piece with its halves.

        Args:
            number: Of its event.
            seen: The text without them.
        """
        return self._whole.get(number, seen)

    def decode(self, raw: bytes) -> Any:
        """Return the value of a JSON text.

        Args:
            raw: The bytes that came.

        Raises:
            Problem: 400, it is no JSON, or has half of a pair anywhere else.
        """
        try:
            return decode(raw)
        except Problem:
            try:
                value = _dict(decode_leniently(raw))
            except (ValueError, RecursionError):
                value = {}
            if value.get("partial") is True:
                self._take_halves(value)
            if not self._whole:
                raise
            try:
                return decode(json.dumps(value, ensure_ascii=False).encode())
            except UnicodeEncodeError:
                pass
            raise

    def _take_halves(self, body: dict[str, Any]) -> None:
        for number, event in enumerate(_list(body.get("events"))):
            data = _dict(_dict(event).get("data"))
            for where, field in ((data, "input"), *((_dict(p), "text") for p in _parts(data))):
                text = where.get(field)
                if isinstance(text, str) and (seen := _without_halves(text)) != text:
                    where[field] = seen
                    self._whole[number] = text


def _without_halves(text: str) -> str:
    return _HIGH_LAST.sub("", _LOW_FIRST.sub("", text))


def _parts(data: dict[str, Any]) -> list[Any]:
    return _list(data.get("parts"))[:1]


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        return []
    return cast("list[Any]", value)  # type: ignore[redundant-cast]


def _dict(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
