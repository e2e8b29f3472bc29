"""Passes messages between pages and the commands that opened them: `lama-fill web` has the picture files.

A command connects as every client does, with the proof of the server's token. It names the one-time tokens
of the pages that are its own. A page connects with a ticket, and is told whether its command is there.
Between the two the server passes messages on and looks at none: it opens no file and no picture.

On a command's connection each message begins with the number of the page that it is from or to, four bytes,
the most significant first. Number 0 is the server itself, and what follows is one msgpack map.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Protocol

import msgpack
from websockets.exceptions import ConnectionClosed

from lama_core.client.protocol import auth
from lama_server.web.sessions import Sessions

_VIOLATION: Final = 1002
_HEAD: Final = 4
MAX_CONTROL: Final = 4096
"""Bytes of a message to the server itself."""


class Socket(Protocol):
    """A websocket, as far as the desk needs it. `session`: the key of a page's; "" for a command."""

    session: str

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """The messages that come in, until it is closed."""

    async def send(self, message: bytes) -> None:
        """Send one message."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End it."""


class _ViolationError(Exception):
    """A command said what it may not say."""


@dataclass(eq=False, kw_only=True)
class _Command:
    """A connected command. `tokens`: of its pages; `sessions`: their keys."""

    socket: Socket
    tokens: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)


class Desk:
    """Brings pages and commands together."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._commands: list[_Command] = []
        self._pages: dict[int, Socket] = {}
        self._numbers = count(1)

    async def run(self, socket: Socket) -> None:
        """Serve a connection from its opening to its end."""
        with contextlib.suppress(ConnectionClosed):
            if socket.session:
                await self._run_page(socket)
            else:
                await self._run_command(socket)

    async def _run_page(self, socket: Socket) -> None:
        number = next(self._numbers)
        self._pages[number] = socket
        try:
            command = self._command_of(socket.session)
            if command is None:
                await socket.send(_map({"type": "away"}))
            else:
                await _tell(command, {"type": "joined", "page": number})
            async for message in socket:
                command = self._command_of(socket.session)
                if isinstance(message, str) or command is None:
                    continue
                with contextlib.suppress(ConnectionClosed):
                    await command.socket.send(number.to_bytes(_HEAD, "big") + message)
        finally:
            del self._pages[number]
            command = self._command_of(socket.session)
            if command is not None:
                with contextlib.suppress(ConnectionClosed):
                    await _tell(command, {"type": "left", "page": number})

    async def _run_command(self, socket: Socket) -> None:
        command = _Command(socket=socket)
        self._commands.append(command)
        try:
            async for message in socket:
                if isinstance(message, str) or len(message) < _HEAD:
                    raise _ViolationError
                number = int.from_bytes(message[:_HEAD], "big")
                if number == 0:
                    await self._obey(command, message[_HEAD:])
                elif (page := self._pages.get(number)) is not None and page.session in command.sessions:
                    with contextlib.suppress(ConnectionClosed):
                        await page.send(message[_HEAD:])
        except _ViolationError:
            await socket.close(_VIOLATION, "not a message of the desk")
        finally:
            self._commands.remove(command)
            for token in command.tokens:
                self._sessions.withdraw(token)
            await self._tell_pages(command, {"type": "away"})

    async def _obey(self, command: _Command, message: bytes) -> None:
        token, used = _parse_offer(message)
        command.tokens.add(token)
        command.sessions.add(auth.session_key(token))
        if not used:
            self._sessions.offer(token)
        else:
            self._sessions.resume(token)
            for number, page in self._pages.items():
                if page.session == auth.session_key(token):
                    await _tell(command, {"type": "joined", "page": number})
        await _tell(command, {"type": "offered"})

    async def _tell_pages(self, command: _Command, fields: dict[str, Any]) -> None:
        pages = [page for page in self._pages.values() if page.session in command.sessions]
        await asyncio.gather(*(page.send(_map(fields)) for page in pages), return_exceptions=True)

    def _command_of(self, session: str) -> _Command | None:
        """The newest command whose page this is."""
        return next((each for each in reversed(self._commands) if session in each.sessions), None)


def _parse_offer(message: bytes) -> tuple[str, bool]:
    """The token that a command names, and whether its page has used it already."""
    try:
        if len(message) > MAX_CONTROL:
            raise _ViolationError
        fields = msgpack.unpackb(message)
        token, used = fields["token"], fields["used"]
    except (ValueError, KeyError, TypeError, msgpack.UnpackException):
        raise _ViolationError from None
    if fields.get("type") != "page" or type(token) is not str or type(used) is not bool:
        raise _ViolationError
    if not auth.is_token(token):
        raise _ViolationError
    return token, used


async def _tell(command: _Command, fields: dict[str, Any]) -> None:
    await command.socket.send(bytes(_HEAD) + _map(fields))


def _map(fields: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(fields)
    return packed
