"""Challenges are this server's, young, and good once."""

from __future__ import annotations

from lama_server.shared.challenges import CHALLENGE_SECONDS, Challenges


def test_a_challenge_is_good_for_a_minute_and_once() -> None:
    now = [1000.0]
    challenges = Challenges(lambda: now[0])
    one, other = challenges.new(), challenges.new()
    assert one != other
    assert challenges.is_fresh(one)
    assert challenges.use(one)
    assert not challenges.use(one)
    now[0] += CHALLENGE_SECONDS
    assert challenges.is_fresh(other)
    now[0] += 0.1
    assert not challenges.is_fresh(other)


def test_nothing_else_is_a_challenge() -> None:
    challenges = Challenges()
    right = challenges.new()
    for at in range(len(right)):
        wrong = right[:at] + ("0" if right[at] != "0" else "1") + right[at + 1 :]
        assert not challenges.is_fresh(wrong), at
    for other in ("", "0", "z" * 68, right + "0", right[1:], Challenges().new()):
        assert not challenges.is_fresh(other)
