"""Options and errors, as scripts give them and as the artist reads them."""

from __future__ import annotations

import pytest
from lama_fill_gimp.error_messages import explain
from lama_fill_gimp.options import CONTEXTS, OptionError, Options

from lama_core.client.connection import (
    BusyError,
    ConnectionLostError,
    FillFailedError,
    SandboxError,
    ServerNotFoundError,
    ServerStartError,
)
from lama_core.client.protocol.errors import ERROR_CODES


@pytest.mark.parametrize(
    "wrong",
    [
        {"grow": -2},
        {"grow": 5000},
        {"feather": -2},
        {"context": "13"},
        {"input": "everything"},
        {"output": ""},
        {"quality": "worst"},
        {"variation": -1},
    ],
)
def test_an_argument_that_means_nothing_is_named(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        Options(**wrong)  # type: ignore[arg-type]


def test_every_context_means_something_to_the_server() -> None:
    for choice in CONTEXTS:
        assert Options(context=choice.name).fill.context in ("auto", "whole", *range(1, 5000))


def test_every_error_says_something_to_the_artist() -> None:
    for code, retryable in ERROR_CODES.items():
        said = explain(FillFailedError(code, "the mask selects nothing", retryable=retryable))
        assert said.endswith((".", "mask selects nothing"))
        assert said[0].isupper()


def test_a_sandbox_is_told_the_command_to_run() -> None:
    assert "lama-fill service install" in explain(SandboxError("not here"))


def test_errors_on_the_way_to_the_server() -> None:
    assert "no such program" in explain(ServerStartError("no such program"))
    assert "Nothing was changed" in explain(ConnectionLostError("lost"))
    assert "try again" in explain(BusyError("busy"))
    assert explain(ServerNotFoundError("no server runs")) == "No server runs"
