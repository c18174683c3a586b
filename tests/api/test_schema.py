"""Schemathesis looks for requests whose answer is not what the OpenAPI document says.

The streams are left out: they have no end. Everything else is called in every way that the
document allows, and in many that it does not.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.schemathesis_hooks import NAMES
from tests.support.api import Api

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXAMPLES = 1
PREPARED = 30


@pytest.mark.timeout(600)
def test_schemathesis_finds_no_fault(api: Api, tmp_path: Path) -> None:
    # The ten thousand cases that cover every word of the document take minutes: `make hunt`.
    phases = "--phases=examples,fuzzing,stateful"
    search(api, tmp_path, phases, f"--max-examples={EXAMPLES}", "--generation-deterministic")


@pytest.mark.hunt
@pytest.mark.timeout(900)
def test_schemathesis_finds_no_fault_in_any_word_of_the_document(api: Api, tmp_path: Path) -> None:
    search(api, tmp_path, "--phases=coverage", "--generation-deterministic")


@pytest.mark.hunt
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_schemathesis_finds_no_rare_fault(api: Api, tmp_path: Path, seed: int) -> None:
    search(api, tmp_path, "--max-examples=60", f"--seed={seed}")


def search(api: Api, cwd: Path, *options: str) -> None:
    """Have every route called, and expect that nothing is found."""
    found = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            f"--config-file={HERE / 'schemathesis.toml'}",
            "run",
            "--no-color",
            "--suppress-health-check=all",
            # Prometheus' own format: there is nothing in it to hold to a schema.
            "--exclude-path=/metrics",
            # From the first token on every request needs one; `tests/access` tries these routes.
            "--exclude-path=/v1/tokens",
            *options,
            f"{api.base_url}/schema/openapi.json",
        ],
        cwd=cwd,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "CAIRN_PREPARED_SESSIONS": prepared(api),
            "SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stdout[-20_000:] + found.stderr


def prepared(api: Api) -> str:
    """Return sessions that have one of everything."""
    sessions = [api.create() for _ in range(PREPARED)]
    for session in sessions:
        session.say(id=NAMES["message_id"])
        session.start(NAMES["turn_id"])
        session.ask(NAMES["request_id"], NAMES["turn_id"], tool="shell")
        session.queue(NAMES["input_id"])
    return ",".join(session.id for session in sessions)
