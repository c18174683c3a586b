"""The examples of the guide to webhooks work, and so does its way to check a signature."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

from tests.support.docs import ROOT, agrees, examples, last_json, shell
from tests.support.receiver import Message, receiving_in_a_thread
from tests.support.server import running

GUIDE = "docs/webhooks.md"
TEXT = (ROOT / GUIDE).read_text("utf-8")
PATIENCE = 60.0


def test_the_examples_work_and_say_what_is_shown(database_url: str) -> None:
    secret, checked = "", False
    with (
        receiving_in_a_thread() as receiver,
        running(database_url, webhook_private_targets=True) as base,
        shell() as sh,
    ):
        for example in examples(GUIDE):
            commands = example.commands.replace("http://127.0.0.1:8080", base)
            said = sh.run(commands.replace("http://127.0.0.1:9000/hook", receiver.url))
            if example.shown:
                shown, answer = json.loads(example.shown), last_json(said)
                assert agrees(shown, answer), f"{example.commands}\n{said}"
                secret = secret or answer["secret"]
            if "/messages" in commands:
                deadline = time.monotonic() + PATIENCE
                while not receiver.messages:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                check_delivery(receiver.messages[0], secret)
                checked = True
    assert checked


def check_delivery(message: Message, secret: str) -> None:
    """Hold a delivery to what the guide shows, and its check to genuine ones and to others."""
    found = re.search(r"<!-- delivered -->\n```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None
    assert agrees(json.loads(found[1]), message.json)
    is_from_cairn = _code()
    assert is_from_cairn(message.headers, message.body, secret)
    assert not is_from_cairn(message.headers, message.body + b" ", secret)
    assert not is_from_cairn(message.headers, message.body, "whsec_" + "A" * 44)
    for name in ("webhook-id", "webhook-timestamp"):
        changed = {**message.headers, name: message.headers[name] + "1"}
        assert not is_from_cairn(changed, message.body, secret)


def _code() -> Callable[[dict[str, str], bytes, str], bool]:
    block = re.search(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert block is not None
    names: dict[str, Any] = {}
    exec(block[1], names)
    check: Callable[[dict[str, str], bytes, str], bool] = names["is_from_cairn"]
    return check
