"""The image, built from `Dockerfile` and run, where no engine and no registry is needed for it.

The base is made of Debian's packages, under the name that the Dockerfile has; what runs is the file
system of the image, its root read-only, as its user and with its environment.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.cli.conftest import PATIENCE, ROOT, eventually

pytestmark = [pytest.mark.hunt, pytest.mark.timeout(1800)]

NEEDED = ("buildah", "mmdebstrap", "unshare", "chroot")
BASE = re.search(r"^FROM (\S+) AS", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
ENTER = """
mount --bind "$1" "$2"; mount -t tmpfs tmpfs "$2/tmp"; mount --rbind /proc "$2/proc"
mount --rbind /dev "$2/dev"; mount -o remount,bind,ro "$2"; in=$2; as=$3; shift 3
exec chroot --userspec="$as:$as" --groups= "$in" /usr/bin/env -i -C /app "$@"
"""
"""A mount namespace goes with its last process, and so do its mounts."""


def run(*command: str, env: dict[str, str], patience: float = 1200) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=patience, check=False
    )
    assert done.returncode == 0, (
        f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
    return done.stdout.strip()


class Image:
    """What was built."""

    def __init__(self, root: str, config: dict[str, Any], scratch: Path) -> None:
        self.root = root
        self.config = config
        self._empty = scratch / "root"
        self._empty.mkdir(exist_ok=True)

    def command(self, *command: str, **env: str) -> list[str]:
        """The command that runs one in the image as a container would."""
        given = [*self.config["Env"], *(f"{name}={value}" for name, value in env.items())]
        here = [self.root, str(self._empty), self.config["User"]]
        return ["unshare", "-m", "sh", "-c", ENTER, "sh", *here, *given, *command]

    def ask(self, *command: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*command, **env),
            capture_output=True, text=True, timeout=PATIENCE * 2, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"building an image without an engine needs {', '.join(missing)}")
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("the root of another system is entered by root, on Linux")
    assert BASE is not None
    scratch = tmp_path_factory.mktemp("image")
    storage = scratch / "storage.conf"
    storage.write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{scratch}/graph"\nrunroot = "{scratch}/run"\n'
    )
    env = dict(os.environ) | {
        "CONTAINERS_STORAGE_CONF": str(storage), "BUILDAH_ISOLATION": "chroot",
    }  # fmt: skip
    base = str(scratch / "base.tar")
    run("mmdebstrap", "--variant=minbase", "--include=python3-venv,ca-certificates", "trixie", base,
        env=env)  # fmt: skip
    made = run("buildah", "from", "scratch", env=env)
    run("buildah", "add", made, base, "/", env=env)
    run("buildah", "run", made, "--", "python3", "-m", "venv", "/usr/local", env=env)
    trusted = os.environ.get("SSL_CERT_FILE")
    if trusted:  # that of whoever looks into TLS on the way to the index
        there = "/etc/ssl/certs/ca-certificates.crt"
        run("buildah", "copy", made, trusted, there, env=env)
        for name in ("SSL_CERT_FILE", "PIP_CERT"):
            run("buildah", "config", "--env", f"{name}={there}", made, env=env)
    path = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    run("buildah", "config", "--env", f"PATH={path}", made, env=env)
    run("buildah", "commit", "--rm", made, f"docker.io/library/{BASE[1]}", env=env)
    run("buildah", "bud", "--pull=never", "--format=docker", "-t", "cairn:local", ".", env=env)
    told = json.loads(run("buildah", "inspect", "--type=image", "cairn:local", env=env))
    container = run("buildah", "from", "--pull=never", "localhost/cairn:local", env=env)
    root = run("buildah", "mount", container, env=env)
    yield Image(root, told["Docker"]["config"], scratch)
    run("buildah", "umount", container, env=env)
    run("buildah", "rm", container, env=env)


def test_the_image_runs_as_its_user_and_writes_to_tmp_only(image: Image) -> None:
    assert image.ask("id", "-u").stdout.strip() == image.config["User"] != "0"
    assert image.ask("touch", "/tmp/x").returncode == 0
    for path in ("/app/x", "/x", "/app/api/x"):
        assert "Read-only file system" in image.ask("touch", path).stderr
    assert image.ask(*image.config["Cmd"][:1], "--version").stdout.startswith("cairn ")


def test_the_image_holds_nothing_of_a_checkout_that_serving_does_not_need(image: Image) -> None:
    there = {one.name for one in Path(image.root, "app").iterdir()} - {".venv"}
    copied = {"README.md", "LICENSE", "pyproject.toml", "uv.lock"}
    assert there == {"api", "application", "domain", "infrastructure", "migrations", *copied}


def test_the_image_serves_a_turn_and_stops_when_told(
    image: Image, database_url: str, tmp_path: Path
) -> None:
    if not conninfo_to_dict(database_url).get("host", "/").startswith(("127.", "localhost", "::1")):
        pytest.skip("the database is behind a Unix socket, which the image does not see")
    with httpx.Client(trust_env=False, timeout=PATIENCE * 4) as client:
        with Path(tmp_path / "log").open("wb") as log:
            command = image.command(
                *image.config["Cmd"], CAIRN_HOST="127.0.0.1", CAIRN_PORT="0",
                CAIRN_DATABASE_URL=database_url, CAIRN_LOG_FORMAT="json",
            )  # fmt: skip
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            port = port_of(process)
            base = f"http://127.0.0.1:{port}"
            assert client.get(f"{base}/ready?wait=30s").status_code == 200
            check = image.config["Healthcheck"]["Test"]
            assert check[0] == "CMD"
            assert image.ask(*check[1:], CAIRN_PORT=str(port)).returncode == 0
            assert image.ask(*check[1:], CAIRN_PORT="1").returncode != 0
            made = client.post(f"{base}/v1/sessions", json={"app": "image", "user": "ada"}).json()
            session = f"{base}/v1/sessions/{made['session']['id']}"
            said = {"input": {"parts": [{"type": "text", "text": "hi"}]}, "turn_id": "t"}
            assert client.post(f"{session}/turns", json=said).status_code == 201
            assert client.post(f"{session}/turns/t/complete", json={}).status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()


def port_of(process: "subprocess.Popen[bytes]") -> int:
    """The port on which a process listens, as the kernel tells; `exec` keeps its id."""
    found: list[int] = []

    def listens() -> bool:
        assert process.poll() is None, "it ended before it listened"
        sockets = {
            str(one.readlink())
            for one in Path(f"/proc/{process.pid}/fd").iterdir()
            if one.is_symlink()
        }
        for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.append(int(fields[1].rpartition(":")[2], 16))
        return bool(found)

    assert eventually(listens, PATIENCE * 2)
    return found[0]
