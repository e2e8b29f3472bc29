"""How a user of a shared server proves a token: pure functions, as in SCRAM (RFC 5802), over one challenge.

The server keeps two hashes of the token. Neither is the token, and neither is enough to pass for the user:
what a client sends is a key that the server knows only by its hash, masked by an HMAC over the server's
challenge. The server proves the other hash, so a client knows that it talks to the server of its account.

Tokens are 256 random bits, so they need no slow hash.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

CHALLENGE: Final = "WWW-Authenticate"
"""The header of a 401 that carries the server's challenge."""

_USER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
_CHALLENGE: Final = re.compile(r'LamaFill challenge="([A-Za-z0-9_-]{16,128})"', re.ASCII)
_AUTHORIZATION: Final = re.compile(
    r'LamaFill user="([A-Za-z0-9._@-]{1,64})", nonce="([A-Za-z0-9_-]{16,64})", '
    r'challenge="([A-Za-z0-9_-]{16,128})", proof="([0-9a-f]{64})"',
    re.ASCII,
)


@dataclass(frozen=True)
class Verifier:
    """What a server keeps of a user's token.

    Attributes:
        stored_key: the hash of the key that the client shows: 64 hexadecimal digits.
        server_key: what the server proves itself with: 64 hexadecimal digits.
    """

    stored_key: str
    server_key: str

    def __repr__(self) -> str:
        return "Verifier(...)"


@dataclass(frozen=True)
class Proof:
    """What a client's `Authorization` header says."""

    user: str
    nonce: str
    challenge: str
    proof: str


def is_user(name: str) -> bool:
    """Whether this can be a user's name: 1 to 64 letters, digits and . _ @ - but not these first."""
    return _USER.fullmatch(name) is not None


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode("ascii"), "sha256").digest()


def _client_key(token: str, user: str) -> bytes:
    return _hmac(token.encode("ascii"), f"lamafill client key:{user}")


def _server_key(token: str, user: str) -> bytes:
    return _hmac(token.encode("ascii"), f"lamafill server key:{user}")


def verifier(token: str, user: str) -> Verifier:
    """What the server keeps of a token."""
    return Verifier(
        stored_key=hashlib.sha256(_client_key(token, user)).hexdigest(),
        server_key=_server_key(token, user).hex(),
    )


def _mask(stored_key: bytes, nonce: str, challenge: str) -> bytes:
    return _hmac(stored_key, f"client:{nonce}:{challenge}")


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right))


def authorization(token: str, user: str, nonce: str, challenge: str) -> str:
    """The client's `Authorization` header."""
    key = _client_key(token, user)
    proof = _xor(key, _mask(hashlib.sha256(key).digest(), nonce, challenge)).hex()
    return f'LamaFill user="{user}", nonce="{nonce}", challenge="{challenge}", proof="{proof}"'


def parse_authorization(value: str) -> Proof | None:
    """What an `Authorization` header says, or None when it is anything but exactly that."""
    match = _AUTHORIZATION.fullmatch(value)
    return None if match is None else Proof(match[1], match[2], match[3], match[4])


def is_right(proof: Proof, known: Verifier) -> bool:
    """Whether a proof is that of the token that a verifier was made of, whatever the challenge."""
    stored = bytes.fromhex(known.stored_key)
    key = _xor(bytes.fromhex(proof.proof), _mask(stored, proof.nonce, proof.challenge))
    return hmac.compare_digest(hashlib.sha256(key).digest(), stored)


def server_proof(known: Verifier, nonce: str) -> str:
    """What the server answers: 64 lowercase hexadecimal digits."""
    return _hmac(bytes.fromhex(known.server_key), f"server:{nonce}").hex()


def is_server_proof(value: str, token: str, user: str, nonce: str) -> bool:
    """Whether a server's `X-Lama-Fill-Proof` is right; takes the same time for any value."""
    right = _hmac(_server_key(token, user), f"server:{nonce}").hex()
    return hmac.compare_digest(value.encode("utf-8", "replace"), right.encode("ascii"))


def challenge_header(challenge: str) -> str:
    """The value of the header that carries a challenge."""
    return f'LamaFill challenge="{challenge}"'


def parse_challenge(value: str) -> str | None:
    """The challenge in a `WWW-Authenticate` header; None when there is none."""
    match = _CHALLENGE.fullmatch(value)
    return None if match is None else match[1]
