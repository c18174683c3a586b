"""The paths that answers tell: ids may hold any character, and most need no quoting."""

from urllib.parse import quote
from uuid import UUID

import pytest

from api.http.outgoing.responses import location, path_of

_SESSION = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@pytest.mark.parametrize(
    "name",
    ["messages", str(_SESSION), "-", "a_b", "a.b~c", "a/b", "a b", "ä", "٣", "²", "%2F", "", "9"],
)
def test_a_name_stands_in_a_path_as_quoting_has_it(name: str):
    assert path_of("v1", name) == f"/v1/{quote(name, safe='')}"
    assert location(_SESSION, "x", name) == f"/v1/sessions/{_SESSION}/x/{quote(name, safe='')}"


def test_a_session_has_the_path_of_its_id():
    assert location(_SESSION) == f"/v1/sessions/{_SESSION}"
