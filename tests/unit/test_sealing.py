"""Sealed secrets: only who has the key opens them, and only where they belong."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.keys.owner_only_file import KeyFileError
from infrastructure.keys.sealing import (
    CannotOpen,
    Plain,
    Sealer,
    make_sealing_key,
    read_sealing_keys,
    rotate_sealing_key,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "secrets.key"
    make_sealing_key(path)
    return path


@given(value=st.text(), about=st.text())
def test_what_is_sealed_opens_as_it_was_and_never_twice_alike(path: Path, value: str, about: str):
    sealer = Sealer(path)
    kept = sealer.seal(value, about)
    assert sealer.open(kept, about) == value
    assert sealer.seal(value, about) != kept
    assert sealer.is_current(kept)


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_a_changed_byte_does_not_open(path: Path, place: int, bit: int):
    sealer = Sealer(path)
    head, _, text = sealer.seal("whsec_x", "w1").rpartition(":")
    sealed = bytearray(base64.b64decode(text))
    sealed[place % len(sealed)] ^= 1 << bit
    with pytest.raises(CannotOpen, match="changed"):
        sealer.open(f"{head}:{base64.b64encode(sealed).decode()}", "w1")


def test_a_value_that_was_moved_or_cut_does_not_open(path: Path):
    sealer = Sealer(path)
    kept = sealer.seal("whsec_x", "w1")
    for moved, about in ((kept, "w2"), (kept[:-8], "w1"), (kept[:40], "w1"), (kept + "!", "w1")):
        with pytest.raises(CannotOpen):
            sealer.open(moved, about)
    assert "whsec" not in base64.b64decode(kept.rpartition(":")[2]).decode("latin-1")


def test_keys_rotate_while_others_run(tmp_path: Path):
    path = tmp_path / "k"
    first = make_sealing_key(path)
    sealer, other = Sealer(path), Sealer(path)
    old = sealer.seal("a", "w")
    second = rotate_sealing_key(path)
    assert list(read_sealing_keys(path)) == [second, first]
    assert path.stat().st_mode & 0o777 == 0o600
    assert not sealer.is_current(old)
    assert sealer.open(old, "w") == "a"
    # The other one has not looked at the file since.
    assert other.open(sealer.seal("b", "w"), "w") == "b"
    path.write_text(path.read_text().splitlines()[0])
    assert sealer.open(sealer.seal("c", "w"), "w") == "c"
    with pytest.raises(CannotOpen, match=first):
        Sealer(path).open(old, "w")
    # A file that is half written does not take away what is known.
    path.write_text("x")
    assert not sealer.is_current(old)
    assert sealer.open(sealer.seal("c", "w"), "w") == "c"


def test_a_key_that_was_rotated_away_seals_nothing_more(tmp_path: Path):
    """Also in a process that only seals: what it kept would open for nobody any more."""
    path, seconds = tmp_path / "k", 0.0
    make_sealing_key(path)
    sealer = Sealer(path, lambda: seconds)
    old = sealer.seal("a", "w")
    rotate_sealing_key(path)
    path.write_text(path.read_text().splitlines()[0])
    seconds = 1.0
    assert Sealer(path).open(sealer.seal("b", "w"), "w") == "b"
    with pytest.raises(CannotOpen):
        Sealer(path).open(old, "w")


def test_without_a_key_values_are_as_they_are(path: Path):
    assert Plain().open(Plain().seal("whsec_x", "w"), "w") == "whsec_x"
    assert Sealer(path).open("whsec_x", "w") == "whsec_x"
    assert not Sealer(path).is_current("whsec_x")
    kept = Sealer(path).seal("whsec_x", "w")
    assert Plain().is_current("whsec_x")
    assert not Plain().is_current(kept)
    with pytest.raises(CannotOpen, match="name the key file"):
        Plain().open(kept, "w")


def test_files_that_cannot_be_used_are_refused(tmp_path: Path):
    path = tmp_path / "k"
    make_sealing_key(path)
    good = path.read_text()
    with pytest.raises(KeyFileError, match="exists already"):
        make_sealing_key(path)
    short = base64.b64encode(b"x" * 31).decode()
    wrong = (
        "",
        "x",
        good[:20],
        good + good,
        f"00000000 {short}",
        f"ABCDEF01{good[8:]}",
        f"0000000g {short}",
    )
    for text in wrong:
        path.write_text(text)
        for use in (Sealer, rotate_sealing_key):
            with pytest.raises(KeyFileError):
                use(path)
    path.write_bytes(b"\xff")
    with pytest.raises(KeyFileError, match="not a text"):
        Sealer(path)
    path.write_text(" " * (1 << 20) + good)
    with pytest.raises(KeyFileError, match="more than"):
        Sealer(path)
    path.write_text(good)
    for mode in (0o640, 0o604, 0o660):
        path.chmod(mode)
        with pytest.raises(KeyFileError, match="chmod 600"):
            Sealer(path)
    (tmp_path / "folder").mkdir()
    for nowhere in (tmp_path / "folder", tmp_path / "none"):
        with pytest.raises(KeyFileError):
            Sealer(nowhere)
