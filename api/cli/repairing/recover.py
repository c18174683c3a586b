"""`cairn recover`."""

import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from api.cli.json_client import JsonClient
from api.cli.options import Failure
from api.cli.screen import printable

_DONE, _SOMETHING_LEFT, _COULD_NOT_ASK = 0, 1, 2


def recover(*, dry_run: bool, as_json: bool, url: str, token_file: Path | None) -> int:
    """Stop the sessions that were left behind, print them, and return the exit status.

    Args:
        dry_run: Only say what would be done.
        as_json: Print JSON.
        url: Where the server is.
        token_file: Holds the bearer token.

    Raises:
        UsageError: What is asked makes no sense.
    """
    try:
        with closing(JsonClient(url, token_file)) as server:
            said = server.ask("GET" if dry_run else "POST", "/v1/recovery")["recovery"]
    except Failure as error:
        print(f"cairn: {error}", file=sys.stderr)
        return _COULD_NOT_ASK
    sessions = said["sessions"]
    if as_json:
        print(msgspec.json.encode(said).decode())
    else:
        for one in sessions:
            print(_line(one))
        if said["omitted"]:
            print(f"… and {said['omitted']} more")
        if not sessions:
            print("no session was left behind")
    left = any(not one["persisted"] for one in sessions)
    return _SOMETHING_LEFT if left else _DONE


def _line(one: Mapping[str, Any]) -> str:
    if one["persisted"]:
        verdict = "stopped"
    elif one["stop_reason"] is None:
        verdict = "cannot be read"
    else:
        verdict = "would be stopped"
    return printable(f"{one['session_id']} {verdict}: {one['stop_detail']}")
