"""How the server is asked what it has."""

import httpx

from api.cli.options import Failure


class Damaged(Failure):
    """What was asked for cannot be had of a log that is damaged."""


def get(client: httpx.Client, path: str) -> httpx.Response:
    """Return an answer.

    Args:
        client: Of the server.
        path: What is asked for.

    Raises:
        Damaged: The server refuses because its log is damaged.
        Failure: It refuses for another reason.
    """
    answer = client.get(path)
    if answer.status_code != 200:
        raise refused(answer)
    return answer


def refused(answer: httpx.Response) -> Failure:
    """Return the failure that an answer tells of."""
    try:
        problem = answer.json()
        kind = Damaged if problem.get("code") == "log_damaged" else Failure
        return kind(str(problem["detail"]))
    except (ValueError, KeyError):
        return Failure(f"The server answers {answer.status_code}.")
