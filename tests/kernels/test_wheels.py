"""The kernels' wheels for all systems: what is in them, and whether it computes where it is meant to.

Those for Arm and for Windows run under qemu-aarch64 and Wine where these are installed (Debian: qemu-user,
libc6-arm64-cross, wine64). Those for Windows, and for Macs of Intel's, take zig a minute the first time: run
with --soak.
"""

from __future__ import annotations

import importlib
import platform
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lama_core import kernels

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "installers"))
import build_kernels  # noqa: E402 - a script's neighbours, as the release's own script imports them
import build_plugins  # noqa: E402

REASON = "zig makes the wheels: pip install -r requirements-release.txt"
pytest.importorskip("ziglang", reason=REASON)
lief = pytest.importorskip("lief", reason=REASON)

FUNCTIONS = {
    *("lfk_abi", "lfk_supported", "lfk_supports_direct", "lfk_run"),
    *("lfk_plan_new", "lfk_plan_free", "lfk_weight_bytes", "lfk_pack"),
    *("lfk_share", "lfk_scratch_bytes", "lfk_on_team"),
    *("lfk_fourier_new", "lfk_fourier_free", "lfk_fourier_scratch_bytes", "lfk_fourier_run"),
    *("lfk_vote", "lfk_nearest"),
}
LINUX = ("manylinux_2_17_x86_64.manylinux2014_x86_64", "manylinux_2_17_aarch64.manylinux2014_aarch64")
# What another one stands for takes zig its time, too.
MACOS = (pytest.param("macosx_11_0_x86_64", marks=pytest.mark.soak), "macosx_11_0_arm64")
WINDOWS = tuple(pytest.param(name, marks=pytest.mark.soak) for name in ("win_amd64", "win_arm64"))


