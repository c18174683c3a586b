"""What a user would pick instead, on the same Postgres in the same run, and quoted where not.

The `eventsourcing` library's recorder and google-adk's session service are light enough for every
run. The wide comparison is a benchmark of its own, kept outside this project: `--peers` runs it
and takes its tables over; without it the last published tables are quoted, with their date.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import IO
from urllib.parse import quote

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from bench import cairn
from bench.figures import Figure
from bench.lab import WORK, Lab
from bench.servers import ROOT, Postgres

_VENV = WORK / "venv-adk"
_ADK = ("google-adk==2.13.0", "sqlalchemy==2.1.9", "asyncpg==0.32.0", "greenlet")
_INSTALL_WITHIN = 300.0
_RUN_WITHIN = 120.0
_WIDE_WITHIN = 3600.0
_THREADS = (16, 64)


@dataclass(frozen=True, slots=True)
class WideTables:
    """The tables of the wide comparison as Markdown, and whether they are of this run."""

    markdown: str
    origin: str


async def measure(lab: Lab) -> list[Figure]:
    """The light peers."""
    figures: list[Figure] = []
    for peer in (_recorder, _adk):
        try:
            figures += await peer(lab)
        except (RuntimeError, OSError, TimeoutError) as error:
            title = "google-adk" if peer is _adk else "eventsourcing recorder"
            reason = " ".join(str(error).split())[-200:]
            figures.append(
                Figure(measure="peers", title=title, unit="/s", note=f"left out: {reason}")
            )
    return figures


async def _recorder(lab: Lab) -> list[Figure]:
    lab.postgres.fresh_database("bench_recorder")
    try:
        given = json.dumps(lab.postgres.parameters("bench_recorder"))
        argv = [sys.executable, "-W", "ignore", "-m", "bench.peers", given, str(lab.sizes.seconds)]
        rates = json.loads(await _run(argv, _RUN_WITHIN))
    finally:
        lab.postgres.drop_database("bench_recorder")
    return [
        Figure(
            measure="peers",
            title=f"eventsourcing PostgresApplicationRecorder, {threads} threads, one event each",
            value=rates[str(threads)],
            unit="events/s",
        )
        for threads in _THREADS
    ]


async def _adk(lab: Lab) -> list[Figure]:
    python = await _adk_python()
    lab.postgres.fresh_database("bench_adk")
    try:
        dsn = _sqlalchemy_url(lab.postgres)
        script = str(Path(__file__).with_name("adk_peer.py"))
        argv = [python, "-W", "ignore", script, dsn, str(lab.sizes.seconds)]
        rates = json.loads((await _run(argv, _RUN_WITHIN)).splitlines()[-1])
    finally:
        lab.postgres.drop_database("bench_adk")
    title = f"google-adk {rates['version']} DatabaseSessionService, 16 clients, "
    return [
        Figure(measure="peers", title=title + how, value=rates[key], unit="appends/s")
        for key, how in (("loaded", "load and append"), ("held", "session held in memory"))
    ]


async def _adk_python() -> str:
    """The Python of ADK's own environment, which is made when it is missing."""
    python, complete = _VENV / "bin" / "python", _VENV / "complete"
    if not complete.exists():
        beside = Path(sys.executable).with_name("uv")
        uv = str(beside) if beside.exists() else shutil.which("uv")
        if uv:
            await _run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(_VENV)], 60)
            install = [uv, "pip", "install", "-q", "--python", str(python), *_ADK]
        else:
            await _run([sys.executable, "-m", "venv", "--clear", str(_VENV)], 60)
            install = [str(python), "-m", "pip", "install", "-q", *_ADK]
        await _run(install, _INSTALL_WITHIN)
        complete.touch()
    return str(python)


def _sqlalchemy_url(postgres: Postgres) -> str:
    given = postgres.parameters("bench_adk")
    login = quote(given.get("user", "postgres"), safe="")
    if password := given.get("password"):
        login += ":" + quote(password, safe="")
    host, port = given.get("host", "127.0.0.1"), given.get("port", "5432")
    if host.startswith("/"):
        return f"postgresql+asyncpg://{login}@/bench_adk?host={quote(host)}&port={port}"
    return f"postgresql+asyncpg://{login}@{host}:{port}/bench_adk"


def shared_benchmark() -> Path:
    """Where the wide comparison lives."""
    return Path(os.environ.get("CAIRN_BENCH_PEERS", ROOT.parent / "shared" / "bench"))


