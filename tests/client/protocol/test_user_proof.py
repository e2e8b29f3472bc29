"""The proof of a user's token, and what somebody can do who has read the server's file."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import replace
from pathlib import Path

import pytest

from lama_core.client.protocol import auth, user_proof

PAGE = Path(__file__).parents[3] / "docs/protocol.md"
TOKEN, CHALLENGE = "t" * 43, "c" * 68


def proof(token: str = TOKEN, user: str = "anna", challenge: str = CHALLENGE) -> user_proof.Proof:
    header = user_proof.authorization(token, user, auth.new_nonce(), challenge)
    found = user_proof.parse_authorization(header)
    assert found is not None
    assert token not in header
    return found


def test_the_right_token_alone_proves_itself() -> None:
    known = user_proof.verifier(TOKEN, "anna")
    assert user_proof.is_right(proof(), known)
    assert not user_proof.is_right(proof("u" * 43), known)
    assert not user_proof.is_right(proof(user="bert"), known), "the same token of another name"
    for name, other in (("nonce", auth.new_nonce()), ("challenge", "d" * 68), ("proof", "0" * 64)):
        assert not user_proof.is_right(replace(proof(), **{name: other}), known), name


def test_the_server_proves_itself_by_the_same_account() -> None:
    nonce = auth.new_nonce()
    answer = user_proof.server_proof(user_proof.verifier(TOKEN, "anna"), nonce)
    assert user_proof.is_server_proof(answer, TOKEN, "anna", nonce)
    for token, user, other in (("u" * 43, "anna", nonce), (TOKEN, "bert", nonce), (TOKEN, "anna", "n" * 32)):
        assert not user_proof.is_server_proof(answer, token, user, other)
    assert not user_proof.is_server_proof("é", TOKEN, "anna", nonce)


def test_what_the_server_keeps_is_not_enough_to_get_in() -> None:
    """Whoever has read the file has the mask, and not the key under it."""
    known = user_proof.verifier(TOKEN, "anna")
    nonce = auth.new_nonce()
    for key in (known.stored_key, known.server_key):
        mask = hmac.new(bytes.fromhex(known.stored_key), f"client:{nonce}:{CHALLENGE}".encode(), "sha256")
        forged = bytes(a ^ b for a, b in zip(bytes.fromhex(key), mask.digest(), strict=True)).hex()
        assert not user_proof.is_right(user_proof.Proof("anna", nonce, CHALLENGE, forged), known)
    assert TOKEN not in repr(known) + known.stored_key + known.server_key


def test_the_example_of_the_page() -> None:
    """Worked out here from the page's formulas alone."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.search(
        r"the user `(\w+)`, the token `(\S+)`, the nonce `(\S+)` and\s+the challenge `(\S+)`, the proof is\s+"
        r"`(\w{64})`\s+and the server's is `(\w{64})`",
        page,
    )
    assert found is not None
    user, token, nonce, challenge, said, server = found.groups()

    def mac(key: bytes, message: str) -> bytes:
        return hmac.new(key, message.encode(), hashlib.sha256).digest()

    client_key = mac(token.encode(), f"lamafill client key:{user}")
    mask = mac(hashlib.sha256(client_key).digest(), f"client:{nonce}:{challenge}")
    assert bytes(a ^ b for a, b in zip(client_key, mask, strict=True)).hex() == said
    assert mac(mac(token.encode(), f"lamafill server key:{user}"), f"server:{nonce}").hex() == server
    assert f'proof="{said}"' in user_proof.authorization(token, user, nonce, challenge)
    assert user_proof.is_server_proof(server, token, user, nonce)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic YW5uYTp4",
        'LamaFill nonce="{n}", proof="{p}"',
        'LamaFill user="", nonce="{n}", challenge="{c}", proof="{p}"',
        'LamaFill user="anna", nonce="{n}", challenge="{c}", proof="{p}" ',
        'LamaFill user="anna",nonce="{n}", challenge="{c}", proof="{p}"',
        'LamaFill user="an na", nonce="{n}", challenge="{c}", proof="{p}"',
        'LamaFill user="anna", nonce="short", challenge="{c}", proof="{p}"',
        'LamaFill user="anna", nonce="{n}", challenge="{c}", proof="{P}"',
    ],
)
def test_every_other_header_is_malformed(header: str) -> None:
    filled = header.format(n="n" * 32, c=CHALLENGE, p="0a" * 32, P="0A" * 32)
    assert user_proof.parse_authorization(filled) is None


def test_challenges_on_their_way() -> None:
    assert user_proof.parse_challenge(user_proof.challenge_header(CHALLENGE)) == CHALLENGE
    for other in ("LamaFill", 'Basic realm="x"', 'LamaFill challenge="short"', 'LamaFill challenge="é"'):
        assert user_proof.parse_challenge(other) is None


@pytest.mark.parametrize("name", ["a", "anna", "Anna.B", "a_b", "anna@studio.example", "7of9", "x" * 64])
def test_names(name: str) -> None:
    assert user_proof.is_user(name)


@pytest.mark.parametrize("name", ["", ".", "-a", "@a", "a b", "a/b", 'a"', "é", "a\n", "x" * 65])
def test_no_names(name: str) -> None:
    assert not user_proof.is_user(name)
