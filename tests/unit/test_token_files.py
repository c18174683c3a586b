"""Files that hold a bearer token: what is taken, and what is refused without a word of it."""

from pathlib import Path

import pytest

from api.auth_token import TokenFileError, read_token
from api.cli.client_options import token_in
from api.cli.options import UsageError

TOKEN = "cairn_open-sesame"


@pytest.mark.parametrize("content", [TOKEN, f"{TOKEN}\n", f"\n {TOKEN}\r\n"])
def test_a_token_alone_is_taken(tmp_path: Path, content: str):
    file = tmp_path / "token"
    file.write_text(content)
    assert read_token(file, "--x") == token_in(file) == TOKEN


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"open-sesame",
        f"Token 1: till may read.\n{TOKEN}\n".encode(),
        f"\ufeff{TOKEN}".encode(),
        f"{TOKEN}é".encode("latin-1"),
        f"{TOKEN}\0".encode(),
        TOKEN.encode() * (1 << 16),
    ],
)
def test_what_is_no_token_alone_is_refused_and_not_repeated(tmp_path: Path, content: bytes):
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(
        TokenFileError, match=r"holds no usable token.*--auth-token-file"
    ) as refused:
        read_token(file, "--auth-token-file")
    assert "open-sesame" not in str(refused.value)
    with pytest.raises(UsageError, match=r"holds no usable token.*--token-file") as refused_client:
        token_in(file)
    assert "open-sesame" not in str(refused_client.value)


def test_what_is_no_file_is_refused(tmp_path: Path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(TokenFileError, match="cannot be read"):
            read_token(path, "--x")
