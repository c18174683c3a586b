"""What a server says no with."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from api.cli.options import Failure
from api.cli.unanswered import SEE_THE_URL

_FOREIGN = f"this is no answer of Cairn; {SEE_THE_URL}"
_HOW_TO_ENTER = " Name a file that holds a good one: --token-file FILE, or CAIRN_TOKEN_FILE."


class Refused(Failure):
    """The server has understood, and says no; asking again is of no use.

    Args:
        problem: Its problem document.
        status: Of the answer.
    """

    def __init__(self, problem: Mapping[str, Any], status: int) -> None:
        self.problem = problem
        self.status = status
        self.code = str(problem.get("code") or "")
        said = str(problem.get("detail") or self.code or _FOREIGN).removesuffix(".")
        what_to_do = _HOW_TO_ENTER if status == HTTPStatus.UNAUTHORIZED else ""
        super().__init__(f"The server says: {said} ({status}).{what_to_do}")


def refusal_of(status: int, content: bytes) -> Refused | None:
    """Return what a server says no with; None when it says yes."""
    return None if status < 400 else problem_of(status, content)


def problem_of(status: int, content: bytes) -> Refused:
    """Return what a server says no with.

    Args:
        status: Of the answer.
        content: Of the answer: a problem, or what is no answer of Cairn.
    """
    try:
        problem = msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.MsgspecError:
        problem = {}
    return Refused(problem, status)
