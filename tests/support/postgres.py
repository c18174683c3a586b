"""One Postgres for a run of the tests, and a database of its own for each test that wants one.

TEST_DATABASE_URL  →  that server, as a role that may create databases
a Docker engine    →  a container of TEST_PG_IMAGE (REQUIRE_DOCKER=1: this one or none)
else               →  the embedded Postgres of this program, not durable
"""

import gc
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.postgres.connecting.migrations import migrate

_PATIENCE = 2
_TRIES = 4
_SHM = "/dev/shm"
_ROOM = 4 * 1024**3


@dataclass(frozen=True)
class Choice:
    """Where the databases of this run are.

    Args:
        kind: One of the three.
        detail: The URL, the image, or nothing.
        because: Why not the ones before it.
    """

    kind: Literal["url", "docker", "embedded"]
    detail: str = ""
    because: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "url":
                return "the server of TEST_DATABASE_URL"
            case "docker":
                return f"a container of {self.detail}"
            case "embedded":
                return f"embedded ({self.because})"


class DockerRequired(Exception):
    """REQUIRE_DOCKER is set, and there is no container to be had."""


def choose() -> Choice:
    """Find out what can be had, without starting it."""
    url = os.environ.get("TEST_DATABASE_URL")
    if url:
        return Choice("url", url)
    image = os.environ.get("TEST_PG_IMAGE", "postgres:18-alpine")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reason = _why_no_docker(image)
        # Its failed connections are its own affair, not that of whichever test runs when they go.
        gc.collect()
    if reason is None:
        return Choice("docker", image)
    if _docker_is_required():
        raise DockerRequired(f"REQUIRE_DOCKER is set, but {reason}")
    return Choice("embedded", because=reason)


def _docker_is_required() -> bool:
    return os.environ.get("REQUIRE_DOCKER", "") not in ("", "0")


def _why_no_docker(image: str) -> str | None:
    try:
        import docker

        engine = docker.from_env(timeout=_PATIENCE)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not there
        return "no Docker engine answers"
    with closing(engine):
        try:
            engine.ping()
        except Exception:  # noqa: BLE001 - likewise
            return "no Docker engine answers"
    with closing(docker.from_env()) as patient:
        try:
            if not patient.images.list(image):
                patient.images.pull(image)
        except Exception as error:  # noqa: BLE001 - no network, no such image, no space
            return f"the image {image} cannot be had: {str(error).splitlines()[0][:100]}"
    return None


class Server:
    """A running server with a migrated template, of which each test gets a copy.

    Args:
        admin_url: A role that may create databases.
        owner_url: A role that is no superuser, to own them; None makes one.
    """

    def __init__(self, admin_url: str, owner_url: str | None) -> None:
        self._run = token_hex(4)
        self._template = f"cairn_template_{self._run}"
        self._made = 0
        self._admin_url = admin_url
        self._admin = psycopg.connect(admin_url, autocommit=True)
        self._owner = conninfo_to_dict(owner_url or admin_url)
        self._made_role = owner_url is None and self._make_role()
        self._create(self._template, "template0 encoding 'UTF8' locale_provider libc locale 'C'")
        migrate(self._url(self._template))

    def _make_role(self) -> bool:
        row = self._admin.execute(
            "select rolsuper from pg_roles where rolname = current_user"
        ).fetchone()
        if row is None or not row[0]:
            return False
        name, password = f"cairn_test_{self._run}", token_hex(16)
        self._admin.execute(
            sql.SQL("create role {} login nosuperuser password {}").format(
                sql.Identifier(name), sql.Literal(password)
            )
        )
        self._owner |= {"user": name, "password": password}
        return True

    def _create(self, name: str, template: str) -> None:
        self._admin.execute(
            sql.SQL("create database {} owner {} template " + template).format(  # type: ignore[arg-type]
                sql.Identifier(name), sql.Identifier(str(self._owner["user"]))
            )
        )

    def _url(self, name: str) -> str:
        where: dict[str, Any] = {**self._owner, "dbname": None}
        user, password = where.pop("user", None), where.pop("password", None)
        who = quote(str(user or "")) + (f":{quote(str(password))}" if password else "")
        rest = urlencode({key: value for key, value in where.items() if value is not None})
        return f"postgresql://{who}@/{name}?{rest}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """Lend a database that is as the migrations leave it, and see that nobody stays in it."""
        self._made += 1
        name = f"cairn_test_{self._run}_{self._made}"
        self._create(name, f"{self._template} strategy file_copy")
        try:
            yield self._url(name)
        finally:
            self._drop(name)

    def _drop(self, name: str) -> None:
        drop = sql.SQL("drop database {}").format(sql.Identifier(name))
        for _ in range(_TRIES):
            # Each try waits five seconds for connections that are just being closed.
            with suppress(psycopg.errors.ObjectInUse):
                self._admin.execute(drop)
                return
        left = self._admin.execute(
            "select application_name, query from pg_stat_activity where datname = %s", (name,)
        ).fetchall()
        self._admin.execute(drop + sql.SQL(" with (force)"))
        raise AssertionError(f"connections were left open: {left}")

    def admin_url(self, url: str) -> str:
        """Return how whoever made a database is connected to it, which may be a superuser."""
        return make_conninfo(self._admin_url, dbname=str(conninfo_to_dict(url)["dbname"]))

    def close(self) -> None:
        """Take away what was made."""
        self._admin.execute(
            sql.SQL("drop database if exists {} with (force)").format(
                sql.Identifier(self._template)
            )
        )
        if self._made_role:
            role = sql.Identifier(str(self._owner["user"]))
            self._admin.execute(sql.SQL("drop role {}").format(role))
        self._admin.close()


@contextmanager
def serve(choice: Choice, say: Callable[[str], None]) -> Iterator[Server]:
    """Start what was chosen.

    Args:
        choice: By `choose`.
        say: Told when the container does not start after all.
    """
    with ExitStack() as stack:
        if choice.kind == "docker":
            try:
                admin_url = _container(choice.detail, stack)
            except Exception as error:
                if _docker_is_required():
                    raise
                say(f"no container after all, embedded instead: {error}")
                choice = Choice("embedded")
            else:
                owner_url = None
        if choice.kind == "url":
            admin_url, owner_url = choice.detail, None
        elif choice.kind == "embedded":
            admin_url, owner_url = _embedded(stack)
        server = Server(admin_url, owner_url)
        stack.callback(server.close)
        yield server


def _container(image: str, stack: ExitStack) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from testcontainers.community.postgres import PostgresContainer

        container = PostgresContainer(image, driver=None).with_command(
            "postgres -c fsync=off -c full_page_writes=off -c synchronous_commit=off"
        )
        started = stack.enter_context(container)
    return str(started.get_connection_url())


def _embedded(stack: ExitStack) -> tuple[str, str]:
    directory = Path(tempfile.mkdtemp(prefix="cairn-tests-", dir=_in_memory()))
    stack.callback(_remove, directory)
    postgres = EmbeddedPostgres(directory / "pg", durable=False)
    owner_url = postgres.start()
    stack.callback(postgres.stop)
    return postgres.superuser_url(), owner_url


def _in_memory() -> str | None:
    """Return a directory in memory, where a copy of the template costs half the time."""
    with suppress(OSError):
        if os.access(_SHM, os.W_OK) and shutil.disk_usage(_SHM).free > _ROOM:
            return _SHM
    return None


def _remove(directory: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(directory)
