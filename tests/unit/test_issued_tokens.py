"""Tokens of an issuer: what lets somebody in, and everything that does not."""

import asyncio
import base64
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from application.errors import IssuerUnavailable, Unauthorized
from application.ports.access.issued_tokens import secure_url
from domain.principal import Principal
from infrastructure.issuer import keys as issuer_keys
from infrastructure.issuer import tokens as issued_tokens
from infrastructure.issuer.keys import IssuerKeys
from infrastructure.issuer.tokens import Claims, JwtTokens
from tests.support.issuer import AUDIENCE, ISSUER, SigningKey, key_set, serving_issuer, write_keys
from tests.support.own_logs import own_records
from tests.support.sse import eventually

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
LEEWAY = timedelta(seconds=60)
KEY = SigningKey()
GOOD = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "till",
    "exp": int((NOW + timedelta(hours=1)).timestamp()),
    "scope": "openid cairn:read cairn:stream",
    "cairn_app": "shop",
}


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def new_id(self) -> UUID:
        raise NotImplementedError

    def new_name(self) -> str:
        return str(self.new_id())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_keys(tmp_path / "keys.json", KEY)


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "_LOOK_AGAIN", -math.inf)


def tokens(
    source: Path | str,
    clock: Clock,
    issuer: str = ISSUER,
    keys: IssuerKeys | None = None,
    **claims: str,
) -> JwtTokens:
    return JwtTokens(
        keys or IssuerKeys(issuer, str(source)),
        issuer=issuer,
        audience=AUDIENCE,
        claims=Claims(**claims),
        clock=clock,
        leeway=LEEWAY,
    )


def at(delta: timedelta) -> int:
    return int((NOW + delta).timestamp())


# ── let in ───────────────────────────────────────────────────────────────────────────────────


async def test_claims_say_who_asks(file: Path, clock: Clock):
    found = await tokens(file, clock).principal(KEY.sign(GOOD))
    assert found == Principal(
        actor="till",
        rights=frozenset({"read", "stream"}),
        app="shop",
        is_named=True,
        expires_at=NOW + timedelta(hours=1) + LEEWAY,
    )


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_algorithms_of_key_pairs_are_accepted(tmp_path: Path, clock: Clock, algorithm: str):
    key = SigningKey("k2", algorithm)
    file = write_keys(tmp_path / "keys.json", KEY, key)
    assert await tokens(file, clock).principal(key.sign(GOOD)) is not None


async def test_a_key_is_for_all_algorithms_of_its_kind_unless_it_names_one(
    tmp_path: Path, clock: Clock
):
    key = SigningKey("k1", "RS256")
    file = tmp_path / "keys.json"
    named = {**key.public, "alg": "PS256"}
    unnamed = {name: value for name, value in key.public.items() if name != "alg"}
    for public in (unnamed, {**named, "alg": None}, named):
        file.write_text(json.dumps({"keys": [public]}))
        for algorithm in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"):
            checks = tokens(file, clock)
            token = jwt.encode(GOOD, key.private, algorithm=algorithm, headers={"kid": "k1"})
            if public is named and algorithm != "PS256":
                with pytest.raises(Unauthorized, match="does not have"):
                    await checks.principal(token)
            else:
                assert await checks.principal(token) is not None, algorithm


async def test_keys_of_two_kinds_may_have_one_name(tmp_path: Path, clock: Clock):
    of_one, of_another = SigningKey("k1", "ES256"), SigningKey("k1", "RS256")
    checks = tokens(write_keys(tmp_path / "keys.json", of_one, of_another), clock)
    assert await checks.principal(of_one.sign(GOOD)) is not None
    assert await checks.principal(of_another.sign(GOOD)) is not None


async def test_a_token_without_an_end_in_sight_lets_in(file: Path, clock: Clock):
    found = await tokens(file, clock).principal(KEY.sign({**GOOD, "exp": 253402300799}))
    assert found is not None
    assert found.expires_at == datetime.max.replace(tzinfo=UTC)


async def test_a_claim_that_says_nothing_here_may_be_anything(file: Path, clock: Clock):
    checks = tokens(file, clock, name="email")
    said = {**GOOD, "email": "ada@x", "sub": 7, "jti": 7, "iat": "soon"}
    assert await checks.principal(KEY.sign(said)) is not None


