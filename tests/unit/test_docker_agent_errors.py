"""What goes wrong is told in the words and with the statuses that docker-agent has."""

import json

import pytest

from api.docker_agent.requests import Refusal, answer_error
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import Reply
from application.errors import IdempotencyKeyReused
from domain.errors import (
    Erased,
    ModelSwitchingUnsupported,
    QueueFull,
    SessionIsDeleted,
    SessionNotFound,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refusal(418, "no"), 418),
        (SessionNotFound(), 404),
        (SessionIsDeleted(), 404),
        (Erased(), 404),
        (ModelSwitchingUnsupported(), 422),
        (IdempotencyKeyReused(), 409),
        (QueueFull(), 429),
        (Problem("malformed_request", "x"), 400),
        (Problem("unsupported_media_type", "x"), 400),
        (Problem("unauthorized", "x"), 401),
        (RuntimeError("s3cr3t"), 500),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else None,
)
def test_an_error_has_its_status_and_one_sentence(error: Exception, status: int):
    answer = answer_error(error, "r")
    assert isinstance(answer, Reply)
    told = json.loads(answer.whole)
    assert (answer.status_code, list(told)) == (status, ["message"])
    assert told["message"]
    assert "s3cr3t" not in told["message"]


def test_a_session_that_is_gone_is_told_as_one_that_was_never_there():
    told = {answer_error(one(), "r").whole for one in (SessionNotFound, SessionIsDeleted, Erased)}  # type: ignore[attr-defined]
    assert len(told) == 1
