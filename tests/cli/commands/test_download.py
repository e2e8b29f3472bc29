"""`lama-fill models download` and `use`, as they are typed."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from lama_cli import known_models, main
from lama_cli.commands import downloading
from lama_cli.download import Policy
from lama_cli.known_models import KNOWN, KnownModel
from lama_core.client.places import DATA_DIR_VARIABLE
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import write_safetensors
from lama_core.model.installed import registry


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv("LAMA_FILL_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").touch()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    built_in = tmp_path / "compact.safetensors"
    write_safetensors(Generator(GeneratorConfig(width=8, blocks=1)), built_in, metadata={})
    monkeypatch.setattr(registry, "built_in_path", lambda: built_in)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that is known as big-lama, and a web server that has it."""
    folder = tmp_path / "web"
    folder.mkdir()
    path = folder / "big-lama.pt"
    torch.save(Generator(GeneratorConfig(width=8, blocks=2)).state_dict(), path)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    known = KnownModel(
        name="big-lama",
        about="large",
        origin="somebody",
        licence="unclear",
        file="big-lama.pt",
        size=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        mirrors=(f"http://127.0.0.1:{server.server_port}/big-lama.pt",),
    )
    for module in (known_models, downloading):
        monkeypatch.setattr(module, "KNOWN", (known,))
    monkeypatch.setattr(downloading, "POLICY", Policy(schemes=frozenset({"http"})))
    yield path
    server.shutdown()
    server.server_close()


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    status = main(["models", *map(str, args)])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_model_is_fetched_and_installed(
    capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path
) -> None:
    status, out, err = run(capsys, "download", "big-lama", "--yes")
    assert (status, err) == (0, "")
    for shown in ("licence  unclear", "origin   somebody", "size", "installed big-lama"):
        assert shown in out
    model = registry.find_model("big-lama")
    assert model.origin.startswith("http://127.0.0.1")
    assert model.source_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["models"], "nothing else is left"
    assert run(capsys, "verify", "big-lama")[0] == 0
    assert "installed already" in run(capsys, "download", "big-lama", "--yes")[2]
    assert run(capsys, "download", "big-lama", "--yes", "--replace")[0] == 0


def test_a_folder_of_ones_own_keeps_the_file(
    capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "für später"
    assert run(capsys, "download", "big-lama", "--yes", "--folder", folder)[0] == 0
    assert (folder / "big-lama.pt").read_bytes() == weights.read_bytes()


def test_a_file_that_was_fetched_by_hand(
    capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.pt"
    bad.write_bytes(b"x" * weights.stat().st_size)
    status, _, err = run(capsys, "download", "big-lama", "--file", bad)
    assert status == 2
    assert "is not the known big-lama.pt" in err
    assert run(capsys, "download", "big-lama", "--file", weights)[0] == 0
    assert weights.is_file()
    assert "* big-lama" in run(capsys, "list")[1]


@pytest.mark.usefixtures("weights")
def test_nothing_is_fetched_without_a_yes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--yes" in run(capsys, "download", "big-lama")[2]
    status, out, _ = run(capsys, "download", "big-lama", "--show")
    assert status == 0
    assert "licence  unclear" in out
    assert not any(model.name == "big-lama" for model in registry.list_models())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    status, out, _ = run(capsys, "download", "big-lama")
    assert status == 2
    assert "nothing was downloaded" in out
    monkeypatch.setattr("builtins.input", lambda question: "Yes")
    assert run(capsys, "download", "big-lama")[0] == 0


def test_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "download")
    assert status == 0
    assert "big-lama                 206 MB" in out
    assert "cannot be downloaded by name (known: big-lama" in run(capsys, "download", "other")[2]


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_the_table_is_sound(known: KnownModel) -> None:
    assert all(address.startswith("https://") for address in known.mirrors)
    assert all(address.endswith("/" + known.file) for address in known.mirrors)
    assert len(bytes.fromhex(known.sha256)) == 32
    assert registry.name_for(Path(known.file)) == known.name


def test_choosing_the_model(capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path) -> None:
    assert run(capsys, "use", "big-lama")[0] == 2
    run(capsys, "import", weights)
    assert registry.default_model() == "big-lama"
    status, out, _ = run(capsys, "use", "compact")
    assert (status, out) == (0, "compact is used from now on when no model is named\n")
    assert registry.default_model() == "compact"
    assert "* compact" in run(capsys, "list")[1]
    run(capsys, "import", weights, "--name", "mine")
    run(capsys, "use", "mine")
    assert registry.default_model() == "mine"
    run(capsys, "remove", "mine")
    assert registry.default_model() == "big-lama", "the choice is gone with its model"
    (tmp_path / "config.toml").write_text('model = "compact"\n')
    assert "setting `model` says compact" in run(capsys, "use", "big-lama")[1]


def test_a_damaged_choice_is_passed_over(tmp_path: Path) -> None:
    folder = registry.models_folder()
    folder.mkdir(parents=True)
    (folder / "default").write_bytes(b"\xff\x00../../x")
    assert registry.default_model() == "compact"
