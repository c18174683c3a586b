"""A file with secrets is read again when it has changed, and stays good when it breaks."""

import logging
from pathlib import Path

import pytest

from infrastructure.keys.owner_only_file import KeyFileError, read_owner_only
from infrastructure.keys.watched_file import WatchedFile
from tests.support.own_logs import own_records


class Clock:
    """Seconds that a test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "secrets"
    found.write_text("one")
    found.chmod(0o600)
    return found


def watched(path: Path, clock: Clock) -> WatchedFile[str]:
    return WatchedFile(path, lambda one: read_owner_only(one, "an editor"), clock)


@pytest.mark.parametrize("way", ["written over", "put in its place"])
def test_a_change_is_told_within_a_second(path: Path, way: str):
    clock = Clock()
    file = watched(path, clock)
    assert file.now() == "one"
    changed = path if way == "written over" else path.with_name("new")
    changed.write_text("two and more")
    changed.chmod(0o600)
    changed.replace(path)
    clock.seconds = 0.9
    assert file.now() == "one"  # it is not looked at for each request
    clock.seconds = 1.0
    assert file.now() == "two and more"


def test_one_that_cannot_be_used_any_more_is_told_of_once_and_stays_good(
    path: Path, caplog: pytest.LogCaptureFixture
):
    clock = Clock()
    file = watched(path, clock)
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING, "cairn"):
        for clock.seconds in (2.0, 4.0, 6.0):
            assert file.now() == "one"
    (record,) = own_records(caplog)
    assert "chmod 600" in record.getMessage()
    path.unlink()
    clock.seconds = 8.0
    assert file.now() == "one"
    path.write_text("three")
    path.chmod(0o600)
    clock.seconds = 10.0
    assert file.now() == "three"


def test_one_that_cannot_be_used_at_all_is_refused(tmp_path: Path):
    with pytest.raises(KeyFileError, match="cannot be read"):
        watched(tmp_path / "none", Clock())
