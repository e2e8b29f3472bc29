"""What is sent to one client: in order, and only as long as the client reads."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from lama_core.client.protocol.packing import fragments
from lama_server.tasks import cancel_and_wait
from lama_server.timeout import SuspendAwareTimer

_LARGE = 1 << 16


class UnreadError(Exception):
    """The client has read nothing of what it was sent for too long."""


class Socket(Protocol):
    """A websocket, as far as sending needs it."""

    @property
    def transport(self) -> asyncio.WriteTransport:
        """The connection below it."""

    async def send(self, message: bytes | Iterable[bytes]) -> None:
        """Send one message, in one frame or in fragments."""

    def abort(self) -> None:
        """Drop the connection at once."""


class SendQueue:
    """Frames that wait to be sent, and jobs whose progress waits to be told.

    Progress is not queued but asked for when its turn comes: a slow client gets the newest, and nothing piles
    up.
    """

    def __init__(
        self,
        socket: Socket,
        *,
        timeout: float,
        progress: Callable[[int], bytes | None],
        fragment: int = 0,
    ) -> None:
        """Begin with nothing to send.

        Args:
            socket: where to.
            timeout: seconds in which a client must have read something.
            progress: gives a job's frame.
            fragment: bytes after which a message is cut, so that pings and their answers get in between
                where the way is slow; 0: never.
        """
        self._fragment = fragment
        self._socket = socket
        self._timeout = timeout
        self._progress = progress
        self._frames: deque[bytes] = deque()
        self._progressed_jobs: dict[int, None] = {}
        self._something = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def pending_large(self) -> int:
        """Large frames that wait, the one that is being sent included."""
        return sum(len(frame) >= _LARGE for frame in self._frames)

    def put(self, frame: bytes) -> None:
        """Send a frame when its turn comes."""
        self._frames.append(frame)
        self._idle.clear()
        self._something.set()

    def mark_progress(self, job: int) -> None:
        """Send the job's progress when there is nothing else to send."""
        self._progressed_jobs[job] = None
        self._something.set()

    async def empty(self) -> None:
        """Wait until every frame is sent."""
        await self._idle.wait()

    async def run(self) -> None:
        """Send until the connection is closed.

        Raises:
            UnreadError: when the client does not read.
            websockets.ConnectionClosed: when it is gone.
        """
        while True:
            await self._something.wait()
            self._something.clear()
            while self._frames or self._progressed_jobs:
                if self._frames:
                    await self._send(self._frames[0])
                    self._frames.popleft()
                    continue
                job = next(iter(self._progressed_jobs))
                del self._progressed_jobs[job]
                frame = self._progress(job)
                if frame is not None:
                    await self._send(frame)
            self._idle.set()

    async def _send(self, frame: bytes) -> None:
        whole = not self._fragment or len(frame) <= self._fragment
        message = frame if whole else fragments(frame, self._fragment)
        sending = asyncio.create_task(self._socket.send(message), name="send frame")
        transport = self._socket.transport
        timer = SuspendAwareTimer(self._timeout / 10)
        left = -1
        try:
            while True:
                await asyncio.wait({sending}, timeout=timer.tick)
                if sending.done():
                    sending.result()
                    return
                now = transport.get_write_buffer_size()
                if now != left:
                    left = now
                    timer.reset()
                elif timer.elapsed() >= self._timeout:
                    raise UnreadError
        finally:
            if not sending.done():
                self._socket.abort()
            await cancel_and_wait(sending)
