"""What must not get into the log by way of an error message."""

import pytest

from domain.redaction import redacted, redacted_failure
from domain.values import MAX_SUMMARY, Failure


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("password=hunter2", "password=[redacted]"),
        ("error: password=hunter2 at db", "error: password=[redacted] at db"),
        ("PASSWD: x", "PASSWD: [redacted]"),
        ("pwd=a b", "pwd=[redacted] b"),
        ("x-api-key: abc", "x-api-key: [redacted]"),
        ("api_key=abc, user=ada", "api_key=[redacted], user=ada"),
        ("client_secret = abc; x", "client_secret = [redacted]; x"),
        ("private-key: abc", "private-key: [redacted]"),
        ("GET /?access_token=abc&page=2", "GET /?access_token=[redacted]&page=2"),
        ("token=a token=b", "token=[redacted] token=[redacted]"),
        ('{"api_key": "abc def", "n": 1}', '{"api_key": "[redacted]", "n": 1}'),
        ("{'secret': 'abc def'}", "{'secret': '[redacted]'}"),
        (r"{\"token\": \"abc\"}", r"{\"token\": \"[redacted]" + '"}'),
        ("client_secret=\n  abc", "client_secret=\n  [redacted]"),
        ("Authorization: Bearer abc.def", "Authorization: [redacted]"),
        ("authorization: token abc", "authorization: [redacted]"),
        ("Authorization: ApiKey abc", "Authorization: [redacted]"),
        ("sent Bearer abcdefgh.ijk", "sent Bearer [redacted]"),
        ("postgres://ada:pw@db/x", "postgres://[redacted]@db/x"),
        ("postgres://ada:p@w@db/x", "postgres://[redacted]@db/x"),
        ("key sk-proj-abcdefghijklmnop!", "key [redacted]!"),
        ("AKIAIOSFODNN7EXAMPLE", "[redacted]"),
        ("ghp_0123456789abcdef0123", "[redacted]"),
        ("github_pat_0123456789abcdef", "[redacted]"),
        ("jwt eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "jwt [redacted]"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nbad",
            "[redacted]\nbad",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "[redacted]"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(said, kept):
    assert redacted(said) == kept


@pytest.mark.parametrize(
    "said",
    [
        "",
        "the model is overloaded",
        "max_tokens=4096 exceeded",
        "the secret is out",
        "secret: ",
        "the token has run out",
        "authorization required",
        "https://example.org/a@b",
        "12:30:01 exit status 1",
        "Grüße, 世界 🪨",
        "-----BEGIN CERTIFICATE-----",
    ],
)
def test_what_does_not_is_left_as_it_is(said):
    assert redacted(said) == said


def test_nothing_stays_nothing():
    assert redacted(None) is None


def test_hiding_twice_is_hiding_once():
    for said in ("password=a", "Authorization: Bearer abcdefgh", 'x="y" token="z z"'):
        once = redacted(said)
        assert redacted(once) == once


def test_a_long_text_is_cut_and_says_so():
    assert redacted("x" * MAX_SUMMARY) == "x" * MAX_SUMMARY

    cut = redacted("x" * (MAX_SUMMARY + 1))
    assert cut is not None
    assert (len(cut), cut[-15:]) == (MAX_SUMMARY, "x...[truncated]")
    grown = redacted("pwd=a " * 400)
    assert grown is not None
    assert len(grown) == MAX_SUMMARY


@pytest.mark.parametrize("letter", ["ä", "✓", "😀"])
def test_a_long_text_is_cut_by_its_bytes_and_between_characters(letter):
    size = len(letter.encode())
    assert redacted(letter * (MAX_SUMMARY // size)) == letter * (MAX_SUMMARY // size)

    cut = redacted(letter * MAX_SUMMARY)
    assert cut is not None
    assert cut == letter * ((MAX_SUMMARY - 14) // size) + "...[truncated]"
    assert redacted(cut) == cut


def test_a_failure_keeps_its_kind():
    assert redacted_failure(Failure(kind="token_error", summary="token=abc")) == Failure(
        kind="token_error", summary="token=[redacted]"
    )
    assert redacted_failure(Failure(kind="k")) == Failure(kind="k")


@pytest.mark.parametrize(
    "unit",
    ["token-", "a-", "a.", "sk-", "a+", "a=", "token=", 'token="', "token=\\", "eyJ-", "eyJa.",
     "a://", "bearer ", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "\\", "a ", "token\n", "a:="],
)  # fmt: skip
def test_no_text_takes_longer_than_its_length(unit):
    # With time in the square of the length each of these would take minutes, not milliseconds.
    assert redacted(unit * 50_000) is not None
