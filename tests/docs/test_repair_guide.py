"""The repair handbook has a section for each code, and none for a code that there is not."""

import re
from typing import get_args, get_type_hints

from domain.repair.codes import FINDINGS, ISSUES
from domain.repair.report import Action
from tests.support.docs import ROOT

TEXT = (ROOT / "docs/repair.md").read_text("utf-8")
_SECTION = re.compile(r"^### (\w+)\n(.+?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)


_FOUND = re.compile(r'(?:found\(|Finding\(None,|Fault\(|return (?=".*", f?"))\s*"(\w+)"')
_VERIFYING = [
    *sorted((ROOT / "application/reads/evidence").glob("*.py")),
    ROOT / "api/cli/proving/checkpoint.py",
]


def test_each_code_has_a_section_that_says_how_bad_it_is() -> None:
    sections = dict(_SECTION.findall(TEXT))
    actions = get_args(get_type_hints(Action)["code"])

    verifying = "".join(path.read_text("utf-8") for path in _VERIFYING)
    found = set(_FOUND.findall(verifying))
    assert found - ISSUES.keys() == FINDINGS.keys()
    assert sections.keys() == ISSUES.keys() | set(actions) | found
    assert all("Do: " in sections[code] for code in found)
    for code, meaning in ISSUES.items():
        said = sections[code]
        assert said.startswith(meaning.severity.capitalize()), code
        assert ("blocks;" in said or "blocks." in said) is meaning.blocks, code
        assert "Do: " in said, code
