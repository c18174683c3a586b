"""Async tests run on asyncio by anyio's plugin; all databases of a run come from one server."""

import gc
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from hypothesis import HealthCheck, settings

from api import main as program
from application.ports.store import Store
from infrastructure.memory.store import MemoryStore
from infrastructure.postgres.store import open_store
from tests.support import certificates
from tests.support.api import Api, SessionApi
from tests.support.compiling import compile_own_share
from tests.support.postgres import Choice, DockerRequired, Server, choose, serve
from tests.support.server import running
from tests.support.tasks import no_task_left

# What is imported and collected is here to stay: looking through it for cycles takes a quarter of
# the time, and servers that start in this process would each have it done again.
gc.disable()
program.spare_the_collector = lambda: None
_COLLECT_EVERY = (5_000, 20, 10)

certificates.read_once()

# A busy machine may take longer for an answer than the five seconds that httpx waits by itself.
for _part in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, _part, 60.0)

_CHOICE = pytest.StashKey[Choice]()

# Two ways to run properties: as everybody does, the same every time; and `-m hunt`, long and at
# random.
settings.register_profile(
    "cairn",
    max_examples=50,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)
settings.register_profile(
    "cairn-hunt",
    settings.get_profile("cairn"),
    max_examples=5_000,
    derandomize=False,
    print_blob=True,
)


def pytest_configure(config: pytest.Config) -> None:
    # What `anyio_mode = "auto"` says: every coroutine function that is a test is run.
    config.option.anyio_mode = "auto"
    settings.load_profile("cairn-hunt" if config.option.markexpr == "hunt" else "cairn")
    # A shell has what it runs in the background ignore Ctrl-C, and the programs under test inherit
    # that; they are asked to heed it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session: pytest.Session) -> None:
    compile_own_share(session.config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The files with long tests first: what comes last is then spread evenly over the processes.
    items.sort(key=lambda item: "unit" in item.path.parts)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    # Also where others collect and this process hears of it.
    gc.freeze()
    gc.set_threshold(*_COLLECT_EVERY)
    gc.enable()


def pytest_report_header(config: pytest.Config) -> str:
    try:
        choice = config.stash[_CHOICE] = choose()
    except DockerRequired as missing:
        pytest.exit(str(missing), returncode=pytest.ExitCode.USAGE_ERROR)
    return f"postgres: {choice}"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    def say(words: str) -> None:
        reporter = request.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"postgres: {words}")

    # With -qq there is no header.
    choice = request.config.stash.get(_CHOICE, None) or choose()
    with serve(choice, say) as server:
        yield server


@pytest.fixture
def database_url(postgres_server: Server) -> Iterator[str]:
    """A migrated database of this test's own, as the role that owns it."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def commits() -> list[int]:
    """The positions that a store has said to have committed."""
    return []


@pytest.fixture
async def memory_store(commits: list[int]) -> AsyncIterator[Store]:
    with no_task_left():
        yield MemoryStore(commits.append)


@pytest.fixture
async def postgres_store(database_url: str, commits: list[int]) -> AsyncIterator[Store]:
    with no_task_left():
        async with open_store(database_url, committed=commits.append) as store:
            yield store


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each test that asks for it runs on both."""
    chosen: Store = request.getfixturevalue(f"{request.param}_store")
    return chosen


@pytest.fixture(scope="session")
def base_url(postgres_server: Server) -> Iterator[str]:
    """One server for the tests of a run that do not need one of their own."""
    with postgres_server.database() as url, running(url) as base:
        yield base


@pytest.fixture(scope="session")
def api(base_url: str) -> Iterator[Api]:
    api = Api(base_url)
    yield api
    api.close()


@pytest.fixture
def session(api: Api) -> SessionApi:
    return api.create()
