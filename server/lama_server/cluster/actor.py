"""What runs on a node of the cluster: an engine in an actor, and the node's copy of the model.

Ray calls each method in a thread of its concurrency group: fills one after another in one, and what has to
be heard meanwhile in others.
"""

from __future__ import annotations

import importlib
import os
import pickle
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lama_core.client.errors import LamaFillError
from lama_core.client.protocol.codec import to_fields
from lama_core.client.protocol.limits import MAX_COUNT, Limits
from lama_core.client.protocol.messages import Error, Preview
from lama_core.client.text import one_line
from lama_server import __version__
from lama_server.cluster.node_models import ModelCopy, model_on_node
from lama_server.errors import WorkerLostError
from lama_server.ipc import Message
from lama_server.planes import read_planes
from lama_server.threads import prepare_threads
from lama_server.worker.process import Engine, EngineSettings, failure_of

CONCURRENCY_GROUPS = {"control": 2, "life": 1}
"""Threads beside the one that fills: for cancels and progress, and for the call that ends with the actor."""

_LIMITS = Limits(max_frame_bytes=MAX_COUNT)
"""The server has checked a fill's size already."""

FindModel = Callable[[str], Path]
"""From a model's name to its file on this node."""

Answer = tuple[Message, Any, Any]
"""The fields of a message, and the pixels and blend of a result as buffers."""


class FillActor:
    """Fills on one node. `load` comes before the first fill, and again where another model is wanted."""

    def __init__(self, *, factory: str, settings: Mapping[str, Any], version: str) -> None:
        """Prepare, without importing torch.

        Args:
            factory: MODULE:FUNCTION of what makes the engine, from `EngineSettings` and `FindModel`.
            settings: the fields of its `EngineSettings`.
            version: of LaMa Fill in the gateway.
        """
        self._factory = factory
        self._settings = EngineSettings(**settings)
        self._version = version
        self._engine: Engine | None = None
        self._models: dict[str, Path] = {}
        self._cancelled = 0
        self._changed = threading.Condition()
        self._signs = 0
        self._where = ("", 0.0)
        self._preview: Message = {}

    def load(self, model: str, copy: ModelCopy) -> Message:
        """Have a model on this node, and the engine ready with it. Returns what the server is told."""
        try:
            if self._version != __version__:
                raise LamaFillError(
                    f"the node {socket.gethostname()} has LaMa Fill {__version__} and the server "
                    f"{self._version}: install the same on both"
                )
            self._models[model], fetched = model_on_node(model, copy)
            if self._engine is None:
                self._engine = self._make_engine()
            self._engine.load(model)
        except LamaFillError as error:
            return to_fields(Error.of("model_failed", str(error)))
        except Exception as error:  # noqa: BLE001 - whatever a library raises is the server's to say
            return to_fields(Error.of("model_failed", one_line(f"{type(error).__name__}: {error}")))
        device = asdict(self._engine.device)
        device["name"] = f"{device['name']} of {socket.gethostname()}"
        return {
            "type": "ready",
            "device": device,
            "memory_in_use": self._engine.memory_bytes,
            "node": socket.gethostname(),
            "fetched": fetched,
            "pid": os.getpid(),
        }

    def fill(self, fields: Message, window: tuple[Any]) -> Answer:
        """Fill one window.

        Args:
            fields: of the fill without its planes.
            window: a buffer with these, one after the other.
        """
        assert self._engine is not None
        job = fields["job"]
        buffer = memoryview(window[0]).cast("B")
        fill = read_planes(fields, buffer)
        try:
            result = self._engine.fill(fill, self._progress, lambda: self._cancelled == job, self._previewed)
        except WorkerLostError:
            os._exit(1)
        except Exception as error:  # noqa: BLE001 - a fill's fault must not end the actor
            return to_fields(failure_of(error, job)), b"", b""
        done = to_fields(replace(result, pixels=b"", blend=b""))
        pixels, blend = (pickle.PickleBuffer(data) for data in (result.pixels, result.blend))
        return {**done, "memory_in_use": self._engine.memory_bytes}, pixels, blend

    def cancel(self, job: int) -> None:
        """Have a job end soon."""
        self._cancelled = job

    def watch(self, job: int, signs: int, seconds: float) -> tuple[int, str, float, Message]:
        """Wait until the fill has given more signs of life than `signs`, or the time is over.

        Returns:
            The signs that it has given, its stage and its fraction; its preview, the first time that there is
            one, else nothing.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._signs != signs, seconds)
            preview: Message = {}
            if self._preview.get("job") == job:
                preview, self._preview = self._preview, {}
            return (self._signs, *self._where, preview)

    def live(self) -> None:
        """Return never: whoever waits for this is told of the actor's end."""
        while True:
            time.sleep(3600)

    def _progress(self, stage: str, fraction: float) -> None:
        with self._changed:
            self._signs += 1
            self._where = (stage, fraction)
            self._changed.notify_all()

    def _previewed(self, preview: Preview) -> None:
        with self._changed:
            self._signs += 1
            self._preview = to_fields(preview)
            self._changed.notify_all()

    def _make_engine(self) -> Engine:
        module, _, name = self._factory.partition(":")
        factory: Callable[[EngineSettings, FindModel], Engine] = getattr(
            importlib.import_module(module), name
        )
        return factory(self._settings, self._models.__getitem__)


def make_engine(settings: EngineSettings, find: FindModel) -> Engine:
    """The engine that fills, with the node's copies of models."""
    prepare_threads()
    from lama_server.worker.engine import FillEngine

    return FillEngine(
        settings.device, settings.threads, precision=settings.precision, memory=settings.memory, find=find
    )
