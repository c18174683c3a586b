"""`Dockerfile`, as far as it can be judged without an engine."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator

import pytest

from api.settings import Settings
from tests.cli.conftest import PATIENCE, ROOT, Served

Instruction = tuple[str, str]


def instructions() -> list[list[Instruction]]:
    """What each stage does, in order."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    stages: list[list[Instruction]] = []
    for line in text.replace("\\\n", " ").splitlines():
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        if name:
            stages[-1].append((name, rest.strip()))
    return stages


def said(stage: list[Instruction], name: str) -> Iterator[str]:
    return (rest for one, rest in stage if one == name)


def set_in(stage: list[Instruction]) -> dict[str, str]:
    words = " ".join(said(stage, "ENV")).split()
    return dict(word.split("=", 1) for word in words)


def test_it_runs_as_a_user_who_is_not_root_and_owns_nothing() -> None:
    *_, last = instructions()
    users = list(said(last, "USER"))

    (user,) = users
    assert re.fullmatch(r"[1-9]\d+", user)
    (made,) = said(last, "RUN")
    assert made == f"useradd --system --no-create-home --uid {user} cairn"
    after = [name for name, _ in last[last.index(("USER", user)) + 1 :]]
    assert set(after) <= {"EXPOSE", "HEALTHCHECK", "CMD"}
    assert "--chown" not in (ROOT / "Dockerfile").read_text("utf-8")


def test_what_it_installs_is_known_by_its_hash_and_nothing_else_is_taken() -> None:
    installs = [rest for stage in instructions() for rest in said(stage, "RUN") if " sync " in rest]
    assert installs
    assert all("--frozen" in rest for rest in installs)
    listed = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]
    for package in listed:
        if "registry" in package["source"]:
            files = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
            assert files, package["name"]
            assert all(one["hash"].startswith("sha256:") for one in files), package["name"]
        else:
            assert set(package["source"]) & {"editable", "virtual", "directory"}, package["name"]


def test_its_python_is_one_that_the_project_takes_and_is_slim() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    least = tuple(map(int, re.findall(r"\d+", project["requires-python"])))

    images = {rest.split()[0] for stage in instructions() for rest in said(stage, "FROM")}
    (image,) = images
    named = re.fullmatch(r"python:(\d+)\.(\d+)-slim", image)
    assert named is not None
    assert tuple(map(int, named.groups())) >= least
    assert f"Programming Language :: Python :: {named[1]}.{named[2]}" in project["classifiers"]


def test_it_copies_all_that_the_program_is_and_everything_is_there() -> None:
    first, last = instructions()
    copied = {word for rest in said(first, "COPY") for word in rest.split()[:-1]}

    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert {"pyproject.toml", "uv.lock", packages["project"]["readme"]} <= copied
    assert {"api", "application", "domain", "infrastructure", "migrations"} <= copied
    assert all((ROOT / one).exists() for one in copied)
    assert list(said(last, "COPY")) == ["--from=made /app /app"]
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied


def test_what_makes_the_image_is_of_one_version() -> None:
    first, _ = instructions()
    fetched = [rest for rest in said(first, "RUN") if rest.startswith("pip install")]
    assert fetched
    assert all(re.search(r" \S+==[\d.]+$", rest) for rest in fetched)


def test_its_command_is_one_of_the_project_and_its_settings_are_settings() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    *_, last = instructions()
    (command,) = said(last, "CMD")
    name, subcommand = json.loads(command)

    assert name in project["scripts"]
    helped = subprocess.run(
        [sys.executable, "-P", "-m", "api", subcommand, "--help"],
        cwd=ROOT, capture_output=True, timeout=PATIENCE, check=False, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert helped.returncode == 0
    ours = {name.removeprefix("CAIRN_").lower() for name in set_in(last) if name[:6] == "CAIRN_"}
    assert ours == {"host", "port"}
    assert ours <= set(Settings.model_fields)
    assert list(said(last, "EXPOSE")) == [set_in(last)["CAIRN_PORT"]]


@pytest.mark.parametrize("is_up", [True, False])
def test_its_health_check_asks_for_health_and_can_fail(server: Served, is_up: bool) -> None:
    *_, last = instructions()
    (check,) = said(last, "HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])

    assert command[0] == "python"
    assert "/health" in command[-1]
    # The port is that of the server, also where it is not the one of the image.
    port = str(server.port) if is_up else "1"
    asked = subprocess.run(
        [sys.executable, *command[1:]],
        capture_output=True, timeout=PATIENCE, check=False, env={"CAIRN_PORT": port},
    )  # fmt: skip
    assert (asked.returncode == 0) is is_up
