"""How a job or a worker fails, in the server and in the worker process, which imports no asyncio for it."""

from __future__ import annotations

from lama_core.client.errors import LamaFillError
from lama_core.client.protocol.errors import ErrorCode


class WorkerLostError(LamaFillError):
    """The worker process, or its device, is gone."""


class WorkerStartError(LamaFillError):
    """A worker could not be started, or could not load its model; the message says why."""


class EngineUnreachableError(WorkerStartError):
    """The engine's machines cannot be reached, which says nothing about the model."""


class JobError(LamaFillError):
    """A job failed and its worker is fine. `code` is the protocol's error code."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message


class JobCancelledError(LamaFillError):
    """A job ended because it was cancelled."""
