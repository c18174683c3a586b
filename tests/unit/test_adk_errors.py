"""A session that goes while it is asked for is told as one that was never there."""

import json

import pytest

from api.adk.requests import answer_error
from api.http.outgoing.responses import Reply
from domain.errors import CairnError, Erased, SessionIsDeleted, SessionNotFound


@pytest.mark.parametrize("error", [SessionNotFound(), SessionIsDeleted(), Erased()])
def test_a_session_that_is_gone_is_not_found(error: CairnError):
    answer = answer_error(error, "r")
    assert isinstance(answer, Reply)
    assert (answer.status_code, json.loads(answer.whole)) == (404, {"detail": "Session not found"})
