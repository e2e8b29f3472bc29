"""What the tests in the real editors share: a chroot, the archives as they are shipped, a server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from installers import build_plugins
from tests.hosts.chroot import SUITES, ChrootUnavailable, chroot
from tests.hosts.gimp import Gimp
from tests.hosts.krita import Krita, KritaUnavailable, install_on_this_machine

#: The Debian that the editors are in: trixie, forky, or bullseye, which has GIMP 2.10.
SUITE = os.environ.get("LAMA_FILL_SUITE", "trixie")

#: The first test in here may have to wait until a chroot is made.
SECONDS = 1500


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def system() -> Path:
    """The Debian with the editors: trixie, or $LAMA_FILL_SUITE.

    When it cannot be made that is a failure in CI, and skips the tests elsewhere.
    """
    try:
        return chroot(SUITES[SUITE])
    except ChrootUnavailable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The archive of each plug-in, by the editor's name."""
    out = tmp_path_factory.mktemp("archives")
    wheels = build_plugins.fetch_wheels()
    return {name: build_plugins.build(plugin, out, wheels) for name, plugin in build_plugins.PLUGINS.items()}


@pytest.fixture(scope="session")
def inside_folder(system: Path) -> Iterator[Path]:
    """A folder of this run, inside the chroot: the only place there that tests write to."""
    folder = Path(tempfile.mkdtemp(prefix="lama-fill-", dir=system / "tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(kw_only=True)
class Server:
    """A running server. `folder` is its state folder, `inside` the same as seen in the chroot."""

    folder: Path
    inside: str
    process: subprocess.Popen[bytes]

    @property
    def environment(self) -> dict[str, str]:
        """What a plug-in needs to find it, and to start no other one."""
        return {"LAMA_FILL_RUNTIME_DIR": self.inside, "LAMA_FILL_COMMAND": "/nonexistent/lama-fill"}

    def command(self, *arguments: str) -> str:
        """Run a command of `lama-fill` with this server."""
        return subprocess.run(
            [sys.executable, "-m", "lama_cli", *arguments],
            env={**os.environ, "LAMA_FILL_RUNTIME_DIR": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout


def running(server: Server) -> int:
    """How many jobs it is working on."""
    return int(json.loads(server.command("status", "--json"))["running"])


def start_server(root: Path, folder: Path, *arguments: str, script: str | None = None) -> Server:
    """Start a server whose state folder is in the chroot, and wait until it can be found.

    `script`: a file of this folder to start instead, which takes the same arguments as `lama-fill serve`.
    """
    command = ["-m", "lama_cli", "serve"] if script is None else [str(Path(__file__).with_name(script))]
    folder.mkdir(mode=0o700, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, *command, "--device=cpu", "--threads=1", "--precision=fp32", *arguments],
        env={**os.environ, "LAMA_FILL_RUNTIME_DIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (folder / "server.json").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            log = folder / "server.log"
            raise AssertionError(f"no server: {log.read_text() if log.exists() else process.returncode}")
        time.sleep(0.05)
    return Server(folder=folder, inside="/" + folder.relative_to(root).as_posix(), process=process)


@pytest.fixture(scope="session")
def server(system: Path, inside_folder: Path) -> Iterator[Server]:
    """The real server with the model that ships."""
    running = start_server(system, inside_folder / "state", "--model=compact")
    yield running
    running.process.terminate()
    try:
        running.process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        running.process.kill()


@pytest.fixture(scope="session")
def gimp(system: Path, inside_folder: Path, archives: Mapping[str, Path], server: Server) -> Iterator[Gimp]:
    """GIMP 3.0 with the plug-in and a server."""
    editor = Gimp.install(system, inside_folder / "gimp", archives["gimp"], server.environment)
    yield editor
    editor.close()


def stop_server(running: Server) -> None:
    running.process.terminate()
    try:
        running.process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        running.process.kill()


#: The Krita to test: trixie's 5.2 or forky's 5.3, or with LAMA_FILL_KRITA=own this machine's.
OWN_KRITA = "own"
KRITAS = {"trixie": ("5.2",), "forky": ("5.3",)}.get(SUITE, ())
if os.environ.get("LAMA_FILL_KRITA") == OWN_KRITA:
    KRITAS = (OWN_KRITA,)


@pytest.fixture(scope="session", params=KRITAS)
def krita_place(request: pytest.FixtureRequest) -> Iterator[tuple[Path, Path]]:
    """The system that a Krita is in, and a folder there: this machine's own, or the chroot."""
    if request.param != OWN_KRITA:
        root = request.getfixturevalue("system")
    else:
        root = Path("/")
        try:
            install_on_this_machine()
        except KritaUnavailable as reason:
            if os.environ.get("CI") == "true":
                pytest.fail(str(reason), pytrace=False)
            pytest.skip(str(reason))
    folder = Path(tempfile.mkdtemp(prefix="lama-fill-krita-", dir=root / "tmp"))
    yield root, folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def krita_mirror(krita_place: tuple[Path, Path], archives: Mapping[str, Path]) -> Iterator[Krita]:
    """Krita with the plug-in, and a server whose fills are known."""
    root, folder = krita_place
    running = start_server(root, folder / "mirror", script="mirror_server.py")
    krita = Krita.make(root, folder / "profile", running.environment)
    krita.unpack(archives["krita"])
    yield krita
    stop_server(running)
