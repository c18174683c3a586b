"""`python -m tests.faults --minutes 10 --seed 7`: faults under load, and whether all held."""

import argparse
import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.faults.checks import Violation, judge
from tests.faults.checks.commands import commands_of
from tests.faults.checks.waits import SLOW, allowed, slowest, waits
from tests.faults.history import Attempt, Fault, History, Hostile, Memory, Read, Ready, Seen
from tests.faults.making.broken import WAYS
from tests.faults.making.schedule import KINDS
from tests.faults.run import Options, run

_SHOWN = 25


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, or judge what was recorded; 0 is that everything held, 1 that something did not."""
    asked = _parser().parse_args(arguments)
    if asked.judge is not None:
        history = History.load(asked.judge)
    else:
        options = Options(
            seed=asked.seed,
            seconds=asked.minutes * 60,
            faults=asked.faults,
            kinds=asked.kinds or tuple(KINDS),
            lanes=asked.lanes,
            clients=asked.clients,
            broken=asked.broken,
            log=asked.history and asked.history.with_suffix(".log"),
        )
        try:
            history = asyncio.run(_stoppable(options))
        except (KeyboardInterrupt, asyncio.CancelledError):
            print("stopped", file=sys.stderr)
            return 130
    if asked.history is not None:
        history.save(asked.history)
    violations = judge(history)
    print(summary(history, violations))
    return 1 if violations else 0


async def _stoppable(options: Options) -> History:
    """Take everything apart when asked to end, by whichever signal."""
    task = asyncio.current_task()
    assert task is not None
    with suppress(NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(options)


def summary(history: History, violations: Sequence[Violation]) -> str:
    """Return what was done, and what did not hold, in a few lines."""
    faults = history.of(Fault)
    done = Counter(one.kind for one in faults if not one.skipped)
    skipped = {one.kind: one.skipped for one in faults if one.skipped}
    kinds = Counter(one.kind for one in violations)
    attempts = history.of(Attempt)
    accepted = sum(bool(one.accepted) for one in commands_of(history).values())
    slow, own = slowest(history)
    waited = max((one.seconds for one in waits(history)), default=0)
    peak = max((one.bytes for one in history.of(Memory)), default=0) / 1024**2
    codes = Counter(one.code or "done" for one in attempts)
    lines = [
        f"seed {history.start.seed}, {len(done)} kinds of faults, {sum(done.values())} faults",
        "  " + ", ".join(f"{kind} {many}" for kind, many in sorted(done.items())),
    ]
    lines += [f"  skipped: {kind}: {why}" for kind, why in sorted(skipped.items())]
    lines += [
        (
            f"appends acknowledged {accepted}, lost {kinds['lost']}, doubled {kinds['doubled']},"
            f" holes {kinds['hole']}, hung requests {kinds['hung']}"
        ),
        f"answers {dict(codes.most_common())}",
        (
            f"reads {len(history.of(Read))}, events to followers {len(history.of(Seen))},"
            f" looks at /ready {len(history.of(Ready))}, hostile clients {len(history.of(Hostile))}"
        ),
        (
            f"slowest answer {waited:.1f} s, of the program's own {own:.1f} of"
            f" {allowed(history):.1f} s, peak RSS {peak:.0f} MiB"
            f" of {history.start.budget // 1024**2}"
        ),
    ]
    if slow:
        lines.append(f"{len(slow)} took more than {SLOW:g} s")
        lines += [f"  {one}" for one in slow[:_SHOWN]]
    if violations:
        lines.append(f"{len(violations)} violations: {dict(kinds)}")
        lines += [f"  {one}" for one in violations[:_SHOWN]]
    else:
        lines.append("everything held")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long faults are made")
    parser.add_argument("--seed", type=int, default=7, help="the same seed draws the same faults")
    parser.add_argument("--faults", type=int, default=1_000_000, help="end after so many")
    parser.add_argument("--kinds", nargs="*", choices=[*KINDS], help="only these")
    parser.add_argument("--lanes", type=int, default=2, help="how many faults at once")
    parser.add_argument("--clients", type=int, default=12, help="how many write")
    parser.add_argument("--broken", choices=[*WAYS], default="", help="break the workers first")
    parser.add_argument("--history", type=Path, help="where the records are kept, as JSON Lines")
    parser.add_argument("--judge", type=Path, help="judge these records instead of a run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
