"""`python -m bench`: measure, print, and write the document. See `--help`."""

import argparse
import asyncio
import signal
import sys
import traceback
from collections.abc import Coroutine
from time import perf_counter
from typing import Any

import uvloop

from bench import load, peers, report
from bench.figures import Figure
from bench.lab import QUICK, WORK, Lab, Sizes
from bench.measures import MEASURES, Measure
from bench.servers import ROOT
from infrastructure.machine_memory import keep_what_is_free

_WITHIN = {False: 1_200.0, True: 180.0}
_ALL: dict[str, Measure] = {**MEASURES, "peers": peers.measure}


def main() -> int:
    """Run what was asked for; 1 when something could not be measured."""
    options = _options()
    # What reads pages of 1 MB is measured with them: it is not to have its memory made anew.
    keep_what_is_free()
    try:
        return uvloop.run(_until_terminated(_run(options)))
    except (asyncio.CancelledError, KeyboardInterrupt):
        _say("interrupted; everything that was started is ended")
        return 130


async def _until_terminated(run: Coroutine[Any, Any, int]) -> int:
    """On SIGTERM unwind like on control-C, so that no server is left behind."""
    task = asyncio.ensure_future(run)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


async def _run(options: argparse.Namespace) -> int:
    sizes = QUICK if options.quick else Sizes()
    names = options.only or list(_ALL)
    started = perf_counter()
    async with Lab.open(sizes, options.database_url) as lab:
        run = report.Run(
            quick=options.quick,
            generator=load.generator_name(),
            postgres=lab.postgres.settings(),
        )
        for name in names:
            run.figures += await _measured(name, lab, _WITHIN[options.quick])
        run.wide = peers.quoted()
        if options.peers is not None:
            _say("the wide comparison, which may take an hour ...")
            try:
                run.wide = await peers.wide(lab.postgres, options.peers)
            except RuntimeError as error:
                _say(f"the wide comparison could not be run: {error}")
    run.seconds = perf_counter() - started
    path = run.save()
    print(run.as_json() if options.json else report.markdown(run))
    _say(f"raw figures: {path.relative_to(ROOT)}")
    if options.no_write or options.only:
        _say(f"{report.DOCUMENT.relative_to(ROOT)} is left as it was")
    else:
        report.write(run)
        _say(f"written: {report.DOCUMENT.relative_to(ROOT)}")
    return int(any(figure.value is None for figure in run.figures if figure.measure in MEASURES))


async def _measured(name: str, lab: Lab, within: float) -> list[Figure]:
    """One measure; whatever goes wrong in it is a row of the report, not the end of the run."""
    started = perf_counter()
    _say(f"{name} ...")
    try:
        async with asyncio.timeout(within):
            figures = await _ALL[name](lab)
    except Exception as error:  # the other measures are still worth having
        with (WORK / "errors.log").open("a") as log:
            log.write(f"--- {name}\n{traceback.format_exc()}\n")
        reason = _reason(error)
        _say(f"{name}: not measured: {reason}")
        return [Figure(measure=name, title=name, unit="", note=reason)]
    for figure in figures:
        floor = f"; floor {report.number(figure.floor, figure.unit)}" if figure.floor else ""
        note = f" ({figure.note})" if figure.note else ""
        value = report.number(figure.value, figure.unit)
        _say(f"  {figure.title}: {value}{floor} {report.verdict(figure)}{note}")
    _say(f"{name}: {perf_counter() - started:.0f} s")
    return figures


def _reason(error: BaseException) -> str:
    """One line on what went wrong, from the first cause in a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short durations, small sizes")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(_ALL),
        metavar="NAME",
        help="only these, without writing the document: " + ", ".join(_ALL),
    )
    parser.add_argument(
        "--peers",
        nargs="*",
        metavar="PEER",
        help="also run the wide peer benchmark of $CAIRN_BENCH_PEERS (all peers, or those named)",
    )
    parser.add_argument("--json", action="store_true", help="print raw JSON, not the table")
    parser.add_argument("--no-write", action="store_true", help="leave docs/performance.md alone")
    parser.add_argument(
        "--database-url", metavar="URL", help="use this Postgres, not an embedded one"
    )
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
