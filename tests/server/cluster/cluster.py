"""A Ray cluster of three nodes on this machine, each with one CPU and folders of its own."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Any

PROJECT = Path(__file__).resolve().parents[3]

_STORE = 80 << 20
"""Bytes of a node's object store; Ray takes no fewer."""


class ThreeNodes:
    """Real processes of Ray: a head and, unless `count` says otherwise, two more nodes. A context manager."""

    def __init__(self, folder: Path, count: int = 3, cpus: int = 1) -> None:
        """Prepare.

        Args:
            folder: in which each node gets its own for models and caches.
            count: of nodes.
            cpus: that each node is told to have.
        """
        self._count = count
        self._cpus = cpus
        self._folder = folder
        self._cluster: Any = None
        self._nodes: list[Any] = []
        self._made = 0

    def __enter__(self) -> ThreeNodes:
        from ray.cluster_utils import Cluster

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        self._cluster = Cluster()
        for _ in range(self._count):
            self.add_a_node()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster.shutdown()

    @property
    def address(self) -> str:
        """HOST:PORT of the head."""
        return str(self._cluster.address)

    @property
    def caches(self) -> list[Path]:
        """The cache folders of the nodes, of those that are gone too."""
        return [self._folder / f"node-{number}" / "lama_fill_cache_dir" for number in range(self._made)]

    def add_a_node(self) -> None:
        """The first one becomes the head."""
        folder = self._folder / f"node-{self._made}"
        self._made += 1
        names = ("LAMA_FILL_CACHE_DIR", "LAMA_FILL_DATA_DIR", "LAMA_FILL_RUNTIME_DIR")
        own = {name: str(folder / name.lower()) for name in names}
        # What the node's processes inherit is the environment of this one.
        before = {name: os.environ.get(name) for name in (*own, "PYTHONPATH")}
        os.environ.update(own, PYTHONPATH=str(PROJECT))
        try:
            node = self._started()
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
        self._nodes.append(node)

    def _started(self) -> Any:
        """A node more. Ray gives one half a minute, which is too short on a machine that is busy."""
        for _ in range(2):
            with contextlib.suppress(Exception):
                return self._add()
        return self._add()

    def _add(self) -> Any:
        return self._cluster.add_node(
            wait=False, num_cpus=self._cpus, include_dashboard=False, object_store_memory=_STORE
        )

    def kill_a_node(self) -> None:
        """End all processes of the last node that is not the head, at once."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def kill_the_head(self) -> None:
        """End all processes of the head, at once."""
        self._cluster.remove_node(self._nodes.pop(0), allow_graceful=False)
