"""`lama-fill doctor`, and what its report says of whom."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lama_cli import main
from lama_cli.doctor import checks, report
from lama_cli.doctor.checks import Finding
from lama_cli.doctor.report import anonymous
from lama_core import kernels
from lama_core.client.places import home_folder
from lama_core.model.installed import registry
from tests.server.harness import ServerProcess

TOKEN = "abc-DEF_" * 5 + "xyz"


@pytest.fixture
def well(tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without editors, and a machine whose torch need not be loaded."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "run"))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(checks.shutil, "which", lambda name: None)
    said = {
        "torch": "2",
        "device": "cpu",
        "name": "x",
        "memory_bytes": 2**30,
        "seconds": 0.001,
        "error": 0.0,
        "kernels": "AVX2",
    }
    answer(monkeypatch, stdout=json.dumps(said))
    return tmp_path


def answer(monkeypatch: pytest.MonkeyPatch, *, stdout: str = "", stderr: str = "", status: int = 0) -> None:
    """What the process says that tries the device."""

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        if "lama_cli.doctor.device" not in command:
            return subprocess.CompletedProcess(command, 1, "", "")
        return subprocess.CompletedProcess(command, status, stdout, stderr)

    monkeypatch.setattr(checks.subprocess, "run", run)


def findings(capsys: pytest.CaptureFixture[str], *flags: str) -> dict[str, Finding]:
    main(["doctor", "--json", *flags])
    return {one["name"]: Finding(**one) for one in json.loads(capsys.readouterr().out)["findings"]}


def test_all_is_well(
    well: Path, start: Callable[..., ServerProcess], capsys: pytest.CaptureFixture[str]
) -> None:
    start().up()
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", name]
        for name in ("environment", "settings", "device", "model", "ports", "autostart", "plug-in", "fill")
    ]


def test_nothing_is_started_when_no_fill_is_wanted(well: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = findings(capsys, "--no-fill")
    assert "fill" not in found
    assert found["device"].about.endswith(", kernels for AVX2")
    assert not (well / "run").exists()


@pytest.mark.parametrize(
    ("stderr", "about", "remedy"),
    [
        ("Traceback\nModuleNotFoundError: No module named 'torch'\n", "No module named", "installer again"),
        ("lama: device cuda: not on this machine\n", "not on this machine", 'device = "cpu"'),
        ("", "ended with status 3", 'device = "cpu"'),
    ],
)
def test_a_device_that_fails(
    well: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stderr: str,
    about: str,
    remedy: str,
) -> None:
    answer(monkeypatch, stderr=stderr, status=3)
    device = findings(capsys, "--no-fill")["device"]
    assert about in device.about
    assert remedy in device.remedy
    assert main(["doctor", "--no-fill"]) == 1
    assert "what to do:" in capsys.readouterr().out


def test_a_device_that_computes_wrongly(
    well: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"torch": "2", "device": "cuda:0", "name": "x", "memory_bytes": 0, "seconds": 0.1, "error": 99.0}
    said |= {"kernels": ""}
    answer(monkeypatch, stdout=json.dumps(said))
    assert "update the driver" in findings(capsys, "--no-fill")["device"].remedy


def test_an_nvidia_card_that_torch_cannot_use(
    well: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        checks.shutil, "which", lambda name: "/usr/bin/nvidia-smi" if "nvidia" in name else None
    )
    assert "--torch cuda" in findings(capsys, "--no-fill")["device"].remedy


def test_the_matrix_product_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lama_cli.doctor.device", "cpu"], capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout)
    assert said["device"] == "cpu"
    assert said["error"] == 0
    assert said["seconds"] > 0
    assert (said["kernels"] != "") == kernels.available()


def test_what_else_is_wrong(
    well: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAMA_FILL_DATA_DIR", str(well / "data"))
    (well / "data" / "models").mkdir(parents=True)
    (well / "data" / "models" / "mine.safetensors").write_bytes(b"x")
    monkeypatch.setenv("LAMA_FILL_MODEL", "mine")
    (well / ".config/GIMP/3.0/plug-ins/lama-fill").mkdir(parents=True)
    (well / ".config/GIMP/3.0/plug-ins/lama-fill/installed.json").write_text(
        json.dumps({"version": "0.0.1", "files": ["plug-ins/lama-fill/lama-fill.py"]})
    )
    (well / ".var/app/org.kde.krita/data/krita").mkdir(parents=True)
    (well / ".local/share/flatpak/app/org.kde.krita").mkdir(parents=True)
    found = findings(capsys, "--no-fill")
    assert found["model"].remedy == "`lama-fill models remove mine`"
    assert "Krita (Flatpak) cannot start the server" in found["autostart"].about
    assert found["autostart"].remedy == "`lama-fill service install`"
    assert main(["doctor", "--no-fill"]) == 1
    out = capsys.readouterr().out
    assert "GIMP 3.0: plug-in 0.0.1" in out
    assert "files missing" in out
    assert "Krita (Flatpak): no plug-in" in out
    monkeypatch.setenv("LAMA_FILL_PORT", "x")
    assert "LAMA_FILL_PORT" in findings(capsys, "--no-fill")["settings"].about
    monkeypatch.delenv("LAMA_FILL_PORT")
    monkeypatch.setenv("LAMA_FILL_MODEL", "none")
    assert "no model 'none' is installed" in findings(capsys, "--no-fill")["model"].about


def test_an_extension_of_gimps_flatpak(well: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (well / ".var/app/org.gimp.GIMP/config/GIMP/3.0").mkdir(parents=True)
    assert findings(capsys, "--no-fill")["plug-in"].remedy == "run the installer again"
    (well / ".local/share/flatpak/runtime/org.gimp.GIMP.Plugin.LaMaFill").mkdir(parents=True)
    found = findings(capsys, "--no-fill")["plug-in"]
    assert found.about == "GIMP 3.0 (Flatpak): plug-in as an extension of its Flatpak"
    assert found.ok


def test_the_report_names_nobody(
    well: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report.getpass, "getuser", lambda: "zoë")
    monkeypatch.setattr(report.socket, "gethostname", lambda: "zoes-laptop")
    monkeypatch.setattr(report, "home_folder", lambda: Path("/srv/people/zoë"))
    (well / "run").mkdir(mode=0o700)
    runtime = {"port": 9, "pid": os.getpid(), "version": "1", "token": TOKEN, "started": 1.0}
    (well / "run" / "server.json").write_text(json.dumps(runtime))
    (well / "run" / "server.log").write_text(
        f"{TOKEN} and {TOKEN[::-1]} of Zoë at zoes-laptop in /srv/people/zoë/pictures; {well}/x; /home/zoë/y"
    )
    path = well / "report.txt"
    main(["doctor", "--no-fill", "--report", str(path)])
    text = path.read_text()
    assert "TOKEN and TOKEN of USER at HOST in ~/pictures; ~/x; /home/USER/y" in text
    for secret in (TOKEN, str(well), "zoë", "zoes-laptop"):
        assert secret not in text
    assert "torch" in text
    assert f"LAMA_FILL_DATA_DIR={os.environ['LAMA_FILL_DATA_DIR']}" in text
    assert main(["doctor", "--no-fill", "--report", str(well)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_names_inside_of_words_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report.getpass, "getuser", lambda: "lam")
    assert anonymous("lama and lam") == "lama and USER"


def test_hard_homes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "home_folder", lambda: Path("/home/a+b"))
    assert anonymous("/home/a+b/x /home/a+bc") == "~/x /home/a+bc"


def test_the_real_ones_are_found() -> None:
    home = str(home_folder())
    assert home == "/" or home not in anonymous(f"{home}/x {getpass.getuser()}")
    assert registry.BUILT_IN in anonymous(registry.BUILT_IN)
