"""What proxies say of a request counts when they are trusted, and is nothing otherwise."""

from time import process_time
from typing import Any

import pytest
from pydantic import ValidationError

from api.http.around.forwarded import Forwarding, public_base
from api.http.around.forwarded_header import MOST_BYTES, nearest_forwarded
from api.settings import Settings

SAID = {
    b"host": b"127.0.0.1:8080",
    b"x-forwarded-proto": b"https",
    b"x-forwarded-host": b"evil.example, cairn.example",
    b"x-forwarded-prefix": b"/sessions/",
}


def base(client: Any, *trusted: str, root_path: str = "", path: str = "/v1") -> tuple[str, str]:
    scope = {"client": client, "scheme": "http", "path": path, "cairn_headers": SAID}
    Forwarding(root_path, trusted).apply(scope, SAID)
    return public_base(scope), str(scope["path"])


def test_a_trusted_proxy_is_believed_and_of_several_the_nearest() -> None:
    shown = ("https://cairn.example/sessions", "/v1")
    assert base(("10.1.2.3", 1), "10.0.0.0/8") == shown
    assert base(("::1", 1), "::1") == shown
    assert base(None, "unix") == shown


@pytest.mark.parametrize("client", [("192.0.2.1", 1), None, ("name", 1)])
def test_nobody_else_is_believed(client: Any) -> None:
    assert base(client, "10.0.0.0/8") == ("http://127.0.0.1:8080", "/v1")


@pytest.mark.parametrize("path", ["/cairn/v1/x", "/v1/x"])
def test_the_path_of_the_server_is_taken_off_where_the_proxy_has_not(path: str) -> None:
    assert base(None, root_path="/cairn/", path=path) == ("http://127.0.0.1:8080/cairn", "/v1/x")
    assert base(None, root_path="/cairn", path="/cairn")[1] == "/"
    assert base(None, root_path="/cairn", path="/cairns/v1")[1] == "/cairns/v1"


@pytest.mark.parametrize(
    "prefix", [b"cairn", b"//evil.example", b"/a b", b"https://evil.example", b"/"]
)
def test_a_prefix_that_is_no_path_counts_for_nothing(prefix: bytes) -> None:
    sent = {b"host": b"inside:8080", b"x-forwarded-prefix": prefix}
    scope = {"client": None, "scheme": "http", "path": "/v1", "cairn_headers": sent}
    Forwarding("", ["unix"]).apply(scope, sent)
    assert public_base(scope) == "http://inside:8080"


@pytest.mark.parametrize("value", ["cairn", "/v1", "/a b", "//x", "/docs/x", '/"'])
def test_a_root_path_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        Settings(root_path=value)


def test_a_proxy_that_is_no_address_is_refused() -> None:
    assert Settings(trusted_proxies="unix, ::1,10.0.0.0/8").names("trusted_proxies")
    with pytest.raises(ValidationError):
        Settings(trusted_proxies="nginx")


def seen(**headers: str) -> str:
    """What URLs begin with, when a trusted proxy has sent these headers."""
    sent = {b"host": b"inside:8080"} | {
        name.replace("_", "-").encode(): value.encode() for name, value in headers.items()
    }
    scope: dict[str, Any] = {
        "client": ("10.0.0.1", 1), "scheme": "http", "path": "/v1", "cairn_headers": sent
    }  # fmt: skip
    Forwarding("", ("10.0.0.0/8",)).apply(scope, sent)
    return public_base(scope)


INSIDE = "http://inside:8080"


@pytest.mark.parametrize(
    ("value", "base"),
    [
        ("proto=https;host=a.example", "https://a.example"),
        ('for=192.0.2.1; PROTO=HTTPS ;Host="a.example:8443"', "https://a.example:8443"),
        ('For="[2001:db8::1]:47";proto=https;host="[2001:db8::2]:80"', "https://[2001:db8::2]:80"),
        (r'for=_x;proto="ht\tps";host="a\.example"', "https://a.example"),
        ("host=evil.example;proto=https, for=unknown;host=a.example", "http://a.example"),
        ("host=evil.example, for=192.0.2.1", INSIDE),
        ('for="a,b", host=a.example', "http://a.example"),
        (",, host=a.example ,", "http://a.example"),
        ("host=a.example;extension=1;secret=x", "http://a.example"),
    ],
)
def test_the_standard_header_is_understood_and_of_several_the_nearest(
    value: str, base: str
) -> None:
    assert seen(forwarded=value) == base


@pytest.mark.parametrize(
    "value",
    [
        "",
        "host",
        "host=a.example;host=b.example",
        "host=a.example:80",
        "host=a b",
        'host="a.example',
        'host="evil.example, host=a.example"',
        'host="a.example/x"',
        'host="user@a.example"',
        "host=a.example;for=<script>",
        "host=a.example;by=x",
        "host=a.example\x00",
        "host=a.example, !",
        "proto=javascript",
        "host=a.example" + ";" * 5000,
    ],
)
def test_of_a_header_that_cannot_be_read_nothing_is_believed(value: str) -> None:
    assert seen(forwarded=value) == INSIDE


@pytest.mark.parametrize("value", ["", "host", "host=a b", "host=b.example;host=b.example"])
def test_beside_a_header_that_cannot_be_read_the_older_ones_are_not_believed(value: str) -> None:
    beside = seen(forwarded=value, x_forwarded_host="b.example", x_forwarded_proto="https")
    assert beside == INSIDE


def test_headers_that_contradict_each_other_are_not_believed() -> None:
    older = {"x_forwarded_host": "a.example", "x_forwarded_proto": "https"}
    assert seen(forwarded="for=_x", **older) == "https://a.example"
    assert seen(forwarded="host=A.example;proto=HTTPS", **older) == "https://A.example"
    assert seen(forwarded="host=evil.example;proto=https", **older) == "https://inside:8080"
    assert seen(forwarded="host=a.example;proto=http", **older) == "http://a.example"


def test_reading_a_hostile_header_takes_time_by_its_length_only() -> None:
    began = process_time()
    for piece in ("a=", "a=b;", '"', 'a="\\', ";", ",", " ;", " \t", "a=b,", "a=b "):
        nearest_forwarded((piece * MOST_BYTES)[: MOST_BYTES - 1] + "\x7f")
    assert process_time() - began < 2