class Wheels:
    """The wheels, each built when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.archive = build_kernels.sources(folder)

    def __getitem__(self, name: str) -> Path:
        wheel = self.folder / f"{self.archive.name.removesuffix('.tar.gz')}-py3-none-{name}.whl"
        if not wheel.exists():
            assert build_kernels.wheels(self.archive, self.folder, [name]) == [wheel]
        return wheel

    def library(self, name: str) -> Path:
        """The compiled library of a wheel, taken out of it."""
        with zipfile.ZipFile(self[name]) as wheel:
            return Path(wheel.extract("lama_fill_kernels/_native.so", self.folder / name))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wheels]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1764000000")  # a commit may be made meanwhile
        yield Wheels(tmp_path_factory.mktemp("wheels"))


def test_every_platform_is_tested() -> None:
    names = [name if isinstance(name, str) else name.values[0] for name in (*LINUX, *MACOS, *WINDOWS)]
    assert names == list(build_kernels.PLATFORMS)


@pytest.mark.parametrize("name", [*LINUX, *MACOS, *WINDOWS])
def test_what_is_in_it(wheels: Wheels, name: str) -> None:
    with zipfile.ZipFile(wheels[name]) as wheel:
        names = {path for path in wheel.namelist() if ".dist-info/" not in path}
        (about,) = (path for path in wheel.namelist() if path.endswith("/WHEEL"))
        lines = wheel.read(about).decode().splitlines()
        assert any(path.endswith(".dist-info/licenses/LICENSE") for path in wheel.namelist())
    assert names == {f"lama_fill_kernels/{file}" for file in ("__init__.py", "py.typed", "_native.so")}
    assert [line for line in lines if line.startswith("Tag: ")] == [
        f"Tag: py3-none-{tag}" for tag in name.split(".")
    ]


def exported(binary: lief.Binary) -> set[str]:
    names = {function.name.removeprefix("_") for function in binary.exported_functions}
    return {name for name in names if name.startswith("lfk")}


@pytest.mark.parametrize("name", LINUX)
def test_on_linux_it_needs_the_oldest_glibc_alone(wheels: Wheels, name: str) -> None:
    binary = lief.parse(str(wheels.library(name)))
    assert exported(binary) == FUNCTIONS
    assert {symbol.name for symbol in binary.exported_symbols} == FUNCTIONS, "and nothing else"
    assert binary.header.machine_type.name == ("AARCH64" if "aarch64" in name else "X86_64")
    assert set(binary.libraries) <= {"libc.so.6", "libm.so.6"}
    requirements = [part.get_auxiliary_symbols() for part in binary.symbols_version_requirement]
    needed = {version.name for versions in requirements for version in versions}
    assert needed
    assert all(tuple(map(int, need.removeprefix("GLIBC_").split("."))) <= (2, 17) for need in needed), needed
    assert not [entry for entry in binary.dynamic_entries if entry.tag.name in ("RPATH", "RUNPATH")]


@pytest.mark.parametrize("name", MACOS)
def test_on_macos_it_needs_the_system_alone(wheels: Wheels, name: str) -> None:
    binary = lief.parse(str(wheels.library(name)))
    assert exported(binary) == FUNCTIONS
    assert binary.header.cpu_type.name == ("ARM64" if name.endswith("arm64") else "X86_64")
    libraries = [library.name for library in binary.libraries]
    assert libraries == ["@rpath/_native.so", "/usr/lib/libSystem.B.dylib"]
    assert binary.build_version.minos == [11, 0, 0]
    # A Mac with an Arm processor loads nothing that is not signed, if only by its hashes.
    assert binary.has_code_signature or not name.endswith("arm64")


@pytest.mark.parametrize("name", WINDOWS)
def test_on_windows_it_needs_the_system_alone(wheels: Wheels, name: str) -> None:
    binary = lief.parse(str(wheels.library(name)))
    assert exported(binary) == FUNCTIONS
    assert binary.header.machine.name == name.removeprefix("win_").upper()
    needed = {library.name.lower() for library in binary.imports}
    # The C library of Windows 10 itself: neither MinGW's nor a redistributable.
    assert all(dll == "kernel32.dll" or dll.startswith("api-ms-win-crt-") for dll in needed), needed


def harness(target: str, folder: Path) -> Path:
    """harness.c for a target of zig, compiled."""
    made = folder / "harness.exe"
    sources = [str(PROJECT / "tests/kernels/harness.c"), "-I", str(PROJECT / "kernels/src")]
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-O1", "-s", "-std=gnu11"]
    subprocess.run([*command, *sources, "-lm", "-o", str(made)], check=True)
    return made


def right(wheels: Wheels, name: str, folder: Path, *, under: Sequence[str] = ()) -> list[str]:
    """The instruction sets that a wheel's library has, once the harness found what they compute right."""
    program = harness(build_kernels.PLATFORMS[name], folder)
    command = [*under, program, wheels.library(name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return list(dict.fromkeys(line.split()[0] for line in done.stdout.splitlines()))


def of_this_cpu() -> list[str]:
    pytest.importorskip("lama_fill_kernels", reason="says what this CPU has")
    best = kernels.best_isa("fp32")
    assert best is not None
    return ["portable", "avx2", "avx512", "avx512_bf16", "amx"][: best + 1]


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="for Linux on x86-64")
def test_linux_computes_right(wheels: Wheels, tmp_path: Path) -> None:
    assert right(wheels, LINUX[0], tmp_path) == of_this_cpu()


@pytest.mark.skipif(
    shutil.which("qemu-aarch64") is None or not Path("/usr/aarch64-linux-gnu/lib").is_dir(),
    reason="Debian's qemu-user and libc6-arm64-cross run code for Arm",
)
def test_linux_on_arm_computes_right(wheels: Wheels, tmp_path: Path) -> None:
    emulator = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
    assert right(wheels, LINUX[1], tmp_path, under=emulator) == ["portable"]


@pytest.mark.soak
@pytest.mark.skipif(shutil.which("wine") is None, reason="Debian's wine64 runs code for Windows")
def test_windows_computes_right(wheels: Wheels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINEPREFIX", str(tmp_path / "wine"))
    monkeypatch.setenv("WINEDEBUG", "-all")
    assert right(wheels, "win_amd64", tmp_path, under=["wine"]) == of_this_cpu()


def fresh_environment(folder: Path, wheels: Wheels) -> Path:
    """The Python of one that has our packages, but the kernels from their wheel, which pip chose."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    python = folder / "bin" / "python"
    install = ["install", "--quiet", "--no-index", "--only-binary=:all:", "--find-links", str(wheels.folder)]
    subprocess.run([python, "-m", "pip", *install, "lama-fill-kernels"], check=True)
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="for Linux on x86-64")
def test_pip_takes_the_right_one(wheels: Wheels, tmp_path: Path) -> None:
    for name in (*LINUX, MACOS[1]):
        assert wheels[name].exists()
    python = fresh_environment(tmp_path / "venv", wheels)
    code = "import lama_fill_kernels as k; print(k.__file__, k.best_isa(k.Type.FP32).name.lower())"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert Path(said[0]).is_relative_to(tmp_path)
    assert said[1] == of_this_cpu()[-1]


@pytest.mark.soak
@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="for Linux on x86-64")
def test_the_kernels_own_tests_pass_with_it(wheels: Wheels, tmp_path: Path) -> None:
    assert wheels[LINUX[0]].exists()
    python = fresh_environment(tmp_path / "venv", wheels)
    tests = [
        str(PROJECT / "tests/kernels" / f"test_{name}.py")
        for name in ("winograd", "fourier", "nearest", "vote")
    ]
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_twice_the_same_bytes(wheels: Wheels, tmp_path: Path) -> None:
    names = (LINUX[1], MACOS[1])
    again = build_kernels.wheels(build_kernels.sources(tmp_path), tmp_path, names)
    assert [path.read_bytes() for path in again] == [wheels[name].read_bytes() for name in names]


def test_without_zig(wheels: Wheels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(build_plugins.BuildError, match=r"pip install -r requirements-release\.txt"):
        build_kernels.wheels(wheels.archive, tmp_path)


def test_a_mistake_in_the_sources_is_one_line(
    wheels: Wheels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(build_kernels.PLATFORMS, LINUX[0], "x86_64-nowhere")
    with pytest.raises(build_plugins.BuildError, match="could not be built") as raised:
        build_kernels.wheels(wheels.archive, tmp_path, [LINUX[0]])
    assert "\n" not in str(raised.value)
