"""Every control character is refused in ids, names and titles, of all that Unicode has."""

import sys
import unicodedata

import pytest

from domain.checks import require_id, require_title
from domain.errors import Invalid

_LINES = "\t\n\r"
_REFUSED = {"Cc", "Zl", "Zp"}


def test_an_id_has_no_control_character_and_no_end_of_a_line() -> None:
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in _REFUSED:
            with pytest.raises(Invalid, match="control"):
                require_id(f"a{chr(code)}b", "id")
        else:
            require_id(f"a{chr(code)}b", "id")


def test_a_title_may_have_lines_and_tabs_and_no_other_control_character_of_ascii() -> None:
    for code in range(128):
        if unicodedata.category(chr(code)) == "Cc" and chr(code) not in _LINES:
            with pytest.raises(Invalid, match="control"):
                require_title(f"a{chr(code)}b")
        else:
            require_title(f"a{chr(code)}b")
