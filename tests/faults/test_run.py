"""Two workers under load and faults: a short run in CI, long and broken ones in `make hunt`.

README.md says how to have a longer one, and what the ways of being broken are.
"""

from pathlib import Path

import pytest

from tests.faults.__main__ import main, summary
from tests.faults.checks import judge
from tests.faults.checks.test_checks import PLANTED, SOUND
from tests.faults.history import Attempt, Fault, History
from tests.faults.making.broken import WAYS
from tests.faults.making.schedule import KINDS
from tests.faults.run import Options, run

SEED = 7
SHORT = [kind for kind in KINDS if kind != "kill server"]
"""A server that starts costs several seconds, in which nothing else happens."""


async def judged(options: Options) -> tuple[History, list[str]]:
    history = await run(options)
    violations = judge(history)
    print(summary(history, violations))
    return history, [str(one) for one in violations]


@pytest.mark.timeout(400)
async def test_everything_holds_through_a_short_run_of_mixed_faults() -> None:
    history, violations = await judged(
        Options(seed=SEED, seconds=20, least=8, kinds=SHORT, clients=8, followers=6)
    )

    assert violations == []
    faults = [one for one in history.of(Fault) if not one.skipped]
    assert len(faults) >= 6
    assert len({one.kind for one in faults}) >= 4
    # Ten before the faults and thirty after them, whatever comes between.
    assert sum(one.is_accepted for one in history.of(Attempt)) >= 40


@pytest.mark.hunt
@pytest.mark.timeout(3600)
async def test_everything_holds_through_ten_minutes_of_mixed_faults() -> None:
    _, violations = await judged(Options(seed=SEED, seconds=600))
    assert violations == []


LONG = 14
"""A seed whose first fault is a long one, where there is but one kind."""
BROKEN: dict[str, tuple[str, int, list[str]]] = {
    "acknowledge-before-commit": ("lost", SEED, ["end backends", "kill backend", "drop database"]),
    "forget-keys": ("doubled", SEED, ["drop clients", "end backends", "drop database"]),
    "skip-after-reconnect": ("hole", SEED, ["drop clients"]),
    "always-ready": ("ready", LONG, ["read only"]),
    "leave-rows": ("list", SEED, ["drop clients"]),
    "wait-for-ever": ("hung", LONG, ["cut database"]),
    "trust-the-own-clock": ("time", SEED, ["skew clock"]),
}
"""What each way of being broken is found as, by which seed, and the faults that it takes."""


def test_every_way_of_being_broken_is_tried() -> None:
    assert BROKEN.keys() == WAYS.keys()


@pytest.mark.hunt
@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", BROKEN)
async def test_what_is_broken_on_purpose_is_found(way: str) -> None:
    kind, seed, faults = BROKEN[way]
    history = await run(Options(seed=seed, seconds=15, kinds=faults, lanes=1, broken=way))
    violations = judge(history)
    print(summary(history, violations))
    assert kind in {one.kind for one in violations}


def test_what_was_recorded_is_judged_again_and_the_exit_status_says_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound, wrong = tmp_path / "sound.jsonl", tmp_path / "wrong.jsonl"
    History.of_records(SOUND).save(sound)
    PLANTED["an acknowledged event is not stored"][1].save(wrong)

    assert main(["--judge", str(sound)]) == 0
    assert "everything held" in capsys.readouterr().out
    assert main(["--judge", str(wrong)]) == 1
    assert "lost: d was accepted" in capsys.readouterr().out
