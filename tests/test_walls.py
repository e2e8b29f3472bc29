"""Who may import whom: one table, held against the sources; and what comes along at run time."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SOURCES = {
    "lama_core": PROJECT / "lama_core",
    "lama_server": PROJECT / "server/lama_server",
    "lama_cli": PROJECT / "server/lama_cli",
    "lama_fill_gimp": PROJECT / "plugin_gimp/lama-fill/lama_fill_gimp",
    "lama_fill_krita": PROJECT / "plugin_krita/lama_fill_krita",
}

CLIENT = {"lama_core.client", "lama_core.client.protocol", "lama_core.client.connection"}

#: The folders whose files a folder's own files may import, beside each other. ARCHITECTURE.md draws it.
MAY_IMPORT: Mapping[str, set[str]] = {
    "lama_core": set(),
    "lama_core.client": set(),
    "lama_core.client.protocol": {"lama_core.client"},
    "lama_core.client.connection": {"lama_core.client", "lama_core.client.protocol"},
    "lama_core.client.plugin": CLIENT,
    "lama_core.client.gimp": CLIENT | {"lama_core.client.plugin"},
    "lama_core.image": {"lama_core.client"},
    "lama_core.model": {"lama_core.client"},
    "lama_core.model.checkpoint": {"lama_core.client", "lama_core.model"},
    "lama_core.model.installed": {"lama_core.client", "lama_core.model", "lama_core.model.checkpoint"},
    "lama_core.inference": {
        "lama_core",
        "lama_core.client",
        "lama_core.model",
        "lama_core.model.checkpoint",
        "lama_core.model.installed",
    },
    "lama_core.fill.common": {"lama_core", "lama_core.client", "lama_core.image", "lama_core.model"},
    "lama_core.fill.montage": {
        "lama_core",
        "lama_core.image",
        "lama_core.model",
        "lama_core.fill.common",
        "lama_core.fill.repetition",
    },
    "lama_core.fill.contours": {"lama_core.image", "lama_core.model", "lama_core.fill.common"},
    "lama_core.fill.repetition": {"lama_core.image", "lama_core.model", "lama_core.fill.common"},
    "lama_core.fill": {
        "lama_core",
        "lama_core.client",
        "lama_core.image",
        "lama_core.model",
        "lama_core.fill.common",
        "lama_core.fill.contours",
        "lama_core.fill.montage",
        "lama_core.fill.repetition",
    },
    "lama_core.research": set(),
    "lama_core.research.holes": {"lama_core.client"},
    "lama_core.research.networks": {"lama_core.client", "lama_core.model", "lama_core.model.checkpoint"},
    "lama_core.research.training": {
        "lama_core.client",
        "lama_core.model",
        "lama_core.model.checkpoint",
        "lama_core.research.holes",
        "lama_core.research.networks",
    },
    "lama_core.research.evaluation": {
        "lama_core.client",
        "lama_core.image",
        "lama_core.model",
        "lama_core.fill",
        "lama_core.research.holes",
        "lama_core.research.networks",
        "lama_core.research.training",
    },
    "lama_core.research.evaluation.structures": {
        "lama_core.research.evaluation",
        "lama_core.research.holes",
        "lama_core.research.networks",
    },
    "lama_server.web": CLIENT | {"lama_core.client.plugin"},
    "lama_server.shared": {"lama_core.client", "lama_core.client.protocol"},
    "lama_server": CLIENT | {"lama_core.model.installed", "lama_server.web", "lama_server.shared"},
    "lama_server.worker": CLIENT
    | {
        "lama_server",
        "lama_core.image",
        "lama_core.model",
        "lama_core.model.installed",
        "lama_core.fill",
        "lama_core.inference",
    },
    "lama_server.cluster": CLIENT | {"lama_core.model.installed", "lama_server", "lama_server.worker"},
    "lama_cli.pictures": {"lama_core.client", "lama_core.image"},
    "lama_cli.editors": {"lama_core.client"},
    "lama_cli": CLIENT
    | {
        "lama_cli.pictures",
        "lama_server",
        "lama_server.shared",
        "lama_server.cluster",
        "lama_server.worker",
        "lama_core.image",
        "lama_core.model.installed",
        "lama_core.fill",
        "lama_core.inference",
    },
    "lama_cli.web": CLIENT
    | {"lama_cli", "lama_cli.pictures", "lama_server", "lama_core.fill", "lama_core.image"},
    "lama_cli.autostart": CLIENT | {"lama_cli", "lama_server"},
    "lama_cli.doctor": CLIENT
    | {
        "lama_cli",
        "lama_cli.autostart",
        "lama_cli.editors",
        "lama_server",
        "lama_server.worker",
        "lama_core",
        "lama_core.model.installed",
    },
    "lama_cli.commands": CLIENT
    | {
        "lama_cli",
        "lama_cli.autostart",
        "lama_cli.doctor",
        "lama_cli.editors",
        "lama_cli.pictures",
        "lama_cli.web",
        "lama_server",
        "lama_core.client.gimp",
        "lama_server.shared",
        "lama_server.cluster",
        "lama_core.fill",
        "lama_core.model",
        "lama_core.model.installed",
        "lama_core.research.evaluation",
        "lama_core.research.evaluation.structures",
        "lama_core.research.networks",
        "lama_core.research.training",
    },
    "lama_fill_gimp": CLIENT | {"lama_core.client.plugin", "lama_core.client.gimp"},
    "lama_fill_krita": CLIENT | {"lama_core.client.plugin"},
}

#: What must not be loaded by importing a module, whatever it imports in turn.
FORBIDDEN = {
    "lama_core.client.geometry": {"numpy", "torch", "msgpack", "websockets", "asyncio", "socket"},
    "lama_core.client.selection": {"numpy", "torch", "msgpack", "websockets", "asyncio", "socket"},
    "lama_core.client.protocol": {"numpy", "torch", "websockets", "asyncio", "socket", "ssl"},
    "lama_core.client.connection": {"numpy", "torch", "lama_server"},
    "lama_core.image": {"torch", "msgpack", "websockets"},
    "lama_core.model": {"msgpack", "websockets"},
    "lama_core.fill": {"msgpack", "websockets"},
    "lama_core.research.training.trainer": {"msgpack", "websockets"},
    "lama_core.research.evaluation.evaluate": {"msgpack", "websockets"},
    "lama_server.cluster.engine": {"torch", "numpy", "ray"},
    "lama_server.app": {"torch", "numpy", "lama_core.model", "lama_core.fill"},
    "lama_cli": {"torch", "numpy"},
}


def find_modules() -> dict[str, Path]:
    """Every module of the project by its name."""
    modules = {}
    for name, folder in SOURCES.items():
        for path in folder.rglob("*.py"):
            parts = [name, *path.relative_to(folder).with_suffix("").parts]
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


MODULES = find_modules()


def folder_of(module: str) -> str:
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


def imports_of(module: str) -> set[str]:
    """The project's modules that a module imports, anywhere in its source."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & MODULES.keys()) | ({node.module} if inner - MODULES.keys() else set())
    return found & MODULES.keys()


