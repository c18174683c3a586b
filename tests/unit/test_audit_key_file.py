"""The file of the keys: nobody else may read it, and rotation keeps what was."""

import os
from pathlib import Path

import pytest

from infrastructure.keys.audit_key_file import KeyFileError, make_key, read_keys, rotate_key

NAME = "cairn.example/store"


def test_a_new_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    public = make_key(path, NAME)
    assert path.stat().st_mode & 0o777 == 0o600
    keys = read_keys(path)
    assert keys.verifiers == (public,)
    assert [key.verifier for key in keys.signing] == [public]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    make_key(path, NAME)
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="exists already"):
        make_key(path, NAME)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "audit.key"
    make_key(path, NAME)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_keys(path)
    with pytest.raises(KeyFileError, match="chmod 600"):
        rotate_key(path, overlap=False)


def test_rotation_keeps_the_public_keys(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    first = make_key(path, NAME)
    second = rotate_key(path, overlap=True)
    keys = read_keys(path)
    assert [key.verifier for key in keys.signing] == [second, first]
    third = rotate_key(path, overlap=False)
    keys = read_keys(path)
    assert [key.verifier for key in keys.signing] == [third]
    assert keys.verifiers == (third, second, first)
    assert {key.name for key in keys.verifiers} == {NAME}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["audit.key"]


@pytest.mark.parametrize("name", ["", "a b", "a+b"])
def test_a_name_that_no_key_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyFileError, match="not usable"):
        make_key(tmp_path / "audit.key", name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", [b"", b"\n", b"junk\n", b"PRIVATE+KEY+a+00000000+AAAA\n", b"\xff"])
def test_a_file_without_a_key(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "audit.key"
    path.touch(0o600)
    path.write_bytes(text)
    with pytest.raises(KeyFileError):
        read_keys(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"no folder .*nowhere; make it first"):
        make_key(tmp_path / "nowhere" / "audit.key", "audit.example.com/cairn")


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        read_keys(tmp_path)
    with pytest.raises(KeyFileError):
        read_keys(tmp_path / "none")
    with pytest.raises(KeyFileError):
        make_key(tmp_path / "none" / "audit.key", NAME)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(KeyFileError, match="is no file"):
        read_keys(tmp_path / "pipe")
    reading, writing = os.pipe()
    try:
        with pytest.raises(KeyFileError, match="is no file"):
            read_keys(Path(f"/dev/fd/{reading}"))
    finally:
        os.close(reading)
        os.close(writing)
