from __future__ import annotations

import msgpack
import msgpack.fallback
import psutil
import pytest

from lama_core.client.protocol import codec
from lama_core.client.protocol.codec import Message
from lama_core.client.protocol.errors import ProtocolError
from tests.client.protocol.fuzzing import Mutator, fuzz, server_outcome

SHORT, LONG = 100_000, 3_000_000


@pytest.fixture
def messages(client_messages: list[Message], server_messages: list[Message]) -> list[Message]:
    return client_messages + server_messages


@pytest.mark.timeout(3600)
def test_mutated_messages_give_messages_or_documented_errors(
    messages: list[Message], request: pytest.FixtureRequest
) -> None:
    rounds = LONG if request.config.getoption("--soak") else SHORT
    process = psutil.Process()
    before = process.memory_info().rss
    seen = fuzz(Mutator(20240711, messages), rounds)
    assert process.memory_info().rss - before < 64 << 20
    assert seen == {"bad_message", "bad_request", "too_large", *codec.TYPE_NAMES.values()}


def test_so_does_msgpack_in_python(messages: list[Message], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msgpack, "unpackb", msgpack.fallback.unpackb)
    monkeypatch.setattr(msgpack, "Packer", msgpack.fallback.Packer)
    fuzz(Mutator(20240712, messages), SHORT // 20)


def test_both_msgpacks_agree(messages: list[Message], monkeypatch: pytest.MonkeyPatch) -> None:
    mutator = Mutator(20240713, messages)
    frames = [mutator.frame() for _ in range(SHORT // 20)]

    def codes() -> list[object]:
        found = [server_outcome(frame) for frame in frames]
        return [item.code if isinstance(item, ProtocolError) else item for item in found]

    compiled = codes()
    monkeypatch.setattr(msgpack, "unpackb", msgpack.fallback.unpackb)
    assert codes() == compiled
