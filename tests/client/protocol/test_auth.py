from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.client.protocol import auth
from lama_core.client.protocol.auth import Nonces, Verdict, check_place, check_upgrade

TOKEN = "Zm9yLXRlc3RzLW9ubHktbm90LWEtc2VjcmV0LXRva2Vu"
NONCE = "AAECAwQFBgcICQoLDA0ODw"
PORT = 50123


def judge(
    *,
    hosts: tuple[str, ...] = ("127.0.0.1:50123",),
    origins: tuple[str, ...] = (),
    authorizations: tuple[str, ...] | None = None,
    nonces: Nonces | None = None,
) -> Verdict:
    return check_upgrade(
        hosts=hosts,
        origins=origins,
        authorizations=(auth.authorization(TOKEN, NONCE),) if authorizations is None else authorizations,
        port=PORT,
        token=TOKEN,
        nonces=nonces or Nonces(),
    )


def test_who_knows_the_token_gets_in_and_gets_a_proof_back() -> None:
    verdict = judge()
    assert verdict.admitted
    assert verdict.status == 101
    assert auth.is_server_proof(verdict.proof, TOKEN, NONCE)


def test_the_proofs_differ_by_side_token_and_nonce() -> None:
    proofs = {
        auth.client_proof(TOKEN, NONCE),
        auth.server_proof(TOKEN, NONCE),
        auth.client_proof(TOKEN[:-1], NONCE),
        auth.client_proof(TOKEN, NONCE[:-1]),
    }
    assert len(proofs) == 4


@pytest.mark.parametrize("origin", ["null", "http://127.0.0.1:50123", "https://example.org", "", "file://"])
def test_every_origin_is_refused(origin: str) -> None:
    assert judge(origins=(origin,)).status == 403


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("",),
        ("127.0.0.1",),
        ("127.0.0.1:50124",),
        ("127.0.0.1:050123",),
        ("127.0.0.2:50123",),
        ("localhost:50123",),
        ("[::1]:50123",),
        ("example.org:50123",),
        ("127.0.0.1:50123.example.org",),
        ("user@127.0.0.1:50123",),
        (" 127.0.0.1:50123",),
        ("127.0.0.1:50123", "127.0.0.1:50123"),
    ],
)
def test_every_other_host_is_refused(hosts: tuple[str, ...]) -> None:
    assert judge(hosts=hosts).status == 403


GOOD = auth.authorization(TOKEN, NONCE)


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("",),
        (GOOD, GOOD),
        (GOOD + " ",),
        (GOOD + ", x=y",),
        (GOOD + "\n",),
        (GOOD.upper(),),
        (GOOD.replace("LamaFill", "Bearer"),),
        (f"Bearer {TOKEN}",),
        (GOOD.replace(NONCE, ""),),
        (GOOD.replace(NONCE, "A" * 15),),
        (GOOD.replace(NONCE, "A" * 65),),
        (GOOD.replace(NONCE, "A" * 15 + "é"),),
        (GOOD.replace(NONCE, "A" * 16),),
        (auth.authorization(TOKEN[:-1] + "x", NONCE),),
        (GOOD.replace(auth.client_proof(TOKEN, NONCE), auth.server_proof(TOKEN, NONCE)),),
        (GOOD.replace('proof="', 'proof="0'),),
    ],
)
def test_every_other_proof_is_refused(values: tuple[str, ...]) -> None:
    nonces = Nonces()
    assert judge(authorizations=values, nonces=nonces).status == 401
    assert judge(nonces=nonces).admitted, "a refused request uses up no nonce"


def test_a_nonce_is_good_once() -> None:
    nonces = Nonces()
    assert judge(nonces=nonces).admitted
    again = judge(nonces=nonces)
    assert (again.status, again.proof) == (401, "")


def test_nonces_are_bounded() -> None:
    nonces = Nonces(size=3)
    assert all(nonces.use(str(number)) for number in range(5))
    assert not nonces.use("4")
    assert not nonces.use("2")
    assert nonces.use("1"), "the oldest are forgotten"


def test_no_reason_tells_the_token() -> None:
    for verdict in (judge(), judge(authorizations=()), judge(origins=("null",)), judge(hosts=())):
        assert TOKEN not in verdict.reason


def test_health_and_metrics_need_the_place_only() -> None:
    assert check_place(hosts=["127.0.0.1:50123"], origins=[], port=PORT) is None
    refused = check_place(hosts=["127.0.0.1:50123"], origins=["null"], port=PORT)
    assert refused is not None
    assert refused.status == 403


@given(st.text(max_size=200))
def test_any_header_is_parsed_or_not(value: str) -> None:
    parsed = auth.parse_authorization(value)
    assert parsed is None or value == f'LamaFill nonce="{parsed[0]}", proof="{parsed[1]}"'
    assert not auth.is_server_proof(value, TOKEN, NONCE)


def test_what_is_made_is_what_is_taken() -> None:
    token, nonce = auth.new_token(), auth.new_nonce()
    assert auth.is_token(token)
    assert token != auth.new_token()
    assert auth.parse_authorization(auth.authorization(token, nonce)) == (
        nonce,
        auth.client_proof(token, nonce),
    )
    for text in ("", "A" * 31, "A" * 129, "A" * 31 + "é", "A" * 32 + "\n", "A" * 32 + "="):
        assert not auth.is_token(text)