async def wide(postgres: Postgres, names: list[str]) -> WideTables:
    """Run the wide comparison, on Postgres binaries like ours but on a server of its own."""
    shared = shared_benchmark()
    if not (shared / "run_all.sh").exists():
        raise RuntimeError(f"no peer benchmark at {shared} (set CAIRN_BENCH_PEERS)")
    # It writes beside its scripts, which may not be ours to write to: links in a folder that is.
    # The folder is in the system's temporary one, where the user `postgres` can reach it.
    with tempfile.TemporaryDirectory(prefix="cairn-peers-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        for file in shared.iterdir():
            if not file.name.startswith("."):
                (folder / file.name).symlink_to(file)
        environment = {
            "BENCH_WORK": str(folder / "work"),
            "BENCH_VENVS": str(WORK / "v-"),
            "BENCH_RESULTS": str(folder / "tables"),
            "BENCH_PG_DATA": str(folder / "pg"),
            "BENCH_PYTHON": sys.executable,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if program := postgres.program("initdb"):
            environment["PG_BIN"] = str(Path(program).parent)
        script = [str(folder / "run_all.sh"), "--quick", *names]
        try:
            await _run(script, _WIDE_WITHIN, environment)
            if not list((folder / "tables").glob("*.json")):
                raise RuntimeError("the peer benchmark gave no results")
            report = [sys.executable, str(folder / "report.py"), str(folder / "tables")]
            tables = await _run(report, 60, environment)
        finally:
            if (folder / "pg" / "postmaster.pid").exists():
                await _run([str(folder / "pg.sh"), "stop"], 60, environment)
    return WideTables(
        re.sub(r"^## ", "#### ", tables, flags=re.MULTILINE), "measured in this run, quick sizes"
    )


def quoted() -> WideTables | None:
    """The published tables of the wide comparison, when they are at hand."""
    path = shared_benchmark().parent / "reference" / "peers.md"
    if not path.exists():
        return None
    text = path.read_text()
    found = re.search(r"\d{4}-\d{2}-\d{2}", text)
    day = found[0] if found else "an unknown day"
    introduction = text.split("\n\n")[1]
    kept = [
        part
        for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]
        if part.startswith(("Over HTTP", "As libraries"))
    ]
    body = "\n".join("#### " + part.split("\nWhat follows")[0].rstrip() + "\n" for part in kept)
    return WideTables(f"{introduction}\n\n{body}", f"measured on {day}, NOT of this run")


async def _run(argv: list[str], within: float, environment: dict[str, str] | None = None) -> str:
    """A program's output; a failure or too long a time is an error.

    The output goes through files: a server that it leaves running would keep a pipe open for ever.
    """
    out, err = WORK / f"{Path(argv[0]).name}.out", WORK / f"{Path(argv[0]).name}.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        code = await _end_of(argv, within, environment, stdout, stderr)
    if code:
        said = err.read_text(errors="replace")[-300:].strip()
        raise RuntimeError(f"{Path(argv[0]).name} failed with code {code}: {said}")
    return out.read_text(errors="replace")


async def _end_of(
    argv: list[str],
    within: float,
    environment: dict[str, str] | None,
    stdout: IO[bytes],
    stderr: IO[bytes],
) -> int:
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,  # so that it can be ended together with what it started
    )
    try:
        async with asyncio.timeout(within):
            return await process.wait()
    except TimeoutError:
        raise RuntimeError(f"{Path(argv[0]).name} took more than {within:g} s") from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def recorder_rates(parameters: dict[str, str], seconds: float) -> dict[int, float]:
    """Events per second of the library's own recorder, by number of threads."""
    datastore = PostgresDatastore(
        dbname=parameters["dbname"],
        host=parameters.get("host", "127.0.0.1"),
        port=parameters.get("port", "5432"),
        user=parameters.get("user", "postgres"),
        password=parameters.get("password", ""),
        pool_size=_THREADS[0],
        max_overflow=_THREADS[-1],
    )
    recorder = PostgresApplicationRecorder(datastore)
    recorder.create_table()
    state = cairn.text().encode()
    rates: dict[int, float] = {}
    for threads in _THREADS:
        started = perf_counter()

        def appends(_number: int, until: float = started + seconds) -> int:
            stream, version = uuid.uuid4(), 0
            while perf_counter() < until:
                recorder.insert_events([StoredEvent(stream, version, "message.added", state)])
                version += 1
            return version

        with ThreadPoolExecutor(threads) as pool:
            done = sum(pool.map(appends, range(threads)))
        rates[threads] = done / (perf_counter() - started)
    datastore.close()
    return rates


if __name__ == "__main__":
    print(json.dumps(recorder_rates(json.loads(sys.argv[1]), float(sys.argv[2]))))
