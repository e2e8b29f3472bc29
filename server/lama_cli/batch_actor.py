"""What fills pictures of a batch on a node of a Ray cluster."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lama_cli.batch import BatchError, Task, load_task, reason_of, write_filled
from lama_cli.filling import FillReport, InProcessFiller
from lama_cli.remote_files import is_remote
from lama_core.client.errors import LamaFillError
from lama_core.client.options import FillOptions
from lama_server import __version__
from lama_server.cluster.node_models import ModelCopy, model_on_node

AT_ONCE = 3
"""Pictures that a worker has: one is filled, one is read and one is written meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillSettings:
    """How a batch fills, in values that any node understands.

    Attributes:
        model: what to call the model.
        options: fields of `FillOptions`.
        precision: see `lama_core.inference.compile_generator`.
        max_pixels: larger pictures are refused.
        transfer_of_files: see `lama_cli.batch.run_batch`.
    """

    model: str
    options: Mapping[str, Any]
    precision: str
    max_pixels: int
    transfer_of_files: bool


class BatchActor:
    """Ray calls `fill` in as many threads as there are pictures; one thread of its own fills them in turn."""

    def __init__(
        self, *, settings: Mapping[str, Any], device: str, threads: int, copy: ModelCopy, version: str
    ) -> None:
        """Prepare.

        Args:
            settings: the fields of `FillSettings`.
            device: "cpu", "cuda" or another kind.
            threads: of a CPU, 0 for torch's own choice.
            copy: the model.
            version: of LaMa Fill where the batch was started.
        """
        self._settings = FillSettings(**settings)
        self._options = FillOptions(**self._settings.options)
        self._device = device
        self._threads = threads
        self._copy = copy
        self._version = version
        self._filler: InProcessFiller | None = None
        self._hand = ThreadPoolExecutor(1, "fill")
        self._written: dict[object, Path] = {}

    def start(self) -> tuple[str, str]:
        """Have the model on this node. Returns the node's name, and what stands in the way, or nothing."""
        node = socket.gethostname()
        try:
            if self._version != __version__:
                raise BatchError(
                    f"{node} has LaMa Fill {__version__}, not {self._version}: install the same there"
                )
            import torch

            if self._threads:
                torch.set_num_threads(self._threads)
            path, _ = model_on_node(self._settings.model, self._copy)
            self._filler = InProcessFiller(
                model=self._settings.model,
                weights=path,
                device=self._device,
                precision=self._settings.precision,
            )
        except LamaFillError as error:
            return node, str(error)
        return node, ""

    def fill(self, task: Task) -> tuple[FillReport | None, str, str]:
        """Read, fill and write one picture.

        Returns:
            How the fill went; why there is none, or nothing; a line about what is not kept, or nothing.
        """
        try:
            for path in (task.picture, task.mask, task.source):
                if path is not None and not is_remote(path) and not path.exists():
                    raise BatchError(
                        f"the node {socket.gethostname()} does not see {path}: use a folder that all nodes "
                        "share, or an address such as s3://BUCKET/FOLDER"
                    )
            loaded = load_task(
                task,
                self._options,
                max_pixels=self._settings.max_pixels,
                transfer_of_file=self._settings.transfer_of_files,
            )
            assert self._filler is not None
            assert loaded.plan is not None
            report = self._hand.submit(self._filler, loaded.plan, _silent).result()
            return report, "", write_filled(loaded, self._written)
        except Exception as error:  # noqa: BLE001 - it is that picture's line
            return None, str(reason_of(error, task)), ""


def _silent(stage: str, fraction: float) -> None:
    pass
