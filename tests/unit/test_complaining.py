"""How a command says why it cannot do its work."""

import json

import pytest

from api.cli.options import Failure, UsageError, complaining


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        ("It cannot be asked: the server has gone..", "It cannot be asked: the server has gone."),
        ("It cannot be asked: no route.", "It cannot be asked: no route."),
        ("No file ../x.", "No file ../x."),
    ],
)
def test_it_ends_with_one_full_stop(
    said: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"), complaining():
        raise Failure(said)
    assert capsys.readouterr().err == f"cairn: {printed}\n"


def test_wrong_use_has_a_status_of_its_own_and_can_be_a_line_of_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"), complaining(unable=3, as_json=True):
        raise UsageError("--since must be a time..")
    assert json.loads(capsys.readouterr().err)["message"] == "--since must be a time."