@pytest.mark.parametrize(
    ("claims", "app", "user"),
    [
        ({"cairn_app": "shop", "u": "ada"}, "shop", "ada"),
        ({"cairn_app": "shop", "u": "*"}, "shop", None),
        ({"cairn_app": "*", "u": "*"}, None, None),
    ],
)
async def test_claims_say_what_is_seen(
    file: Path, clock: Clock, claims: Any, app: str | None, user: str | None
):
    found = await tokens(file, clock, user="u").principal(KEY.sign({**GOOD, **claims}))
    assert found is not None
    assert (found.app, found.user) == (app, user)


async def test_rights_may_be_a_list_and_claims_may_have_other_names(file: Path, clock: Clock):
    names: Any = {"app": "https://x/tenant", "rights": "roles", "name": "email"}
    claims = {**GOOD, "https://x/tenant": "bank", "roles": ["cairn:admin"], "email": "ada@x"}
    found = await tokens(file, clock, **names).principal(KEY.sign(claims))
    assert found is not None
    assert (found.actor, found.app, found.rights) == ("ada@x", "bank", frozenset({"admin"}))


async def test_clocks_may_differ_by_the_leeway(file: Path, clock: Clock):
    checks = tokens(file, clock)
    assert await checks.principal(KEY.sign({**GOOD, "nbf": at(LEEWAY)})) is not None
    assert await checks.principal(KEY.sign({**GOOD, "exp": at(-LEEWAY) + 1})) is not None


# ── not let in ───────────────────────────────────────────────────────────────────────────────

_GONE: Any = object()


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": at(-LEEWAY)}, "has expired"),
        ({"exp": _GONE}, "no claim `exp`"),
        ({"exp": "soon"}, "not a time"),
        ({"exp": True}, "not a time"),
        ({"exp": 1e300}, "not a time"),
        ({"nbf": at(LEEWAY) + 1}, "not good yet"),
        ({"nbf": "now"}, "not a time"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": _GONE}, "no claim `iss`"),
        ({"aud": "other"}, "another audience"),
        ({"aud": _GONE}, "no claim `aud`"),
        ({"sub": _GONE}, "no claim `sub`"),
        ({"sub": "a\nb"}, "not a name"),
        ({"sub": "\ud800"}, "not a name"),
        ({"sub": 7}, "no claim `sub` that is a text"),
        ({"sub": ["till"]}, "no claim `sub` that is a text"),
        ({"scope": _GONE}, "names no right"),
        ({"scope": "read write"}, "names no right"),
        ({"scope": "cairn:readonly my-cairn:read cairn:READ"}, "names no right"),
        ({"scope": ["cairn:readonly", "cairn:read cairn:write", 7]}, "names no right"),
        ({"scope": 7}, "names no right"),
        ({"cairn_app": _GONE}, "no claim `cairn_app`"),
        ({"cairn_app": ["shop"]}, "no claim `cairn_app`"),
        ({"cairn_app": ""}, "not a name"),
        ({"cairn_app": "x" * 300}, "not a name"),
    ],
)
async def test_a_claim_that_is_not_right_lets_nobody_in(
    file: Path, clock: Clock, claims: dict[str, Any], why: str
):
    changed = {name: value for name, value in {**GOOD, **claims}.items() if value is not _GONE}
    with pytest.raises(Unauthorized, match=why):
        await tokens(file, clock).principal(KEY.sign(changed))


async def test_a_user_that_is_to_be_named_and_is_not_lets_nobody_in(file: Path, clock: Clock):
    checks = tokens(file, clock, user="u")
    with pytest.raises(Unauthorized, match="no claim `u`"):
        await checks.principal(KEY.sign(GOOD))
    with pytest.raises(Unauthorized, match="a user, and no app"):
        await checks.principal(KEY.sign({**GOOD, "cairn_app": "*", "u": "ada"}))


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_a_token_that_is_not_signed_lets_nobody_in(file: Path, clock: Clock):
    for alg in ("none", "None", "HS256", "ES256K", 7, None):
        forged = f"{part({'alg': alg, 'kid': 'k1'})}.{part(GOOD)}."
        with pytest.raises(Unauthorized):
            await tokens(file, clock).principal(forged)


