"""The closed set of error codes, and the exception that carries one.

Every way in which a message or a job can go wrong has exactly one of these codes. The set is part of the
protocol's version: a new code is a new version.
"""

from __future__ import annotations

from typing import Final, Literal

from lama_core.client.errors import LamaFillError

ErrorCode = Literal[
    "bad_message",
    "unsupported_version",
    "bad_request",
    "unknown_model",
    "too_large",
    "busy",
    "out_of_memory",
    "device_lost",
    "model_failed",
    "timeout",
    "shutting_down",
    "internal",
]

ERROR_CODES: Final[dict[ErrorCode, bool]] = {
    # Not a message of this protocol, or one that may not be said now. Ends the connection.
    "bad_message": False,
    # `hello` asks for a protocol version that the server does not speak. Ends the connection.
    "unsupported_version": False,
    # A fill whose fields are wrong or do not agree with each other.
    "bad_request": False,
    # A fill that names a model which is not installed.
    "unknown_model": False,
    # A fill larger than `welcome.limits` allows.
    "too_large": False,
    # The queue is full, or this connection has too many unfinished jobs.
    "busy": True,
    # No device, the CPU included, had the memory for this job.
    "out_of_memory": False,
    # The worker died or its device went away in the middle of the job; the next one gets a new worker.
    "device_lost": True,
    # The model could not be loaded, or what it returned cannot be used.
    "model_failed": False,
    # The job made no progress for too long and was given up.
    "timeout": True,
    # The server is ending. Without a job: the connection ends too.
    "shutting_down": True,
    # A fault of the server; its log says more.
    "internal": False,
}
"""Every code, and whether the same request may succeed when it is sent again."""

FATAL_CODES: Final[frozenset[ErrorCode]] = frozenset({"bad_message", "unsupported_version"})
"""Codes after which the connection is closed (close code 1002)."""


class ProtocolError(LamaFillError):
    """What the other side sent breaks the protocol.

    `code` is the error code to answer with, and `job` the job that it is about, if it is about one. The
    connection ends when `fatal` is true, which is so exactly when `code` is one of `FATAL_CODES`.
    """

    def __init__(self, code: ErrorCode, message: str, *, job: int | None = None) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.job = job

    @property
    def fatal(self) -> bool:
        return self.code in FATAL_CODES
