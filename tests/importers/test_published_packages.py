"""What the published packages write in this very run comes along as they read it back.

They are in a dependency group of their own, `importers`, and each writes in a process of its own.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.importers.reading import Imported, imported

WRITERS = Path(__file__).parent / "writers"
MODULES = {
    "adk": "google.adk",
    "openai_agents": "agents",
    "langgraph": "langgraph.checkpoint.sqlite",
    "pydantic_ai": "pydantic_ai",
    "langchain": "langchain_core",
}


def is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def written(package: str, kind: str, path: Path) -> Any:
    """Have a package write a file; return what it says of it."""
    if not is_installed(MODULES[package]):
        pytest.skip(f"{MODULES[package]} is not installed; uv sync --group importers installs it")
    done = subprocess.run(
        [sys.executable, WRITERS / f"write_{package}.py", kind, path],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=path.parent,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def state_of(one: Imported) -> dict[str, Any]:
    state = dict(one.session.created.state)
    for data in one.data("state.patched"):
        state |= data["set"]
        for key in data["delete"]:
            state.pop(key, None)
    return state


@pytest.mark.parametrize("kind", ["database", "local"])
def test_google_adk(kind: str, tmp_path: Path):
    told = written("adk", kind, tmp_path / "sessions.db")
    found = imported("adk", tmp_path / "sessions.db", tmp_path / "out")
    assert found.keys() == told.keys()
    shared: dict[str, Any] = {}
    for key, one in found.items():
        assert one.said() == told[key]["texts"]
        assert one.calls() == ["call-0", "call-1", "call-2"]
        assert one.open_calls() == []
        state = state_of(one)
        shared |= {name: value for name, value in state.items() if name.startswith("app:")}
        own = {name: value for name, value in state.items() if not name.startswith("app:")}
        assert own | shared == told[key]["state"]
        assert one.tally.failed_lines == 0
        assert one.tally.kept_verbatim == {}


@pytest.mark.parametrize("kind", ["plain", "branched"])
def test_openai_agents(kind: str, tmp_path: Path):
    told = written("openai_agents", kind, tmp_path / "sessions.db")
    found = imported("openai-agents", tmp_path / "sessions.db", tmp_path / "out")
    assert found.keys() == told.keys()
    one = found["one"]
    assert one.said() == [text for n in range(3) for text in (f"question {n} ✓", f"answer {n}")]
    assert [data["output"] for data in one.results()] == [f"found {n}" for n in range(3)]
    if kind == "branched":
        branch = found["one/retry"]
        point = branch.session.forked_from
        assert point is not None
        assert branch.said() == ["another way"]
        shared = [
            event for event in one.events[: point.sequence] if event["type"] != "runtime.event"
        ]
        said = sum(e["type"] in ("turn.started", "agent.message") for e in shared)
        called = sum(e["type"] in ("tool.called", "tool.returned") for e in shared)
        assert said + called + 1 == len(told["one/retry"])


def test_langgraph(tmp_path: Path):
    told = written("langgraph", "sqlite", tmp_path / "threads.db")
    found = imported("langgraph", tmp_path / "threads.db", tmp_path / "out")
    assert found.keys() == told.keys()
    for key, one in found.items():
        assert one.said() == [text for text in told[key]["texts"] if text]
        assert [data["output"] for data in one.results()] == told[key]["results"]
        assert state_of(one) == {"count": told[key]["count"]}
        assert len(one.of("turn.started")) == 3
        assert one.tally.kept_verbatim == {}


def test_pydantic_ai(tmp_path: Path):
    told = written("pydantic_ai", "json", tmp_path / "history.json")
    found = imported("pydantic-ai", tmp_path / "history.json", tmp_path / "out")
    said = [text for one in found.values() for text in one.said()]
    for output in told["outputs"]:
        assert output in said
    turns = sum(len(one.of("turn.started")) for one in found.values())
    assert turns == told["runs"]
    assert all(one.open_calls() == [] for one in found.values())
    assert all(one.tally.kept_verbatim == {} for one in found.values())


@pytest.mark.parametrize("kind", ["dict", "dumpd"])
def test_langchain(kind: str, tmp_path: Path):
    told = written("langchain", kind, tmp_path / "messages.json")
    (one,) = imported("langchain", tmp_path / "messages.json", tmp_path / "out").values()
    assert one.said() == told
    assert (one.calls(), one.open_calls()) == (["call-1"], [])
