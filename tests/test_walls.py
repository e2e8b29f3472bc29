"""Who may import whom: each part is imported in a fresh interpreter, and what came along is looked at."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORBIDDEN = {
    "lama_core.client.geometry": {"numpy", "torch", "msgpack", "websockets", "asyncio", "socket"},
    "lama_core.client.selection": {"numpy", "torch", "msgpack", "websockets", "asyncio", "socket"},
    "lama_core.client.protocol": {"numpy", "torch", "websockets", "asyncio", "socket", "ssl"},
    "lama_core.client.connection": {"numpy", "torch", "lama_server"},
    "lama_core.image": {"torch", "lama_core.client.protocol", "lama_core.client.connection", "lama_server"},
    "lama_core.model": {
        "lama_core.client.protocol",
        "lama_core.client.connection",
        "lama_server",
        "websockets",
    },
    "lama_core.fill": {
        "lama_core.client.protocol",
        "lama_core.client.connection",
        "lama_server",
        "websockets",
    },
    "lama_core.research.training.trainer": {
        "lama_core.client.protocol",
        "lama_core.client.connection",
        "lama_server",
        "websockets",
    },
    "lama_core.research.evaluation.evaluate": {
        "lama_core.client.protocol",
        "lama_core.client.connection",
        "lama_server",
        "websockets",
    },
    "lama_server.app": {"torch", "numpy", "lama_core.model", "lama_core.fill"},
    "lama_cli": {"torch", "numpy"},
}


def imported_with(module: str) -> set[str]:
    """Names of all modules that are loaded in a fresh interpreter after importing one."""
    code = f"import sys, {module}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", FORBIDDEN)
def test_a_part_brings_along_only_what_it_may(module: str) -> None:
    assert imported_with(module) & FORBIDDEN[module] == set()


def test_the_parent_process_of_the_server_has_no_torch() -> None:
    # The whole command line with every command's module, as `lama-fill serve` has it.
    code = (
        "import sys; from lama_cli import build_parser; build_parser();"
        "import lama_cli.commands.serve, lama_server.service;"
        "from lama_core.model.registry import list_models; assert list_models();"
        "print('\\n'.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "pyvips", "rich"} & set(done.stdout.split())


def test_the_walls_can_fail() -> None:
    assert "numpy" in imported_with("lama_core.image.pixels")
