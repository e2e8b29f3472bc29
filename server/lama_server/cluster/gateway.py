"""`python -m lama_server.cluster.gateway`: the process in the cluster. Started by the server, never by hand.

It is Ray's driver. What the server sends to a worker it passes on to an actor, pixels by Ray's object store.
It ends with the server, and its actors end with it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import pickle
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import ObjectStoreFullError, RayActorError, RayError

from lama_core.client.files import hash_file
from lama_core.client.protocol.codec import to_fields
from lama_core.client.protocol.messages import Error, Progress
from lama_core.client.text import one_line
from lama_core.model.installed.registry import UnknownModelError, find_model
from lama_server import __version__
from lama_server.cluster.actor import CONCURRENCY_GROUPS, FillActor
from lama_server.cluster.head import (
    HeadError,
    complete_address,
    connect,
    lack_of_room,
    names_a_head,
    watch_head,
)
from lama_server.cluster.node_models import ModelCopy
from lama_server.ipc import HEADER_BYTES, Message, body_length, pack_message, unpack_message
from lama_server.planes import buffer_size
from lama_server.shared_memory import NO_MEMORY, open_shared_buffer
from lama_server.worker.process import die_with, take_standard_streams

log = logging.getLogger("lama_server.cluster.gateway")

DEFAULT_FACTORY = "lama_server.cluster.actor:make_engine"

_WATCH_AFTER = 0.1
"""Seconds after which a fill's progress is asked for; a shorter one costs no call more."""
_WATCH_SECONDS = 1.0
_WATCH_PREVIEW_AFTER = 0.02
"""The same until there is the preview that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorOptions:
    """How actors are made: the resources that each takes, and what its engine is."""

    gpus: float
    cpus: float
    factory: str
    engine: dict[str, Any]


class Gateway:
    """Passes messages on, in one event loop; a thread reads those of the server."""

    def __init__(self, options: ActorOptions, sink: int) -> None:
        """Prepare to serve.

        Args:
            options: for the actors.
            sink: the descriptor to which answers are written.
        """
        self._options = options
        self._sink = sink
        self._workers: dict[int, _RemoteWorker] = {}
        self._models = _Models()

    def take(self, message: Message) -> None:
        """A message of the server's."""
        number = message.pop("worker")
        kind = message["type"]
        if kind == "load":
            worker = _RemoteWorker(self._options, self._models, partial(self._answer, number))
            self._workers[number] = worker
            worker.load(message["model"])
        elif kind == "end":
            ended = self._workers.pop(number, None)
            if ended is not None:
                ended.end()
        elif number in self._workers:
            self._workers[number].take(message)

    def say(self, message: Message) -> None:
        """Send a message to the server."""
        data = memoryview(pack_message(message))
        while data:
            data = data[os.write(self._sink, data) :]

    def _answer(self, number: int, message: Message) -> None:
        self.say({**message, "worker": number})


class _Models:
    """The models of this machine, each in the object store from the first worker that has to fetch it on."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, float], tuple[str, Any]] = {}

    def copy_of(self, name: str) -> tuple[str, Any]:
        """A model's hash, and the reference of its bytes. Raises UnknownModelError, OSError."""
        path = find_model(name).path
        key = (path, path.stat().st_mtime)
        if key not in self._known:
            self._known[key] = (hash_file(path), ray.put(path.read_bytes()))
        return self._known[key]


