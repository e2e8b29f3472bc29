"""What all tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.server.harness import ServerProcess

# The same examples in every run, and no verdict by the clock: the machine may be busy.
settings.register_profile(
    "lama-fill", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("lama-fill")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of a test stays in the user's cache, nor is anything found there; processes inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMA_FILL_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the long forms of fuzzing and fault tests")
    parser.addoption(
        "--fault-count",
        type=int,
        default=0,
        help="how often to do each row of tests/faults",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--soak"):
        return
    for item in items:
        if item.get_closest_marker("soak") is not None:
            item.add_marker(pytest.mark.skip(reason="long; run with --soak"))
