"""What goes along to a session manager: all that a client sent but for what is ours."""

from typing import Any, cast

import pytest

from api.agentapi.requests import Refusal
from api.agentapi.reverse_proxy import headers_to_send, target_at_manager
from api.http.incoming.requests import HttpRequest

CLIENT = [
    (b"accept", b"text/event-stream"),
    (b"content-type", b"application/json"),
    (b"x-trace", b"\xfc"),
    (b"x-twice", b"1"),
    (b"x-twice", b"2"),
    (b"x-hub", b"a name of which ours begins with it"),
]
NAMES = (
    "authorization cookie host content-length forwarded connection transfer-encoding keep-alive"
    " x-forwarded-user x-forwarded-team x-forwarded-for x-forwarded-groups x-forwarded-email"
    " x_forwarded_user x-forwarded_team x_hub_signature_256 x-real-ip origin sec-fetch-site"
    " access-control-request-method x-hub-signature-256 x-timestamp"
)
OURS = [(name, b"s3cr3t") for name in NAMES.encode().split()]


class Asked:
    """A request, as far as it is looked at."""

    def __init__(self, **scope: Any) -> None:
        self.scope = scope


def asked(**scope: Any) -> HttpRequest:
    return cast("HttpRequest", Asked(**scope))


def test_no_credential_and_no_claim_of_a_client_goes_along():
    request = asked(headers=[*CLIENT, *OURS])
    user = (b"x-forwarded-user", "ü".encode())
    assert headers_to_send(request, "ü", None) == [*CLIENT, user]
    assert headers_to_send(request, "ada", "org/core")[-1] == (b"x-forwarded-team", b"org/core")


def test_what_a_client_says_is_about_its_connection_goes_no_further():
    told = [(b"connection", b"close, X-Hop"), (b"Connection", b"TE , x-other"), (b"x-hop", b"1")]
    request = asked(headers=[*told, (b"X-Other", b"2"), (b"x-stays", b"3")])
    assert headers_to_send(request, "ada", None) == [
        (b"x-stays", b"3"),
        (b"x-forwarded-user", b"ada"),
    ]


def test_the_rest_of_a_target_stays_as_it_is():
    request = asked(
        raw_path=b"/base/0189/turns/a%2Fb", query_string=b"b=1&a=%20", root_path="/base"
    )
    assert target_at_manager(request, "there") == "/there/turns/a%2Fb?b=1&a=%20"
    request = asked(raw_path=b"/0189/events", query_string=b"")
    assert target_at_manager(request, "there") == "/there/events"


OUT = (
    "..", ".", "../x", "a/../x", "a/..", "a/./b", "%2e%2e/x", "%2E%2e", ".%2e/x", "a/%2e/b",
    "..%2fx", "a%2F..%2Fb", "..\\x", "..%5cx", "..;/x", "%252e%252e/x", "..%252fx",
)  # fmt: skip
STAY = ("a..b", "...", "..a/x", "a.", "turns/v1.2%2Fx", ".well-known", "x?a=../b")


@pytest.mark.parametrize("rest", OUT)
def test_a_path_that_leads_out_of_a_session_is_refused(rest: str):
    with pytest.raises(Refusal) as refused:
        target_at_manager(asked(raw_path=f"/0189/{rest}".encode(), query_string=b""), "there")
    assert refused.value.status == 400


@pytest.mark.parametrize("rest", STAY)
def test_dots_that_lead_nowhere_go_along(rest: str):
    path, _, query = rest.partition("?")
    request = asked(raw_path=f"/0189/{path}".encode(), query_string=query.encode())
    assert target_at_manager(request, "there") == f"/there/{rest}"
