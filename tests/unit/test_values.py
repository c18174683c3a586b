"""The limits that hold everywhere."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain.checks import require_agent, require_id, require_name, require_title
from domain.errors import Invalid
from domain.parts import require_parts
from domain.values import MAX_NAME, Agent, rfc3339


@pytest.mark.parametrize(
    "name",
    [
        None,
        "a",
        "x" * MAX_NAME,
        " padded ",
        "Grüße 🪨",
        "a:b/c",
        "👩\u200d💻",
        "\u0645\u06cc\u200c\u062e",
    ],
)
def test_a_name_that_can_be_shown_passes(name):
    require_name(name, "title")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "title must not be blank"),
        (" \t", "title must not be blank"),
        ("x" * (MAX_NAME + 1), "title has 201 characters; at most 200"),
        ("a\nb", "title must not have control characters"),
        ("a\x00b", "title must not have control characters"),
        ("a\x7f", "title must not have control characters"),
        ("a\x85b", "title must not have control characters"),
        ("a\u2028b", "title must not have control characters"),
        ("a\u2029b", "title must not have control characters"),
        ("a\u200bb", "title must not have U+200B, which nobody sees"),
        ("a\u202eb", "title must not have U+202E, which nobody sees"),
        ("\ufeffa", "title must not have U+FEFF, which nobody sees"),
    ],
)
def test_a_name_that_cannot_be_shown_is_refused_with_the_reason(name, why):
    with pytest.raises(Invalid) as refusal:
        require_name(name, "title")

    assert refusal.value.detail == why
    assert refusal.value.facts == {"field": "title"}


def test_a_name_may_have_another_limit():
    require_name("abc", "title", most=3)
    with pytest.raises(Invalid):
        require_name("abcd", "title", most=3)


def test_every_name_of_an_agent_is_looked_at():
    require_agent(None, "agent")
    require_agent(Agent(name="coder", provider="acme"), "agent")
    for wrong in ("provider", "model", "reasoning_effort"):
        with pytest.raises(Invalid) as refusal:
            require_agent(Agent(**{"name": "coder", wrong: ""}), "agent")
        assert refusal.value.facts == {"field": f"agent.{wrong}"}


@pytest.mark.parametrize(
    "parts",
    [
        [{"type": "text", "text": "a"}],
        [{"type": "text", "text": ""}],
        [{"type": "reasoning", "text": "", "signature": "EqQB"}],
        [{"type": "image", "url": "file:///a.png"}],
        [{"type": "file", "data": "aGk=", "media_type": "text/plain"}],
        [{"type": "image", "data": "-_8"}],
        [{"type": "redacted_thinking", "data": "EqQB"}],
        [{"type": "refusal", "refusal": "no"}],
        [{"type": "audio"}],
        [{"type": "data"}],
        [{"type": "of the future", "text": ""}],
        [{"type": "text", "text": " "}],
    ],
)
def test_parts_that_say_something_pass(parts):
    require_parts(parts)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([], "input must have at least one part"),
        ([{"type": "text"}], "input[0].text must be a string"),
        ([{"type": "reasoning", "text": None}], "input[0].text must be a string"),
        (
            [{"type": "image"}],
            "input[0]: the image holds nothing; give its url, its data or its blob",
        ),
        (
            [{"type": "file", "name": "a"}],
            "input[0]: the file holds nothing; give its url, its data or its blob",
        ),
        ([{"type": "image", "url": " "}], "input[0].url must not be empty"),
        ([{"type": "image", "data": ""}], "input[0].data must not be empty"),
        ([{"type": "image", "data": "%%%"}], "input[0].data must be base64"),
        ([{"type": "file", "url": "a:b", "data": "aGk=="}], "input[0].data must be base64"),
        ([{"type": "data"}, {}], "input[1].type must be a string"),
        ([{"type": None}], "input[0].type must be a string"),
        ([{"type": {}}], "input[0].type must be a string"),
    ],
)
def test_parts_that_say_nothing_are_refused_with_the_reason(parts, why):
    with pytest.raises(Invalid) as refusal:
        require_parts(parts, "input")

    assert refusal.value.detail == why


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-01-02T03:04:05.000006Z"),
        (
            datetime(2026, 1, 2, 1, 0, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-01T23:00:00.000000Z",
        ),
    ],
)
def test_a_time_is_written_in_utc_to_the_microsecond(moment, text):
    assert rfc3339(moment) == text


@pytest.mark.parametrize("fits", ["x" * 4096, "é" * 2048, "call_1|sig/+="])
def test_an_id_of_a_provider_may_carry_a_signature(fits):
    require_id(fits, "id")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("x" * 4097, "id has 4097 bytes; at most 4096"),
        ("é" * 2049, "id has 4098 bytes; at most 4096"),
        (" ", "id must not be blank"),
        ("a\nb", "id must not have control characters"),
        ("a\x85", "id must not have control characters"),
    ],
)
def test_an_id_that_no_provider_gives_is_refused(wrong, why):
    with pytest.raises(Invalid) as refusal:
        require_id(wrong, "id")

    assert refusal.value.detail == why


def test_a_title_may_have_lines_but_no_other_control_characters():
    require_title("Run\r\n\tmake test\n")
    for wrong in ("\n", "a\x00", "a\x1b[31m", "a\x7f", "x" * 501):
        with pytest.raises(Invalid):
            require_title(wrong)
