"""An issuer of tokens as tests need one: keys, tokens, and what it says over HTTP."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

ISSUER = "https://login.example"
AUDIENCE = "cairn"
_CURVE = "ES256"


class SigningKey:
    """A key of an issuer.

    Args:
        key_id: As tokens name it.
        algorithm: `RS256`, `ES256` or `EdDSA`.
    """

    def __init__(self, key_id: str = "k1", algorithm: str = _CURVE) -> None:
        self.key_id = key_id
        self.algorithm = algorithm
        self.private: Any = {
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[algorithm]()

    @property
    def public(self) -> dict[str, Any]:
        """The key as a JWK."""
        algorithm: Any = get_default_algorithms()[self.algorithm]
        document: dict[str, Any] = json.loads(algorithm.to_jwk(self.private.public_key()))
        return {**document, "kid": self.key_id, "alg": self.algorithm, "use": "sig"}

    def sign(self, claims: dict[str, Any], **head: Any) -> str:
        """Return a token."""
        return jwt.encode(
            claims, self.private, algorithm=self.algorithm, headers={"kid": self.key_id, **head}
        )


def key_set(*keys: SigningKey) -> dict[str, Any]:
    """Return a JWK set."""
    return {"keys": [key.public for key in keys]}


def write_keys(path: Path, *keys: SigningKey) -> Path:
    """Write a JWK set, and return its path."""
    path.write_text(json.dumps(key_set(*keys)), "utf-8")
    return path


class Issuer:
    """What an issuer says over HTTP; `asked` has the paths, and `gate` holds answers back.

    `location` stands in the head of its answers, and `padding` before what they say; `drips` is
    that they come byte by byte and have no end. `user` stands in the address of its keys.
    """

    def __init__(self) -> None:
        self.keys: Sequence[SigningKey] = ()
        self.url = ""
        self.named: str | None = None
        self.status = 200
        self.location = ""
        self.padding = b""
        self.drips = False
        self.user = ""
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def answer(self, path: str) -> dict[str, Any]:
        """Return the document at a path."""
        if path == "/keys":
            return key_set(*self.keys)
        where = self.url.replace("://", f"://{self.user}")
        return {"issuer": self.named or self.url, "jwks_uri": f"{where}/keys"}


@contextmanager
def serving_issuer() -> Iterator[Issuer]:
    """Run an issuer."""
    issuer, never = Issuer(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            issuer.gate.wait(10)
            content = issuer.padding + json.dumps(issuer.answer(self.path)).encode()
            self.send_response(issuer.status if self.path != issuer.location else 200)
            if issuer.location:
                self.send_header("Location", issuer.location)
            if not issuer.drips:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            with suppress(OSError):
                while issuer.drips:
                    self.wfile.write(b" ")
                    never.wait(0.005)
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
