"""What exactly is answered otherwise than by google-adk's own server: `differences.json`.

A reason for one difference hides no second one in the same case. Write the file anew with
`CAIRN_WRITE_EXAMPLES=1`, and read what changed in it.
"""

import json
import os
import re
from fnmatch import fnmatchcase
from pathlib import Path

_FILE = Path(__file__).parent / "differences.json"
_MADE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{20,24}"), "<id>"),
    (re.compile(r'(request_id":")[0-9a-f]*'), r"\1<id>"),
    (re.compile(r"\b1[78]\d{8}(\.\d+)?\b"), "<time>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<host>"),
    (re.compile(r"a record of \d+ bytes"), "a record of <n> bytes"),
    # Which of the changes that were sent at once were not lost there.
    (re.compile(r"\.state\.k\d\b"), ".state.k#"),
    # What other cases have left in the same store.
    (re.compile(r"(/list-apps.*(?:here: |items there, )).*"), r"\1<apps>"),
)
_CUT = 300
_AT_ONCE = ("concurrent-", "sqlite-concurrent-", "sse-disconnect")
"""Cases in which the order of events is not fixed, nor how many there are when it is asked."""


def as_written(name: str, found: list[str]) -> list[str]:
    """Return the differences of a case without what is another one each time."""
    told = set[str]()
    for one in found:
        text = one
        for pattern, instead in _MADE:
            text = pattern.sub(instead, text)
        if not (name.startswith(_AT_ONCE) and ".events" in text):
            told.add(text[:_CUT])
    return sorted(told)


def check(found: dict[str, list[str]], of: str) -> None:
    """Compare what is different in each deviating case with what was so when it was accepted.

    Args:
        found: The differences by the name of the case.
        of: Which of the cases these are.
    """
    told = {name: as_written(name, found[name]) for name in sorted(found)}
    known: dict[str, dict[str, list[str]]] = json.loads(_FILE.read_text())
    if os.environ.get("CAIRN_WRITE_EXAMPLES"):
        known[of] = told
        _FILE.write_text(json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    assert told == known.get(of, {})


def check_listed(found: dict[str, list[str]], deviations: dict[str, str], of: str) -> None:
    """Check that every deviating case has a reason, and every reason a case.

    Args:
        found: The differences by the name of the case, of cases that have some.
        deviations: The reasons, by the name of the case or its beginning and `*`.
        of: Which of the cases these are.
    """
    check(found, of)
    for name in found:
        assert any(fnmatchcase(name, given) for given in deviations), (name, found[name])
    for given in deviations:
        # What is listed and does not deviate any more is to be taken off the list.
        assert any(fnmatchcase(name, given) for name in found), given
