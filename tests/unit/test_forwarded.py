"""What proxies say of a request counts when they are trusted, and is nothing otherwise."""

from typing import Any

import pytest
from pydantic import ValidationError

from api.http.around.forwarded import Forwarding, public_base
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


@pytest.mark.parametrize("value", ["cairn", "/v1", "/a b", "//x", "/docs/x", '/"'])
def test_a_root_path_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        Settings(root_path=value)


def test_a_proxy_that_is_no_address_is_refused() -> None:
    assert Settings(trusted_proxies="unix, ::1,10.0.0.0/8").names("trusted_proxies")
    with pytest.raises(ValidationError):
        Settings(trusted_proxies="nginx")
