"""The key by which a client makes a command safe to repeat."""

import re
from hashlib import sha256

from api.http.incoming.bodies import read_body
from api.http.incoming.requests import HttpRequest, header
from api.http.outgoing.problems import Problem
from application.commands.request import IdempotencyKey

_PRINTABLE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


async def idempotency_key_of(request: HttpRequest) -> IdempotencyKey | None:
    """Return the client's idempotency key.

    Args:
        request: Its method, path, query and body make the fingerprint.

    Raises:
        Problem: 400, the key is not 1 to 255 printable ASCII characters.
    """
    key = header(request, b"idempotency-key")
    if key is None:
        return None
    if len(key) > 255 or not _PRINTABLE.fullmatch(key):
        raise Problem(
            "malformed_header", "Idempotency-Key must be 1 to 255 printable ASCII characters"
        )
    asked = request.scope
    query = asked["query_string"].decode("latin-1")
    target = f"{request.method} {asked['path']}{'?' if query else ''}{query}\n"
    content = target.encode("utf-8", "surrogatepass") + await read_body(request)
    return IdempotencyKey(key, sha256(content).digest())
