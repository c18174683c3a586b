"""What the keys of `cairn replay` do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cli.options import UsageError
from api.cli.time_travel.player import Player
from api.cli.time_travel.replay import speed_of
from api.cli.time_travel.terminal import keys_in

KEYS = (
    "left", "right", "up", "down", "home", "end", " ", "+", "-", "enter", "backspace", "7", "0", "z"
)  # fmt: skip


def pressed(player: Player, *keys: str) -> Player:
    for key in keys:
        player.press(key)
    return player


@pytest.mark.parametrize(
    ("keys", "at", "plays"),
    [
        (["right"], 51, False),
        (["left"], 49, False),
        (["down"], 60, True),
        (["up"], 40, True),
        (["home"], 1, True),
        (["end"], 100, False),
        ([" "], 50, False),
        ([" ", " "], 50, True),
        (["7", "5", "enter"], 75, True),
        (["7", "5", "backspace", "enter"], 7, True),
        (["7", "left", "5", "enter"], 5, False),
        (["9", "9", "9", "enter"], 100, False),
        (["0", "enter"], 1, True),
        (["enter"], 50, True),
        (["\ufffd"], 50, True),
    ],
)
def test_keys_move_and_steps_pause(keys: list[str], at: int, plays: bool) -> None:
    player = pressed(Player(100, 50, 1.0), *keys)
    assert (player.at, player.plays) == (at, plays)


def test_speed_doubles_and_halves_within_its_bounds() -> None:
    player = Player(100, 1, 1.0)
    assert pressed(player, "+", "+").speed == 4
    assert pressed(player, *"-" * 3).speed == 0.5
    assert pressed(player, *"-" * 40).speed == 0.01
    assert pressed(player, *"+" * 40).speed == 1000


@given(st.integers(1, 40), st.lists(st.sampled_from(KEYS) | st.none()))
def test_it_is_always_within_the_log_and_plays_only_before_its_end(
    head: int, keys: list[str | None]
) -> None:
    player = Player(head, 1, 1.0)
    for key in keys:
        if key is not None:
            player.press(key)
        elif player.plays:
            player.advance()
        assert 1 <= player.at <= head
        assert not (player.plays and player.at == head)
        assert not player.has_quit
    assert pressed(player, "q").has_quit


def test_keys_are_told_apart_however_many_come_at_once() -> None:
    typed = b"\x1b[A\x1bOB \x1b[C\x1b[D12\r\x7f\x1b[5~\x1b[1;5Cq\xff\x1b"

    assert list(keys_in(typed)) == [
        "up", "down", " ", "right", "left", "1", "2", "enter", "backspace", "up", "\x1b[1;5C", "q",
        "\ufffd", "escape",
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "factor"), [("4x", 4), ("0.5", 0.5), ("1e2x", 100)])
def test_a_speed_is_a_factor(text: str, factor: float) -> None:
    assert speed_of(text) == factor


@pytest.mark.parametrize("text", ["", "x", "0", "-1x", "nan", "inf", "1001x", "fast"])
def test_what_is_no_speed_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--speed"):
        speed_of(text)
