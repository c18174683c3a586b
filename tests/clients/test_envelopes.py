"""CloudEvents and the messages of Standard Webhooks, read by the libraries of those formats."""

import json
import time
from datetime import datetime

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks import Webhook, WebhookVerificationError

from application.webhooks.messages import signed
from tests.support.api import SessionApi

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoaXMgdGVzdCwgbG9uZyBlbm91Z2g="
BODY = b'{"events":[]}'


def test_every_event_is_a_cloud_event(session: SessionApi) -> None:
    session.start()
    session.complete()
    batch = session.get("/events", headers={"accept": "application/cloudevents-batch+json"})

    for given, record in zip(batch.json(), session.events(), strict=True):
        event = JSONFormat().read(CloudEvent, json.dumps(given))
        assert event.get_type() == "dev.cairn." + record["type"]
        assert event.get_source() == session.path
        assert event.get_time() == datetime.fromisoformat(record["at"])
        assert event.get_data() == record


def test_a_receiver_verifies_what_we_have_signed() -> None:
    headers = signed([SECRET], "msg_1", int(time.time()), BODY)

    assert Webhook(SECRET).verify(BODY, headers) == {"events": []}
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY + b" ", headers)


def test_receivers_with_either_secret_verify_what_is_signed_while_rotating() -> None:
    new = "whsec_" + "YW5vdGhlciBzZWNyZXQgb2YgdGhpcyB0ZXN0ISEh"
    headers = signed([new, SECRET], "msg_1", int(time.time()), BODY)

    assert Webhook(new).verify(BODY, headers) == {"events": []}
    assert Webhook(SECRET).verify(BODY, headers) == {"events": []}
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 44).verify(BODY, headers)
