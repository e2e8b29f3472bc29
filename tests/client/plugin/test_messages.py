"""What the artist reads of an error and of a stage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lama_core.client.connection import (
    AccountError,
    AddressError,
    BusyError,
    CertificateChangedError,
    CertificateInvalidError,
    CertificateUnknownError,
    ConnectionLostError,
    FillFailedError,
    SandboxError,
    ServerNotFoundError,
    ServerSilentError,
    ServerStartError,
    ServerUnreachableError,
    SharedServerBusyError,
    ShutdownRefusedError,
    TokenRefusedError,
    VersionError,
)
from lama_core.client.options import OptionError
from lama_core.client.plugin.messages import error_message, stage_message
from lama_core.client.plugin.pieces import AnswerError
from lama_core.client.plugin.texts import Message, use_translation
from lama_core.client.protocol.errors import ERROR_CODES


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    yield
    use_translation(str)


def explain(error: BaseException) -> str:
    return str(error_message(error, editor="GIMP"))


def test_every_error_says_something_to_the_artist() -> None:
    for code, retryable in ERROR_CODES.items():
        said = explain(FillFailedError(code, "the mask selects nothing", retryable=retryable))
        assert said.endswith((".", "mask selects nothing"))
        assert said[0].isupper()


def test_a_sandbox_is_told_the_command_to_run() -> None:
    assert "lama-fill service install" in explain(SandboxError("not here"))
    assert "GIMP cannot start it" in explain(SandboxError("not here"))


def test_errors_on_the_way_to_the_server() -> None:
    assert "no such program" in explain(ServerStartError("no such program"))
    assert "Nothing was changed" in explain(ConnectionLostError("lost"))
    assert explain(ServerNotFoundError("no server runs")) == "No server runs"


@pytest.mark.parametrize("error", [BusyError("busy"), ServerSilentError("silent")])
def test_a_server_that_takes_nothing_is_to_be_stopped(error: Exception) -> None:
    assert "lama-fill stop" in explain(error)
    assert "fill again" in explain(error)


def test_an_error_names_its_text_and_its_values() -> None:
    found = error_message(FillFailedError("bad_request", "the {hole} is odd", retryable=False), editor="GIMP")
    assert found.id == "The server could not fill this: {reason}"
    assert found.values["reason"] == "the {hole} is odd"
    assert str(found) == "The server could not fill this: the {hole} is odd"


def test_other_errors_of_the_project_speak_for_themselves() -> None:
    assert explain(OptionError("grow", -2, "a number")) == "Grow is a number, not -2"
    assert "update it" in explain(AnswerError("odd"))


@pytest.mark.parametrize("error", [StopIteration(), ZeroDivisionError("oops")])
def test_a_bug_has_a_name_even_without_a_message(error: Exception) -> None:
    assert explain(error).startswith("LaMa Fill failed, and nothing was changed: ")
    assert type(error).__name__ in explain(error)
    assert str(error) in explain(error)


def test_stages_are_told_apart() -> None:
    stages = ("starting", "queued", "loading", "preparing", "filling", "blending")
    assert len({str(stage_message(stage)) for stage in stages}) == 6
    assert stage_message("something new") == stage_message("filling")
    assert "2" in str(stage_message("queued", 2))


def test_a_message_is_translated_when_it_is_shown() -> None:
    message = Message("Waiting, {count} before it", {"count": 3})
    use_translation({"Waiting, {count} before it": "{count} davor"}.__getitem__)
    assert str(message) == "3 davor"


def test_what_a_shared_server_can_say_of_itself() -> None:
    """Each kind names the server and what to do, and none shows a token."""
    kinds = {
        AccountError: "paste the whole address",
        CertificateChangedError: "has changed",
        CertificateInvalidError: "is not valid: it has expired",
        CertificateUnknownError: "is not known yet",
        ServerUnreachableError: "cannot be reached",
        SharedServerBusyError: "no more connections",
        ShutdownRefusedError: "only its administrator",
        TokenRefusedError: "does not take your token",
    }
    for kind, words in kinds.items():
        said = explain(kind("in English", server="wss://fill.example:8443", detail="it has expired"))
        assert words in said
        assert "wss://fill.example:8443" in said
    assert "wss://HOST:PORT" in explain(AddressError("no address"))
    assert "update the older one" in explain(VersionError("too old"))
