"""Log files: bounded in number and size, one message a line, whatever a client sends."""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path

from lama_core.client.errors import LamaFillError
from lama_core.client.text import one_line
from lama_server.console import ConsoleHandler

LOG_NAME = "server.log"
LINE_LIMIT = 2000
"""Characters of one logged message; the rest is left out."""


class LogError(LamaFillError):
    """The log cannot be kept."""


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
    path = folder / LOG_NAME
    try:
        file = logging.handlers.RotatingFileHandler(
            path, maxBytes=size, backupCount=kept, encoding="utf-8", errors="backslashreplace"
        )
    except OSError as error:
        raise LogError(f"{path}: cannot be written ({error.strerror or error})") from error
    handlers: list[logging.Handler] = [file]
    if console:
        handlers.append(ConsoleHandler())
    for handler in handlers:
        handler.setFormatter(LineFormatter())
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)
    # A refused or broken connection is an everyday thing; the server itself logs what matters about it.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
