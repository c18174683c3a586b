"""The file that names session managers: read, or refused without a word of its secrets."""

from pathlib import Path

import pytest

from infrastructure.keys.owner_only_file import KeyFileError
from infrastructure.outgoing.session_managers import read_managers

GOOD = '[[manager]]\nid = "b"\nurl = "https://b.example/base/"\nhmac_secret = "s3cr3t"\n'


def written(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "managers.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_managers_are_read_in_their_order(tmp_path: Path):
    text = GOOD + GOOD.replace('"b"', '"c.2"') + "default = true\n"
    one, other = read_managers(written(tmp_path, text))
    assert (one.name, one.url, one.secret) == ("b", "https://b.example/base", b"s3cr3t")
    assert (other.name, one.default, other.default) == ("c.2", False, True)
    assert "s3cr3t" not in repr(one)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must have tables"),
        ("manager = 1", "must have tables"),
        (GOOD + "[other]\n", "must have tables"),
        (GOOD + GOOD, "have one id"),
        (f"{GOOD}default = true\n" + GOOD.replace('"b"', '"c"') + "default = true", "default"),
        (GOOD.replace('"b"', '"b b"'), "no usable id"),
        (GOOD.replace('"b"', "1"), "no usable id"),
        (GOOD.replace('"s3cr3t"', '""'), "no hmac_secret"),
        (GOOD.replace('"s3cr3t"', '" "'), "no hmac_secret"),
        (GOOD.replace("https:", "ftp:"), "no usable url"),
        (GOOD.replace("https://", "https://user:pass@"), "no usable url"),
        (GOOD.replace("base/", "base?a=b"), "no usable url"),
        (GOOD.replace("https://b.example/base/", "http://"), "no usable url"),
        (GOOD + 'default = "yes"\n', "not true or false"),
        (GOOD + 'secret = "s3cr3t"\n', "other keys"),
        (GOOD.replace('"s3cr3t"', "s3cr3t"), "is no TOML"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, text: str, says: str):
    with pytest.raises(KeyFileError, match=says) as refused:
        read_managers(written(tmp_path, text))
    assert "s3cr3t" not in str(refused.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path):
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_managers(written(tmp_path, GOOD, 0o644))
