"""Log files: bounded in number and size, one message a line, whatever a client sends."""

from __future__ import annotations

import logging
import logging.handlers
import os
from pathlib import Path
from typing import IO, Any

from lama_core.client.errors import LamaFillError
from lama_core.client.files import is_full
from lama_core.client.text import one_line
from lama_server.console import ConsoleHandler

LOG_NAME = "server.log"
LINE_LIMIT = 2000
"""Characters of one logged message; the rest is left out."""


class LogError(LamaFillError):
    """The log cannot be kept."""


class _LogFile(logging.handlers.RotatingFileHandler):
    """A log file that is a file: a link in its place is not followed to where it leads."""

    def _open(self) -> IO[Any]:  # type: ignore[override] # typeshed names a wrapper of text
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self.baseFilename, flags, 0o600)
        return open(descriptor, "a", encoding=self.encoding, errors=self.errors)


class LineFormatter(logging.Formatter):
    """One line a message; the lines of a traceback are indented, so that none can pass for a message."""

    def __init__(self) -> None:
        super().__init__("{asctime}.{msecs:03.0f} {levelname} {name}: {message}", "%Y-%m-%dT%H:%M:%S", "{")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        record.message = one_line(record.message, LINE_LIMIT)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802 (logging's name)
        text = super().formatException(ei)  # type: ignore[arg-type]
        return "\n".join(f"    {one_line(line, LINE_LIMIT)}" for line in text.splitlines())


def set_up_logs(folder: Path, *, level: str, size: int, kept: int, console: bool) -> None:
    """Log into `folder`, which exists; and to standard error too when `console`.

    `size`: bytes of a file, `kept`: how many older ones are kept beside it. Raises LogError.
    """
    handlers: list[logging.Handler] = [_log_file(folder / LOG_NAME, size, kept)]
    if console:
        handlers.append(ConsoleHandler())
    for handler in handlers:
        handler.setFormatter(LineFormatter())
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)
    # Else each message that a full disk does not take is a traceback on standard error. That may be a pipe
    # which nobody reads: when it is full, the server stands still.
    logging.raiseExceptions = False
    # A refused or broken connection is an everyday thing; the server itself logs what matters about it.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def set_up_audit(logger: logging.Logger, path: Path, *, size: int, kept: int) -> None:
    """Have a logger write its messages, as they are, into a file of its own and nowhere else.

    `size`: bytes of a file, `kept`: how many older ones are kept beside it. Raises LogError.
    """
    logger.handlers = [_log_file(path, size, kept)]
    logger.propagate = False
    logger.setLevel(logging.INFO)


def _log_file(path: Path, size: int, kept: int) -> _LogFile:
    try:
        return _LogFile(path, maxBytes=size, backupCount=kept, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        remedy = "make room on that disk, then try again" if is_full(error) else "remove what is there"
        raise LogError(f"{path}: cannot be written ({error.strerror or error}); {remedy}") from error
