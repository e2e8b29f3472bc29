from __future__ import annotations

import subprocess
import sys

import pytest

from lama_cli import COMMANDS, build_parser, main
from lama_server import __version__

COMMAND = [sys.executable, "-m", "lama_cli"]


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            build_parser().parse_args([name, "--help"])
        assert ended.value.code == 0
        assert f"lama-fill {name}" in capsys.readouterr().out


def test_the_version_is_said() -> None:
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"lama-fill {__version__}\n"


def test_the_command_is_there_by_its_former_name_for_services_that_start_it_so() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lama_server", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"lama-fill {__version__}\n"


def test_a_reader_that_stops_reading_is_no_error() -> None:
    with subprocess.Popen(
        [*COMMAND, "models", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert said == b""
    assert process.returncode == 141


def test_an_unknown_command_is_exit_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["remove"])
    assert ended.value.code == 2
    assert "invalid choice: 'remove'" in capsys.readouterr().err
