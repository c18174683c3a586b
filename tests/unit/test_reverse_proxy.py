"""What goes along to a session manager: all that a client sent but for what is ours."""

from typing import Any, cast

from api.agentapi.reverse_proxy import headers_to_send, target_at_manager
from api.http.incoming.requests import AnyRequest

CLIENT = {
    b"accept": b"text/event-stream",
    b"content-type": b"application/json",
    b"x-trace": b"\xfc",
}
NAMES = (
    "authorization cookie host content-length forwarded connection transfer-encoding"
    " x-forwarded-user x-forwarded-team x-forwarded-for x-hub-signature-256 x-timestamp"
)
OURS = dict.fromkeys(NAMES.encode().split(), b"s3cr3t")


class Asked:
    """A request, as far as it is looked at."""

    def __init__(self, **scope: Any) -> None:
        self.scope = scope


def asked(**scope: Any) -> AnyRequest:
    return cast("AnyRequest", Asked(**scope))


def test_no_credential_and_no_claim_of_a_client_goes_along():
    request = asked(cairn_headers={**CLIENT, **OURS})
    named = {name.decode(): value for name, value in CLIENT.items()}
    assert headers_to_send(request, "ü", None) == {**named, "x-forwarded-user": "ü".encode()}
    assert headers_to_send(request, "ada", "org/core")["x-forwarded-team"] == b"org/core"


def test_the_rest_of_a_target_stays_as_it_is():
    request = asked(
        raw_path=b"/base/0189/turns/a%2Fb", query_string=b"b=1&a=%20", root_path="/base"
    )
    assert target_at_manager(request, "there") == "/there/turns/a%2Fb?b=1&a=%20"
    request = asked(raw_path=b"/0189/events", query_string=b"")
    assert target_at_manager(request, "there") == "/there/events"
