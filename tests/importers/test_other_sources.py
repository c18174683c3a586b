"""docker-agent, AGH, pydantic-ai and LangChain."""

from pathlib import Path

import pytest

from tests.importers.reading import SAMPLES, Imported, expected, imported


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Imported]:
    place = SAMPLES / "docker-agent" / "session.db"
    return imported("docker-agent", place, tmp_path_factory.mktemp("docker"))


def test_docker_agent_comes_along_whole(docker: dict[str, Imported]):
    told = expected("docker-agent")
    found = list(docker.values())
    assert len(found) == told["sessions"]
    assert sum(one.session.created.lineage is not None for one in found) == told["children"]
    assert sum(len(one.calls()) for one in found) == told["tool_calls"]
    results = [data for one in found for data in one.results()]
    assert len(results) == told["tool_results"]
    assert sum(data["status"] == "failed" for data in results) == told["error_results"]
    assert sum(one.parts("image") for one in found) == told["images"]
    assert sum(len(one.of("summary.added")) for one in found) == told["items"]["summary"]
    assert sum(len(one.of("child.spawned")) for one in found) == told["items"]["subsession"]
    titles = {one.session.created.title: one for one in found}
    assert titles["Interrupted"].open_calls() == told["open_calls"]["Interrupted"]
    assert titles["Interrupted"].tally.notes["unparsable_arguments"] == 1
    assert titles["Interrupted"].data("tool.called")[0]["input"] == '{"cmd":"sle'


def test_docker_agent_keeps_what_was_set_for_a_session(docker: dict[str, Imported]):
    (one,) = [one for one in docker.values() if one.session.created.title == "Fruit 🍐"]
    assert one.data("permissions.replaced")[0]["permissions"]["allow"] == ["read_*"]
    assert one.data("model.overridden") == [{"agent": "root", "model": "fake/one"}]
    assert one.of("session.starred")
    (recorded,) = one.data("usage.recorded")
    assert recorded == {"mode": "set", "input_tokens": 1200, "output_tokens": 80, "cost": 0.0123}


@pytest.mark.parametrize("name", ["events.db", "ledger.jsonl"])
def test_agh_comes_along_whole(name: str, tmp_path: Path):
    told = expected("agh")["events.db"]
    (one,) = imported("agh", SAMPLES / "agh" / "session-1" / name, tmp_path).values()
    assert one.session.source_id == "session-1"
    assert len(one.of("turn.started")) == told["turns"]
    assert len(one.calls()) == told["tool_calls_by_id"]
    assert len(one.results()) == told["results"]
    assert sum(data["status"] == "failed" for data in one.results()) == told["error_results"]
    assert one.open_calls() == told["open_calls"]
    assert len(one.kept("call_without_id")) == told["calls_without_id"]
    rows = len(one.calls()) + len(one.of("tool.progressed")) + len(one.kept("call_without_id"))
    assert rows == told["tool_call_rows"]
    assert one.tally.notes["sequence_gap"] == 1
    assert [data["decision"] for data in one.data("permission.decided")] == ["allow_once"]
    # Pieces of what the agent said are one message.
    assert "Looking." in one.said()
    assert one.data("usage.reported")[0]["input_tokens"] == 100


def test_the_analyser_says_what_blocks_a_ledger(tmp_path: Path):
    folder = SAMPLES / "agh" / "session-1"
    (sound,) = imported("agh", folder / "events.db", tmp_path / "sound").values()
    (broken,) = imported("agh", folder / "ledger.jsonl", tmp_path / "broken").values()
    assert sound.tally.blocked == []
    assert broken.tally.blocked == ["event_sequence_duplicate", "invalid_event_json"]
    assert len(broken.kept("unparsable")) == 1


@pytest.mark.parametrize(
    ("line", "places", "reason"),
    [(b"", 0, ""), (b"[1]", 1, "no object"), (b"{", 1, "not JSON"), (b"x" * 2**24, 1, "longer")],
)
def test_a_line_of_a_ledger_that_is_no_event_loses_itself_alone(
    line: bytes, places: int, reason: str, tmp_path: Path
):
    meta, asked, *_ = (SAMPLES / "agh" / "session-1" / "ledger.jsonl").read_bytes().splitlines()
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"\n".join([meta, line, asked]))
    (one,) = imported("agh", path, tmp_path / "out").values()
    assert one.said() == ["Which is ripe? ✓"]
    assert len(one.of("runtime.event")) == one.tally.failed_lines == places
    assert all(reason in place.reason for place in one.tally.places)


@pytest.mark.parametrize("name", sorted(expected("pydantic-ai")))
def test_pydantic_ai_comes_along_whole(name: str, tmp_path: Path):
    told = expected("pydantic-ai")[name]
    (one,) = imported("pydantic-ai", SAMPLES / "pydantic-ai" / name, tmp_path).values()
    parts = told["parts"]
    assert len(one.of("turn.started")) == parts["user-prompt"]
    assert len(one.of("agent.message")) == parts.get("text", 0)
    assert len(one.of("agent.thought")) == parts.get("thinking", 0)
    assert len(one.calls()) == parts["tool-call"]
    assert len(one.results()) == parts["tool-return"]
    assert one.open_calls() == told["open_calls"]
    statuses = [data["status"] for data in one.results()]
    assert statuses == ["completed" if one == "success" else "failed" for one in told["outcomes"]]


def test_both_dumps_of_langchain_say_the_same(tmp_path: Path):
    told = [
        next(iter(imported("langchain", SAMPLES / "langchain" / name, tmp_path / name).values()))
        for name in ("dumpd.json", "messages_to_dict.json")
    ]
    for one in told:
        assert one.calls() == ["call_1", "call_2", "call_3", "call_4"]
        assert [data["status"] for data in one.results()] == ["completed", "failed"]
        assert one.open_calls() == ["call_3", "call_4"]
        assert one.tally.messages == 4
    assert told[0].said() == told[1].said()
    assert [event["data"] for event in told[0].events[1:]] == [
        event["data"] for event in told[1].events[1:]
    ]
