"""The examples of the guide to time travel work as they are shown."""

from datetime import UTC, datetime

from tests.support.api import Api
from tests.support.docs import examples, shell
from tests.support.server import running

GUIDE = "docs/time-travel.md"


def test_the_examples_of_reads_work(database_url: str) -> None:
    found = [one.commands for one in examples(GUIDE) if one.commands.startswith("curl -sS ")]
    assert len(found) == 1
    with running(database_url) as base, shell() as sh:
        api = Api(base)
        session = api.create()
        for text in ("one", "two", "three", "four"):
            session.say(text)
        sh.run(f"cairn={base}; id={session.id}")
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        said = sh.run(found[0].replace("2026-01-31T12:00:00Z", now))
        snapshot, messages = said.split('{"messages":', 1)
        assert '"sequence":4' in snapshot
        assert '"four"' not in snapshot
        assert '"four"' in messages
        api.close()


def test_the_example_of_a_stream_gives_the_past(database_url: str) -> None:
    (stream,) = [one.commands for one in examples(GUIDE) if "replay_speed" in one.commands]
    with running(database_url) as base, shell() as sh:
        api = Api(base)
        session = api.create()
        session.say("first")
        session.say("second")
        session.delete()
        sh.run(f"cairn={base}; id={session.id}")
        # A session that is deleted ends its streams.
        said = sh.run(stream)
        assert [line for line in said.splitlines() if line.startswith("id: 3")]
        assert '"first"' not in said
        assert '"second"' in said
        assert "event: session.closed" in said
        api.close()
