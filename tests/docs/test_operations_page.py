"""The page on operations names every setting of the server."""

import pytest

from api.settings import Settings
from tests.support.docs import ROOT

TEXT = (ROOT / "docs/operations.md").read_text("utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_is_named(name: str):
    assert f"`CAIRN_{name.upper()}`" in TEXT
