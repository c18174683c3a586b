"""Who is told to install an extra is told of this distribution, and of no other package."""

import re
import tomllib

from tests.support.docs import ROOT


def test_an_extra_is_named_with_the_name_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = "|".join(project["optional-dependencies"])
    named: set[str] = set()
    for part in ("api", "application", "domain", "infrastructure", "docs"):
        for path in (ROOT / part).rglob("*"):
            if path.suffix in {".py", ".md"}:
                found = re.findall(rf"([\w-]+)\[(?:{extras})\]", path.read_text("utf-8"))
                named.update(found)
    assert named - {"whl"} == {project["name"]}, "`whl` ends the name of a file"
