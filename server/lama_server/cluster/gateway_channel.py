"""The server's side of the gateway: one process, and in it a channel to each worker of the cluster."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

from lama_core.client.errors import LamaFillError
from lama_core.client.text import one_line
from lama_server.errors import WorkerStartError
from lama_server.ipc import Message
from lama_server.process_channel import ProcessChannel
from lama_server.shared_memory import SharedBuffer

_numbers = itertools.count(1)


class GatewayError(LamaFillError):
    """The gateway has no cluster; the message says why, and what to do."""


class GatewayProcess:
    """The process that is in the cluster. Its messages name, in `worker`, the worker that they are about."""

    def __init__(self, channel: ProcessChannel) -> None:
        """`channel`: to the process, not yet started."""
        self._channel = channel
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._workers: dict[int, SlotChannel] = {}
        self._ended = False

    @property
    def is_open(self) -> bool:
        """Whether it is in the cluster."""
        return self._opened.done() and not self._ended

    async def start(self) -> None:
        """Start the process, and return when it is in the cluster.

        Raises:
            GatewayError: it cannot be.
        """
        try:
            await self._channel.start(self._take, self._end_all)
        except WorkerStartError as error:
            raise GatewayError(str(error)) from error
        await self._opened

    def add(self, number: int, worker: SlotChannel) -> None:
        """Pass messages about a worker on to it from now on."""
        self._workers[number] = worker

    def remove(self, number: int) -> None:
        """End a worker, wherever it is."""
        if self._workers.pop(number, None) is not None:
            self._channel.send({"type": "end", "worker": number})

    def send(self, message: Message) -> None:
        """Send a message about a worker."""
        self._channel.send(message)

    async def end(self) -> None:
        """End the process, and with it its workers."""
        self._end_all("the gateway was ended")
        await self._channel.end()

    def _take(self, message: Message) -> None:
        kind = message["type"]
        if kind == "connected":
            self._opened.set_result(None)
        elif kind == "unreachable":
            self._opened.set_exception(GatewayError(one_line(message["message"])))
        else:
            worker = self._workers.get(message.pop("worker"))
            if worker is not None:
                worker.take(message)

    def _end_all(self, reason: str) -> None:
        if self._ended:
            return
        self._ended = True
        if not self._opened.done():
            self._opened.set_exception(GatewayError(f"the Ray cluster cannot be reached: {reason}"))
            # Nobody may be waiting any more.
            self._opened.exception()
        for worker in tuple(self._workers.values()):
            worker.lose(reason)


class SlotChannel:
    """A `lama_server.worker_proxy.Channel` to a worker of the cluster, by way of the gateway."""

    pid = 0
    ended_for_memory = False

    def __init__(self, gateway: Callable[[], Awaitable[GatewayProcess]], *, memory: SharedBuffer) -> None:
        """Prepare, without starting anything.

        Args:
            gateway: the gateway, once it is open; raises WorkerStartError.
            memory: that the gateway shares; one worker after the other uses it.
        """
        self.memory = memory
        self._open = gateway
        self._number = next(_numbers)
        self._gateway: GatewayProcess | None = None
        self._take: Callable[[Message], None] = lambda message: None
        self._on_end: Callable[[str], None] = lambda reason: None
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def start(self, take: Callable[[Message], None], ended: Callable[[str], None]) -> None:
        self._take, self._on_end = take, ended
        self._gateway = await self._open()
        self._gateway.add(self._number, self)

    def send(self, message: Message) -> None:
        if self._gateway is not None:
            self._gateway.send({**message, "worker": self._number})

    async def lost(self) -> str:
        return await asyncio.shield(self._lost)

    async def end(self) -> None:
        if self._gateway is not None:
            self._gateway.remove(self._number)

    def take(self, message: Message) -> None:
        """A message of the worker's, or about its end."""
        if message["type"] == "lost":
            self.lose(one_line(message["message"]))
        else:
            self._take(message)

    def lose(self, reason: str) -> None:
        """The worker is gone."""
        if not self._lost.done():
            self._lost.set_result(reason)
        self._on_end(reason)
