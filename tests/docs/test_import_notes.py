"""Every note that an import can have in its report is explained."""

import re

from tests.support.docs import ROOT

_NAMED = re.compile(r'notes\["([a-z_0-9]+)"\]|kind = "([a-z_]+)" if .+ else "([a-z_]+)"')


def test_every_note_of_a_report_is_explained() -> None:
    sources = (ROOT / "infrastructure" / "importers").rglob("*.py")
    named = {
        name
        for source in sources
        for found in _NAMED.findall(source.read_text("utf-8"))
        for name in found
        if name
    }
    told = (ROOT / "docs" / "import.md").read_text("utf-8")

    assert {"open_call", "ordinal_gap", "sequence_repeated", "orphan_result"} <= named
    assert [name for name in sorted(named) if f"`{name}`" not in told] == []
