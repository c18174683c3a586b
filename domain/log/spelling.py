"""The spelling of nearly all records, up to their data, which this does not look into."""

from datetime import datetime

_ID = rb"-".join(rb"[0-9a-f]{%d}" % digits for digits in (8, 4, 4, 4, 12))
_WORD = rb'[^"\\\x00-\x1f]+'
_TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
_REST = (b"causation", b"idempotency_key", b"claimed_actor")

PLAIN_BEGINNING = (
    rb'"id":"(%s)","type":"(%s)","v":([1-9]\d{0,8}),"at":"(%s)"' % (_ID, _WORD, _TIME)
    + rb',"actor":"%s","origin":"%s"(?:,"turn_id":"(%s)")?' % (_WORD, _WORD, _WORD)
    + rb"".join(rb'(?:,"%s":"%s")?' % (name, _WORD) for name in _REST)
    + rb',"data":'
)
"""A pattern of what stands between the first brace of a record and its data, with groups for the
id, the type, the version, the time and the turn."""


def is_on_the_calendar(text: str) -> bool:
    """Return whether a time with all its digits in their places is one: no 31 June, no hour 25.

    Args:
        text: As `PLAIN_BEGINNING` has it.
    """
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return text[11:13] != "24"
