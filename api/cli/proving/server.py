"""How the server is asked what it has."""

import httpx

from api.cli.options import Failure
from api.cli.refused import problem_of


class Damaged(Failure):
    """What was asked for cannot be had of a log that is damaged."""


class TooShort(Failure):
    """The log has fewer events than what was asked for is about."""

    def __init__(self, words: str, head: int) -> None:
        super().__init__(words)
        self.head = head


def get(client: httpx.Client, path: str) -> httpx.Response:
    """Return an answer.

    Args:
        client: Of the server.
        path: What is asked for.

    Raises:
        Damaged: The server refuses because its log is damaged.
        TooShort: It refuses because its log is too short.
        Failure: It refuses for another reason.
    """
    answer = client.get(path)
    if answer.status_code != 200:
        raise refused(answer)
    return answer


def refused(answer: httpx.Response) -> Failure:
    """Return the failure that an answer tells of."""
    refusal = problem_of(answer.status_code, answer.content)
    match refusal.problem:
        case {"code": "beyond_the_log", "detail": str(words), "head": int(head)}:
            return TooShort(words, head)
        case {"code": "log_damaged", "detail": str(words)}:
            return Damaged(words)
        case _:
            return refusal