async def test_a_public_key_is_no_secret_to_sign_with(tmp_path: Path, clock: Clock):
    key = SigningKey("k1", "RS256")
    pem = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body = part({"alg": "HS256", "kid": "k1", "typ": "JWT"}), part(GOOD)
    signature = jwt.get_algorithm_by_name("HS256").sign(f"{head}.{body}".encode(), pem)
    forged = f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    with pytest.raises(Unauthorized, match="algorithm"):
        await tokens(write_keys(tmp_path / "k", key), clock).principal(forged)


async def test_a_symmetric_key_of_an_issuer_is_not_used(tmp_path: Path, clock: Clock):
    secret = base64.urlsafe_b64encode(b"x" * 32).decode()
    keys = {"keys": [{"kty": "oct", "k": secret, "kid": "s"}, KEY.public]}
    (tmp_path / "keys").write_text(json.dumps(keys))
    forged = jwt.encode(GOOD, b"x" * 32, algorithm="HS256", headers={"kid": "s"})
    with pytest.raises(Unauthorized, match="algorithm"):
        await tokens(tmp_path / "keys", clock).principal(forged)


async def test_a_foreign_key_under_a_known_name_lets_nobody_in(file: Path, clock: Clock):
    with pytest.raises(Unauthorized, match="signature"):
        await tokens(file, clock).principal(SigningKey().sign(GOOD))
    with pytest.raises(Unauthorized, match="does not have"):
        await tokens(file, clock).principal(SigningKey("k9").sign(GOOD))


async def test_a_token_that_names_where_its_key_lies_is_not_followed(file: Path, clock: Clock):
    with serving_issuer() as issuer:
        foreign = SigningKey("k9")
        issuer.keys = [foreign]
        token = foreign.sign(GOOD, jku=f"{issuer.url}/keys", jwk=foreign.public)
        with pytest.raises(Unauthorized, match="does not have"):
            await tokens(file, clock).principal(token)
        assert not issuer.asked


@pytest.mark.parametrize("token", ["", "x", "cairn_x", "a.b", "a.b.c.d"])
async def test_what_has_not_the_form_is_none_of_the_issuer(file: Path, clock: Clock, token: str):
    assert await tokens(file, clock).principal(token) is None


@pytest.mark.parametrize("token", ["..", "a.b.c", "\ud800.b.c", "é.è.ê", "{}.{}.{}"])
async def test_what_has_only_the_form_is_refused(file: Path, clock: Clock, token: str):
    with pytest.raises(Unauthorized):
        await tokens(file, clock).principal(token)


async def test_a_token_that_is_too_long_is_refused_unread(clock: Clock):
    with pytest.raises(Unauthorized, match="at most"):
        await tokens("/nowhere", clock).principal(f"{'x' * (1 << 20)}.x.x")


async def test_a_token_that_was_good_is_refused_when_it_runs_out(file: Path, clock: Clock):
    checks, token = tokens(file, clock), KEY.sign(GOOD)
    assert await checks.principal(token) is not None
    clock.at = NOW + timedelta(hours=1) + LEEWAY
    with pytest.raises(Unauthorized, match="has expired"):
        await checks.principal(token)


# ── keys ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("no_pause")
async def test_keys_that_rotate_are_found_and_those_that_are_gone_let_nobody_in(
    tmp_path: Path, clock: Clock
):
    new, file = SigningKey("k2"), write_keys(tmp_path / "keys.json", KEY)
    checks, old_token = tokens(file, clock), KEY.sign(GOOD)
    assert await checks.principal(old_token) is not None
    write_keys(file, new)
    assert await checks.principal(new.sign(GOOD)) is not None
    # It was checked before, with a key that is gone.
    with pytest.raises(Unauthorized, match="does not have"):
        await checks.principal(old_token)


async def test_tokens_of_unknown_keys_do_not_make_the_issuer_be_asked_each_time(clock: Clock):
    with serving_issuer() as issuer:
        issuer.keys = [KEY]
        checks = tokens("", clock, issuer.url)
        assert await checks.principal(KEY.sign({**GOOD, "iss": issuer.url})) is not None
        assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
        for number in range(5):
            with pytest.raises(Unauthorized, match="does not have"):
                await checks.principal(SigningKey(f"x{number}").sign(GOOD))
        assert len(issuer.asked) == 2