def find_circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The nodes of circles, and those between two of them; nothing where there is none."""
    left = {node: set(targets) & graph.keys() - {node} for node, targets in graph.items()}
    while True:
        imported = set().union(*left.values())
        ends = {node for node, targets in left.items() if not targets or node not in imported}
        if not ends:
            return sorted(left)
        left = {node: targets - ends for node, targets in left.items() if node not in ends}


def imported_with(module: str) -> set[str]:
    """Names of all modules that are loaded in a fresh interpreter after importing one."""
    code = f"import sys, {module}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_file_imports_only_what_its_folder_may(module: str) -> None:
    folder = folder_of(module)
    others = {folder_of(other) for other in imports_of(module)} - {folder}
    assert others <= MAY_IMPORT[folder]


def test_every_folder_is_in_the_table() -> None:
    with_imports = {folder_of(module) for module in MODULES if imports_of(module)}
    assert with_imports <= MAY_IMPORT.keys()


def test_no_folder_and_no_file_imports_in_a_circle() -> None:
    assert find_circle(MAY_IMPORT) == []
    assert find_circle({module: imports_of(module) for module in MODULES}) == []
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c"]


@pytest.mark.parametrize("module", FORBIDDEN)
def test_a_part_brings_along_only_what_it_may(module: str) -> None:
    assert imported_with(module) & FORBIDDEN[module] == set()


def test_the_parent_process_of_the_server_has_no_torch() -> None:
    # The whole command line with every command's module, as `lama-fill serve` has it.
    code = (
        "import sys; from lama_cli import build_parser; build_parser();"
        "import lama_cli.commands.serve, lama_server.service;"
        "from lama_core.model.installed.registry import list_models; assert list_models();"
        "print('\\n'.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "pyvips", "rich"} & set(done.stdout.split())


def test_the_walls_can_fail() -> None:
    assert "numpy" in imported_with("lama_core.image.pixels")
