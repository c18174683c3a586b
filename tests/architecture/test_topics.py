"""The topics of a session stand beside each other; the few that build on others are listed here."""

import ast
from pathlib import Path

import domain.session

FOLDER = Path(domain.session.__path__[0])
BELOW = {"declarations", "events", "guards", "state", "work"}
"""What every topic builds on, and what builds on no topic."""
ABOVE = {"commands", "decide", "evolve", "room"}
"""What puts the topics together, and what no topic knows."""
BUILDS_ON = {
    "activity": {
        *("activity_batch", "amounts", "input_queue", "interactions", "open_calls", "usage"),
    },
    "activity_batch": {"messages"},
    "conversation": {"shared_state"},
    "creation": {"description", "foreign_events", "messages", "shared_state"},
    "elicitations": {"form_schema", "interactions"},
    "foreign_events": {
        *("activity_batch", "conversation", "foreign_line", "input_queue", "interactions"),
        *("messages", "shared_state", "turns"),
    },
    "foreign_line": {"conversation"},
    "erasure": {"interactions", "turn_endings"},
    "forks": {"creation"},
    "input_queue": {"messages", "runtime"},
    "inputs": {"input_queue", "messages"},
    "lifecycle": {"interactions", "stop_reasons", "turn_endings"},
    "model_overrides": {"runtime"},
    "part_results": {"transcript_entries"},
    "permission_requests": {"interactions"},
    "recovery": {"interactions", "turn_endings"},
    "spawning": {"creation", "input_queue"},
    "summaries": {"messages"},
    "supervision": {"interactions", "lifecycle", "stop_reasons", "turn_endings"},
    "totals": {"amounts"},
    "transcript": {"part_results", "transcript_entries"},
    "turn_endings": {"input_queue", "interactions", "usage"},
    "turns": {"input_queue", "messages", "runtime", "turn_endings"},
    "usage": {"amounts"},
}
"""The topics that each topic imports; a topic that is not named imports none."""


TOPICS = {path.stem: path for path in FOLDER.rglob("*.py") if path.stem != "__init__"}


def imported(path: Path) -> set[str]:
    """Return the modules of the session that a module imports, whatever folder they are in."""
    package = domain.session.__name__
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package):
            last = (node.module or "").rpartition(".")[2]
            found |= {last} if last in TOPICS else {alias.name for alias in node.names}
    return found


def test_no_two_topics_have_one_name():
    assert len(TOPICS) == len([path for path in FOLDER.rglob("*.py") if path.stem != "__init__"])


def test_topics_build_on_each_other_only_where_it_is_written_down():
    for name, path in TOPICS.items():
        if name not in BELOW | ABOVE:
            assert imported(path) - BELOW == BUILDS_ON.get(name, set()), name


def test_what_topics_build_on_knows_none_of_them():
    for name in BELOW:
        assert imported(TOPICS[name]) <= BELOW, name


def test_what_topics_build_on_is_written_down_in_an_order_without_circles():
    left = dict(BUILDS_ON)
    while left:
        ready = [name for name, others in left.items() if not others & left.keys()]
        assert ready, f"these topics build on each other in a circle: {sorted(left)}"
        for name in ready:
            del left[name]
