"""The AsyncAPI document, read by the parser of those who define the format."""

from api.v1.asyncapi import streams
from api.v1.route_table import ROUTES
from tests.support.node import node


def test_it_is_valid_and_knows_every_message() -> None:
    document = streams(ROUTES)

    found = node("asyncapi.mjs", document)

    assert found["faults"] == []
    assert {address for address, _ in found["messages"]} == {
        "/v1/events", "/v1/sessions/{session_id}/events"
    }  # fmt: skip
    for _, messages in found["messages"]:
        assert set(messages) == set(document["components"]["messages"])
