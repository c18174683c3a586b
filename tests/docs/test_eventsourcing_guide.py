"""The projection of the guide to the `eventsourcing` library counts what it says it counts."""

import asyncio
import importlib
import re
from pathlib import Path

import pytest

from application.ports.store import Store
from tests.support.appends import Chain
from tests.support.docs import ROOT
from tests.support.library import environment

TEXT = (ROOT / "docs/eventsourcing.md").read_text("utf-8")


async def test_the_projection_of_the_guide_counts_failures(
    postgres_store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = re.search(r"```python\n# file: failures.py\n(.+?)```", TEXT, re.DOTALL)
    assert example is not None
    (tmp_path / "failures.py").write_text(example[1])
    monkeypatch.syspath_prepend(tmp_path)
    guide = importlib.import_module("failures")
    chain = Chain()
    failed = {"turn_id": "t1", "failure": {"kind": "timeout", "summary": "took too long"}}
    await postgres_store.log.append(chain.next(["session.created", "turn.started"]))
    await postgres_store.log.append(chain.next(["turn.failed"], data=failed))
    env = environment(database_url) | {"FAILURES_PERSISTENCE_MODULE": "eventsourcing.popo"}

    def follow() -> dict[str, int]:
        with guide.run(env) as runner:
            runner.view.wait("Application", 3, timeout=60)
            return dict(runner.view.by_kind)

    assert await asyncio.to_thread(follow) == {"timeout": 1}
