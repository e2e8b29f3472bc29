"""The head of the Ray cluster: reaching it, and noticing that it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket

import ray

from lama_core.client.errors import LamaFillError
from lama_core.client.text import one_line

OBJECT_STORE_BYTES = 512 << 20
"""Memory for windows and models on the way, of a cluster that is this machine alone."""

_DIAL_SECONDS = 5.0
GONE_SECONDS = 10.0
"""Time for which a head does not answer after which it counts as gone. Ray itself takes a minute, and then
ends the process."""
_POLL_SECONDS = 1.0


class HeadError(LamaFillError):
    """There is no cluster at the address."""


def connect(address: str) -> str:
    """Become a driver of the cluster.

    Args:
        address: HOST:PORT, "auto", "local", or "" for what RAY_ADDRESS says, else "local".

    Returns:
        HOST:PORT of its head.

    Raises:
        HeadError: it cannot be reached, or this machine is not part of it.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    is_here = address == "local"
    if not is_here and address != "auto":
        dial(address)
    # Ray counts what libraries of its own are used; a cluster of this machine needs no such thing.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # As later versions of Ray do by themselves.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        ray.init(
            address=address,
            namespace="lama-fill",
            log_to_driver=False,
            logging_level=logging.WARNING,
            configure_logging=False,
            **({"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES} if is_here else {}),
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise HeadError(
            f"the Ray cluster at {address} cannot be used: {one_line(str(error), 300)}; is this machine a "
            "node of it (ray start --address=HEAD:6379 --num-cpus=0)?"
        ) from error
    found: str = ray.get_runtime_context().gcs_address
    return found


async def watch_head(address: str) -> str:
    """Return, with the words for it, when the head does not answer any more."""
    loop = asyncio.get_running_loop()
    answered = loop.time()
    while loop.time() - answered < GONE_SECONDS:
        await asyncio.sleep(_POLL_SECONDS)
        with contextlib.suppress(HeadError):
            await asyncio.to_thread(dial, address)
            answered = loop.time()
    return f"the head of the Ray cluster at {address} is gone"


def dial(address: str) -> None:
    """Raises HeadError where nothing listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _DIAL_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise HeadError(
            f"no Ray cluster answers at {address} ({getattr(error, 'strerror', None) or error}): start its "
            "head (ray start --head), or give the right --address"
        ) from error
