from __future__ import annotations

import pytest

from lama_core.client.protocol.codec import Message
from tests.client.protocol.examples import client_examples, server_examples


@pytest.fixture(scope="session")
def client_messages() -> list[Message]:
    """One of each message that a client sends."""
    return client_examples()


@pytest.fixture(scope="session")
def server_messages() -> list[Message]:
    """One of each message that a server sends."""
    return server_examples()
