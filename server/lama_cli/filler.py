"""Where a command's fills are made: by the server where it can be, else in this process."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from functools import partial

from lama_cli.connecting import EarlyConnection, fills_by_server, is_shared, open_client
from lama_cli.filling import FillReport, InProcessFiller, Progress, fill_through_server
from lama_cli.saying import say
from lama_core.fill import FillPlan

#: Fills the hole of the plan's picture, in place.
Filler = Callable[[FillPlan, Progress], FillReport]


@contextlib.contextmanager
def open_fillers(
    args: argparse.Namespace,
    *,
    progress: Progress,
    connections: int = 1,
    early: EarlyConnection | None = None,
) -> Iterator[list[Filler]]:
    """What fills, each for one thread at a time and for as many pictures as one likes.

    Args:
        args: of a command with the options of `add_fill_options`.
        connections: how many to a server. In this process there is always one.
        progress: told while the server is started or the model is loaded.
        early: the first of the connections, which is being made already; None: there is none yet.

    Raises:
        LamaFillError: there is no such model or device, a setting is wrong, or the server cannot be reached.
    """
    name = args.model or ""
    by_server = fills_by_server(args)
    if name and not (by_server and is_shared(args)):  # a shared server has models of its own
        from lama_core.model.installed import registry

        weights = registry.resolve(name)
    if by_server:
        from lama_core.client.connection import ServerStartError

        with contextlib.ExitStack() as stack:
            try:
                servers = [] if early is None else [early.client(lambda stage: progress(stage, 0.0))]
                while len(servers) < connections:
                    servers.append(
                        stack.enter_context(open_client(args, progress=lambda stage: progress(stage, 0.0)))
                    )
            except ServerStartError as error:
                say(f"filling without the server: {error}", error=True)
            else:
                yield [partial(fill_through_server, server=server, model=name) for server in servers]
                return
    from lama_core.model.installed import registry
    from lama_server.settings import load_settings

    if not name:
        name = registry.default_model()
        weights = registry.find_model(name).path
    precision = load_settings().precision
    yield [InProcessFiller(model=name, weights=weights, device=args.device, precision=precision)]
