"""The head of the Ray cluster: reaching it, and noticing that it is gone."""

from __future__ import annotations

import logging
import os
import socket
import time

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


def complete_address(given: str) -> str:
    """The address that is meant: what was given, else what RAY_ADDRESS says, else "local"."""
    return given or os.environ.get("RAY_ADDRESS") or "local"


def names_a_head(address: str) -> bool:
    """Whether an address is HOST:PORT, which can be dialled; "auto" and "local" leave the head to Ray."""
    return address not in ("auto", "local")


def connect(address: str) -> str:
    """Become a driver of the cluster.

    Where a head goes meanwhile, Ray waits for it for minutes.

    Args:
        address: HOST:PORT, "auto" or "local".

    Returns:
        HOST:PORT of its head.

    Raises:
        HeadError: it cannot be reached, or this machine is not part of it.
    """
    is_here = address == "local"
    if names_a_head(address):
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


def lack_of_room(cpus: int) -> str:
    """What to say when no node of the connected cluster has room for a worker of so many CPUs; else ""."""
    most = int(max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=0))
    if most >= cpus:
        return ""
    less = f", or give --worker-cpus {most}" if most else ""
    return f"no node of the Ray cluster has {cpus} CPUs for a worker: waiting for one; add one{less}"


def watch_head(address: str) -> str:
    """Return when the head at HOST:PORT was silent for GONE_SECONDS, with what dialling it said last."""
    answered, reason = time.monotonic(), ""
    while time.monotonic() - answered < GONE_SECONDS:
        time.sleep(_POLL_SECONDS)
        try:
            dial(address)
        except HeadError as error:
            reason = str(error)
        else:
            answered = time.monotonic()
    return reason


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