@pytest.mark.usefixtures("no_pause")
async def test_an_issuer_that_is_down_locks_out_nobody_who_was_known(
    clock: Clock, caplog: pytest.LogCaptureFixture
):
    with serving_issuer() as issuer:
        issuer.keys = [KEY]
        checks = tokens(f"{issuer.url}/keys", clock)
        issuer.status = 500
        for _ in range(2):
            with pytest.raises(IssuerUnavailable):
                await checks.principal(KEY.sign(GOOD))
        assert len(own_records(caplog)) == 1
        issuer.status = 200
        assert await checks.principal(KEY.sign(GOOD)) is not None
        issuer.status = 500
        with pytest.raises(Unauthorized):
            await checks.principal(SigningKey("k9").sign(GOOD))
        assert await checks.principal(KEY.sign({**GOOD, "sub": "other"})) is not None


@pytest.mark.usefixtures("no_pause")
async def test_an_issuer_that_is_slow_holds_up_nobody_who_was_known(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    with serving_issuer() as issuer:
        issuer.keys = [KEY]
        checks = tokens(f"{issuer.url}/keys", clock)
        assert await checks.principal(KEY.sign(GOOD)) is not None
        monkeypatch.setattr(issuer_keys, "_READ_EVERY", -math.inf)
        issuer.gate.clear()
        new = SigningKey("k2")
        issuer.keys = [new]
        for name in ("ada", "bob"):
            assert await checks.principal(KEY.sign({**GOOD, "sub": name})) is not None
        issuer.gate.set()
        # Once it has answered, the key that it took away lets nobody in.
        assert await checks.principal(new.sign(GOOD)) is not None
        with pytest.raises(Unauthorized, match="does not have"):
            await checks.principal(KEY.sign(GOOD))


@pytest.mark.usefixtures("no_pause")
async def test_a_key_that_its_issuer_takes_away_is_good_no_longer_though_nobody_names_another(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    with serving_issuer() as issuer:
        issuer.keys = [KEY]
        checks = tokens(f"{issuer.url}/keys", clock)
        assert await checks.principal(KEY.sign(GOOD)) is not None
        issuer.keys = [SigningKey("k2")]
        token = KEY.sign(GOOD)
        monkeypatch.setattr(issuer_keys, "_READ_EVERY", -math.inf)
        assert await checks.principal(token) is not None
        monkeypatch.setattr(issuer_keys, "_READ_EVERY", math.inf)

        async def is_refused() -> bool:
            try:
                await checks.principal(token)
            except Unauthorized:
                return True
            return False

        await eventually(is_refused, "the key is gone")


async def test_a_token_is_checked_once_while_it_is_among_the_last(
    file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(issued_tokens, "_REMEMBERED", 1)
    looked = 0

    class Counted(IssuerKeys):
        async def find(self, key_id: str | None, algorithm: str) -> Any | None:
            nonlocal looked
            looked += 1
            return await super().find(key_id, algorithm)

    checks = tokens(file, clock, keys=Counted(ISSUER, str(file)))
    one, other = KEY.sign(GOOD), KEY.sign({**GOOD, "sub": "other"})
    for token, times in ((one, 1), (one, 1), (other, 2), (one, 3)):
        assert await checks.principal(token) is not None
        assert looked == times


@pytest.mark.usefixtures("no_pause")
async def test_keys_that_cannot_be_used_are_refused(tmp_path: Path, clock: Clock):
    file = tmp_path / "keys"
    secret = {"kty": "oct", "k": "eHg", "kid": "k1"}
    wrong = [b"", b"{", b"[]", b"\xff", b'{"keys": 7}', b'{"keys": [7]}']
    wrong.append(json.dumps(key_set(KEY)).encode() + b" " * (1 << 20))
    wrong += [json.dumps({"keys": keys}).encode() for keys in ([], [secret], [{"kty": "RSA"}])]
    wrong.append(json.dumps({"keys": [{**KEY.public, "use": "enc"}]}).encode())
    for content in wrong:
        file.write_bytes(content)
        with pytest.raises(IssuerUnavailable):
            await tokens(file, clock).principal(KEY.sign(GOOD))
    with pytest.raises(IssuerUnavailable):
        await tokens(tmp_path, clock).principal(KEY.sign(GOOD))


@pytest.mark.usefixtures("no_pause")
async def test_a_key_that_is_not_for_checking_is_passed_over(tmp_path: Path, clock: Clock):
    file, other = tmp_path / "keys", SigningKey("k2")
    whole = json.loads(ECAlgorithm.to_jwk(KEY.private))
    for wrong in (
        {**KEY.public, "use": "enc"},
        {**KEY.public, "key_ops": ["encrypt"]},
        {**KEY.public, "key_ops": 7},
        {**KEY.public, "alg": "ES384"},
        {**KEY.public, "alg": ["ES256"]},
        {**KEY.public, "kty": ["EC"]},
        # Whoever reads it can make tokens.
        {**KEY.public, **whole},
    ):
        file.write_text(json.dumps({"keys": [wrong, other.public]}))
        assert await tokens(file, clock).principal(other.sign(GOOD)) is not None
        with pytest.raises(Unauthorized, match="does not have"):
            await tokens(file, clock).principal(KEY.sign(GOOD))


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_key_that_is_too_short_lets_nobody_in(tmp_path: Path, clock: Clock):
    short = SigningKey("k1", "RS256")
    short.private = rsa.generate_private_key(65537, 1024)
    with pytest.raises(Unauthorized, match="too short"):
        await tokens(write_keys(tmp_path / "keys", short), clock).principal(short.sign(GOOD))


@pytest.mark.usefixtures("no_pause")
async def test_keys_are_read_where_they_are_said_to_be_and_no_more_than_a_megabyte(clock: Clock):
    with serving_issuer() as issuer:
        issuer.keys = [KEY]
        source = f"{issuer.url}/moved"
        issuer.status, issuer.location = 302, "/keys"
        with pytest.raises(IssuerUnavailable):
            await tokens(source, clock).principal(KEY.sign(GOOD))
        assert issuer.asked == ["/moved"]
        issuer.status, issuer.location, issuer.padding = 200, "", b" " * (1 << 20)
        with pytest.raises(IssuerUnavailable):
            await tokens(f"{issuer.url}/keys", clock).principal(KEY.sign(GOOD))


@pytest.mark.usefixtures("no_pause")
async def test_an_issuer_that_never_ends_its_answer_is_given_up(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(issuer_keys, "_PATIENCE", 0.5)
    with serving_issuer() as issuer:
        issuer.keys, issuer.drips = [KEY], True
        async with asyncio.timeout(60):
            with pytest.raises(IssuerUnavailable):
                await tokens(f"{issuer.url}/keys", clock).principal(KEY.sign(GOOD))
        issuer.drips = False


async def test_an_address_of_keys_that_would_not_be_safe_is_not_asked(clock: Clock):
    with serving_issuer() as issuer:
        issuer.keys, issuer.user = [KEY], "somebody@"
        with pytest.raises(IssuerUnavailable):
            await tokens("", clock, issuer.url).principal(KEY.sign({**GOOD, "iss": issuer.url}))
        assert issuer.asked == ["/.well-known/openid-configuration"]


@pytest.mark.usefixtures("no_pause")
async def test_an_issuer_that_names_another_one_is_not_believed(clock: Clock):
    with serving_issuer() as issuer:
        issuer.keys, issuer.named = [KEY], ISSUER
        with pytest.raises(IssuerUnavailable):
            await tokens("", clock, issuer.url).principal(KEY.sign({**GOOD, "iss": issuer.url}))


async def test_the_only_key_needs_no_name(tmp_path: Path, clock: Clock):
    unnamed = {key: value for key, value in KEY.public.items() if key != "kid"}
    (tmp_path / "keys").write_text(json.dumps({"keys": [unnamed]}))
    token = jwt.encode(GOOD, KEY.private, algorithm="ES256")
    assert await tokens(tmp_path / "keys", clock).principal(token) is not None
    (tmp_path / "two").write_text(json.dumps(key_set(KEY, SigningKey("k2"))))
    with pytest.raises(Unauthorized, match="does not have"):
        await tokens(tmp_path / "two", clock).principal(token)


@pytest.mark.parametrize(
    "url", ["http://x.example/", "ftp://x/", "https:///x", "https://a:b@x/", "file:///etc/passwd"]
)
def test_keys_are_read_over_tls_only(url: str):
    with pytest.raises(ValueError, match="https"):
        secure_url(url)