class _RemoteWorker:
    """An actor, and the tasks that wait for it."""

    def __init__(self, options: ActorOptions, models: _Models, answer: Any) -> None:
        self._options = options
        self._models = models
        self._answer = answer
        self._actor: Any = None
        self._model = ""
        self._tasks: set[asyncio.Task[None]] = set()

    def load(self, model: str) -> None:
        """Make the actor, and have it load a model."""
        options = self._options
        # Spread over the nodes, so that the loss of one costs few workers.
        remote: Any = ray.remote(concurrency_groups=CONCURRENCY_GROUPS)(FillActor)
        self._actor = remote.options(
            num_cpus=options.cpus, num_gpus=options.gpus, max_restarts=0, scheduling_strategy="SPREAD"
        ).remote(factory=options.factory, settings=options.engine, version=__version__)
        self._do(self._load(model))
        self._do(self._live())

    def take(self, message: Message) -> None:
        """A fill, or its cancel."""
        if message["type"] == "cancel":
            self._actor.cancel.options(concurrency_group="control").remote(message["job"])
        else:
            self._do(self._fill(message))

    def end(self) -> None:
        """End the actor at once."""
        for task in self._tasks:
            task.cancel()
        if self._actor is not None:
            with contextlib.suppress(RayError, ValueError):
                ray.kill(self._actor)

    def _do(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._caught(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _caught(self, work: Any) -> None:
        try:
            await work
        except ObjectStoreFullError as error:
            log.error("the object store is full: %s", error)
            self._answer({"type": "lost", "message": "the object store of this machine is full"})
        except RayError as error:
            self._answer({"type": "lost", "message": _cause(error)})
        except Exception:
            log.exception("the gateway failed")
            self._answer({"type": "lost", "message": "the gateway failed; the server's log says more"})

    async def _load(self, model: str) -> None:
        loaded = await self._have(model)
        self._answer(loaded)

    async def _have(self, model: str) -> Message:
        """Have the actor load a model of this machine. Returns its answer."""
        try:
            sha256, reference = await asyncio.to_thread(self._models.copy_of, model)
        except (UnknownModelError, OSError) as error:
            return to_fields(Error.of("model_failed", str(error)))
        loaded: Message = await self._actor.load.remote(
            model, ModelCopy(sha256=sha256, fetch=partial(_fetch, [reference]))
        )
        if loaded["type"] == "ready":
            self._model = model
            how = "has fetched" if loaded.pop("fetched") else "has"
            log.info("the node %s %s the model %s", loaded.pop("node"), how, model)
        return loaded

    async def _live(self) -> None:
        await self._actor.live.options(concurrency_group="life").remote()

    async def _fill(self, message: Message) -> None:
        job, model = message["job"], message["options"]["model"]
        if model != self._model:
            loaded = await self._have(model)
            if loaded["type"] == "error":
                self._answer({**loaded, "job": job})
                return
        try:
            shared = open_shared_buffer(message.pop("shared"), buffer_size(message))
        except OSError:
            self._answer(to_fields(Error.of("out_of_memory", NO_MEMORY, job=job)))
            return
        # The arguments are in the object store when the call returns, and go from there when it has ended.
        filling = asyncio.ensure_future(
            _wait_for(self._actor.fill.remote(message, (pickle.PickleBuffer(shared),)))
        )
        try:
            await self._watch(filling, job, has_preview=not message.get("preview", False))
            answer, pixels, blend = await filling
        finally:
            filling.cancel()
        if answer["type"] == "result":
            pixels, blend = memoryview(pixels).cast("B"), memoryview(blend).cast("B")
            shared[: len(pixels)] = pixels
            shared[len(pixels) : len(pixels) + len(blend)] = blend
            answer |= {"pixels_size": len(pixels), "blend_size": len(blend)}
        self._answer(answer)

    async def _watch(self, filling: asyncio.Future[Any], job: int, *, has_preview: bool) -> None:
        """Tell of a fill's progress and its preview until it has ended.

        `has_preview`: none is to come.
        """
        await asyncio.wait({filling}, timeout=_WATCH_AFTER if has_preview else _WATCH_PREVIEW_AFTER)
        signs = 0
        while not filling.done():
            asked = self._actor.watch.options(concurrency_group="control").remote(job, signs, _WATCH_SECONDS)
            watching = asyncio.ensure_future(_wait_for(asked))
            await asyncio.wait({filling, watching}, return_when=asyncio.FIRST_COMPLETED)
            if filling.done():
                watching.cancel()
                return
            seen, stage, fraction, preview = await watching
            if preview:
                has_preview = True
                self._answer(preview)
            if seen != signs and stage:
                signs = seen
                self._answer(to_fields(Progress(job=job, stage=stage, fraction=fraction)))
            await asyncio.wait({filling}, timeout=_WATCH_AFTER if has_preview else _WATCH_PREVIEW_AFTER)


def _fetch(references: list[Any]) -> bytes:
    """The bytes of a model, on a node. In a list, so that Ray does not send them with every call."""
    data: bytes = ray.get(references[0])
    return data


async def _wait_for(reference: Any) -> Any:
    return await reference


def _cause(error: RayError) -> str:
    """Ray's reason in one line; its own messages have many."""
    kind = "the worker" if isinstance(error, RayActorError) else type(error).__name__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return one_line(f"{kind}: {'; '.join(lines)}", 400)


async def _serve(args: argparse.Namespace, source: int, sink: int) -> int:
    loop = asyncio.get_running_loop()
    address = complete_address(args.address)
    connected = threading.Event()
    if names_a_head(address):
        _watch(address, connected, sink)
    try:
        head = await asyncio.to_thread(connect, address)
    except HeadError as error:
        _say_unreachable(str(error), sink)
        return 1
    if not names_a_head(address):
        _watch(head, connected, sink)
    gateway = Gateway(_actor_options(args), sink)
    ended = asyncio.Event()
    threading.Thread(target=_listen, args=(source, gateway, loop, ended), name="listen", daemon=True).start()
    connected.set()
    gateway.say({"type": "connected"})
    await ended.wait()
    await asyncio.wait_for(asyncio.to_thread(ray.shutdown), 5)
    return 0


def _watch(head: str, connected: threading.Event, sink: int) -> None:
    threading.Thread(
        target=_end_without, args=(head, connected, sink), name="watch the head", daemon=True
    ).start()


def _end_without(head: str, connected: threading.Event, sink: int) -> None:
    """End this process when the head is gone. In a thread: whatever waits for Ray then waits for minutes."""
    reason = watch_head(head)
    if connected.is_set():
        log.error("%s", reason)
    else:
        _say_unreachable(reason, sink)
    sys.stderr.flush()
    # The interpreter's own end would wait for Ray's, which waits for the head.
    os._exit(1)


def _say_unreachable(reason: str, sink: int) -> None:
    os.write(sink, pack_message({"type": "unreachable", "message": reason}))


def _actor_options(args: argparse.Namespace) -> ActorOptions:
    """One GPU for each worker where the cluster has any and no CPU is asked for, else a number of CPUs."""
    has_gpus = ray.cluster_resources().get("GPU", 0) > 0
    on_cpu = args.device == "cpu" or (args.device == "auto" and not has_gpus)
    lack = lack_of_room(args.cpus) if on_cpu else ""
    if lack:
        log.warning("%s", lack)
    return ActorOptions(
        gpus=0 if on_cpu else 1,
        cpus=args.cpus if on_cpu else 1,
        factory=args.factory,
        engine={
            "device": "cpu" if on_cpu else args.device.partition(":")[0],
            "threads": args.threads or (args.cpus if on_cpu else 0),
            "precision": args.precision,
            "memory": args.memory,
        },
    )


def _listen(source: int, gateway: Gateway, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """Read the server's messages until it is gone."""
    stream = os.fdopen(source, "rb")
    while True:
        header = stream.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            break
        body = stream.read(body_length(header))
        loop.call_soon_threadsafe(gateway.take, unpack_message(body))
    loop.call_soon_threadsafe(ended.set)


def main(argv: Sequence[str] | None = None) -> int:
    """Be the gateway until the server ends it or is gone, or the cluster is. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="lama_server.cluster.gateway")
    parser.add_argument("--address", default="")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--factory", default=DEFAULT_FACTORY)
    parser.add_argument("--parent", type=int, required=True)
    args = parser.parse_args(argv)
    die_with(args.parent)
    # Not the root's: Ray sets that as it likes.
    ours = logging.getLogger("lama_server")
    ours.addHandler(logging.StreamHandler(sys.stderr))
    ours.setLevel(logging.INFO)
    ours.propagate = False
    return asyncio.run(_serve(args, *take_standard_streams()))


if __name__ == "__main__":
    sys.exit(main())
