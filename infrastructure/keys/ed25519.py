"""Ed25519 signatures on notes, by the `cryptography` package."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from domain.transparency.notes import (
    MalformedNote,
    Signature,
    SigningKey,
    VerifierKey,
    is_key_name,
    parse_private_key,
)


class Ed25519:
    """Makes keys, signs and checks; see `application.ports.log.transparency.Signatures`."""

    def new_key(self, name: str) -> SigningKey:
        """Return a new private key."""
        return _key_of(name, Ed25519PrivateKey.generate())

    def read_key(self, text: str) -> SigningKey:
        """Return a private key that is written in a file."""
        name, key_id, seed = parse_private_key(text)
        key = _key_of(name, Ed25519PrivateKey.from_private_bytes(seed))
        if key.verifier.key_id.hex() != key_id:
            raise MalformedNote("the key id does not belong to the name and the key")
        return key

    def sign(self, key: SigningKey, text: str) -> Signature:
        """Return a key's signature on a text."""
        signature = Ed25519PrivateKey.from_private_bytes(key.seed).sign(text.encode())
        return Signature(key.verifier.name, key.verifier.key_id, signature)

    def holds(self, key: VerifierKey, text: str, signature: Signature) -> bool:
        """Return whether a signature on a text is that of a key."""
        try:
            public = Ed25519PublicKey.from_public_bytes(key.public)
            public.verify(signature.signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


def _key_of(name: str, private: Ed25519PrivateKey) -> SigningKey:
    if not is_key_name(name):
        raise MalformedNote("the name of a key has 1 or more characters, no space and no plus")
    public = private.public_key().public_bytes_raw()
    return SigningKey(VerifierKey(name, public), private.private_bytes_raw())
