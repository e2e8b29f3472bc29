"""Servers for tests, ended after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.harness import ServerProcess


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with one small model of random weights, for every process that a test starts."""
    import torch

    from lama_core.model import Generator, GeneratorConfig
    from lama_core.model.checkpoint import write_safetensors

    folder = tmp_path_factory.mktemp("data")
    (folder / "models").mkdir()
    torch.manual_seed(1)
    tiny = Generator(GeneratorConfig(width=8, blocks=1)).eval()
    write_safetensors(tiny, folder / "models" / "tiny.safetensors", metadata={"name": "tiny"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMA_FILL_DATA_DIR", str(folder))
        patch.setenv("LAMA_FILL_CONFIG", str(folder / "config.toml"))
        (folder / "config.toml").write_text('model = "tiny"\nthreads = 1\nprecision = "fp32"\n')
        yield folder


@pytest.fixture
def start(tmp_path: Path, data_folder: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers; the first one's folder is `run` in the test's own folder."""
    started: list[ServerProcess] = []

    def begin(kind: str = "scripted", *flags: str, started_by_client: bool = False) -> ServerProcess:
        server = ServerProcess(tmp_path / "run", kind, *flags, started_by_client=started_by_client)
        started.append(server)
        return server

    yield begin
    for server in started:
        server.clean_up()


Start = Callable[..., ServerProcess]
