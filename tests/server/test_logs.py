from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_cli import main
from lama_cli.commands import logs as logs_command
from lama_core.client.text import one_line
from lama_server.logs import LINE_LIMIT, LOG_NAME, LogError, set_up_logs


@pytest.fixture
def quiet() -> Iterator[None]:
    """The test's own logging, back after it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@given(st.text(max_size=300))
def test_one_line_is_one_printable_line(text: str) -> None:
    line = one_line(text, 50)
    assert line.isprintable()
    assert len(line.splitlines()) <= 1
    assert len(line) <= 53 * 10
    if text.isprintable() and len(text) <= 50:
        assert line == text


@pytest.mark.usefixtures("quiet")
def test_a_message_cannot_pass_for_several(tmp_path: Path) -> None:
    set_up_logs(tmp_path, level="info", size=100_000, kept=1, console=False)
    logging.info("client %s", "x\n2026-01-01 ERROR forged\r\x1b[31m\u2028" + "y" * 10_000)
    try:
        raise ValueError("lines\n2026-01-01 ERROR forged")
    except ValueError:
        logging.exception("it failed")
    lines = (tmp_path / LOG_NAME).read_text(encoding="utf-8").split("\n")
    assert "forged\\r\\x1b[31m\\u2028yyy" in lines[0]
    assert len(lines[0]) < LINE_LIMIT + 100
    assert all(line.startswith("    ") for line in lines[2:-1])
    assert sum("ERROR forged" in line and not line.startswith(" ") for line in lines) == 1


@pytest.mark.usefixtures("quiet")
def test_files_are_bounded(tmp_path: Path) -> None:
    set_up_logs(tmp_path, level="debug", size=10_000, kept=2, console=False)
    for number in range(1000):
        logging.debug("%d %s", number, "x" * 90)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [LOG_NAME, f"{LOG_NAME}.1", f"{LOG_NAME}.2"]
    assert all(file.stat().st_size <= 10_000 for file in files)
    assert "999 x" in (tmp_path / LOG_NAME).read_text()


@pytest.mark.usefixtures("quiet")
def test_level(tmp_path: Path) -> None:
    set_up_logs(tmp_path, level="warning", size=10_000, kept=0, console=False)
    logging.info("unimportant")
    logging.warning("important")
    assert "unimportant" not in (tmp_path / LOG_NAME).read_text()
    assert "WARNING root: important" in (tmp_path / LOG_NAME).read_text()


@pytest.mark.usefixtures("quiet")
def test_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / LOG_NAME).mkdir()
    with pytest.raises(LogError, match="cannot be written"):
        set_up_logs(tmp_path, level="info", size=10_000, kept=0, console=False)


@pytest.mark.usefixtures("quiet")
@pytest.mark.skipif(sys.platform == "win32", reason="links are not for every user there")
def test_a_link_in_place_of_the_log_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / LOG_NAME).symlink_to(victim)
    with pytest.raises(LogError, match="remove what is there"):
        set_up_logs(tmp_path, level="info", size=10_000, kept=0, console=False)
    assert victim.read_text() == "precious"


FULL = """
import logging, sys
from pathlib import Path
from lama_server.logs import set_up_logs
set_up_logs(Path(sys.argv[1]), level="info", size=1 << 20, kept=1, console=False)
logging.getLogger().handlers[0].stream.close()
logging.getLogger().handlers[0].stream = open("/dev/full", "w")
for number in range(2000):
    logging.info("%d %s", number, "x" * 80)
print("done", flush=True)
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_a_full_disk_does_not_fill_the_console(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


CONSOLE = """
import logging, sys, time
from lama_server.console import ConsoleHandler
logging.basicConfig(level="INFO", handlers=[ConsoleHandler()])
begun = time.monotonic()
for number in range(20_000):
    logging.info("%d %s", number, "x" * 80)
print(time.monotonic() - begun, flush=True)
sys.stdin.readline()
"""


def test_console_that_does_not_read_does_not_hold_up_the_server() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CONSOLE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert float(process.stdout.readline()) < 20
    _, errors = process.communicate("\n", timeout=20)
    assert errors.startswith("INFO:root:0 x")


def test_console_gets_the_last_line() -> None:
    code = CONSOLE.replace("20_000", "3").replace("sys.stdin.readline()", "logging.shutdown()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1].startswith("INFO:root:2 x")


# The command


def test_command_shows_the_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path))
    assert main(["logs"]) == 2
    assert "no log yet" in capsys.readouterr().err
    (tmp_path / f"{LOG_NAME}.1").write_text("a\nb\n")
    (tmp_path / LOG_NAME).write_text("c\nd\n")
    assert main(["logs", "--lines", "3"]) == 0
    assert capsys.readouterr().out == "b\nc\nd\n"
    assert main(["logs", "-n", "0"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("lines", ["-1", "x"])
def test_command_refuses_bad_numbers(lines: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["logs", f"--lines={lines}"])
    assert "--lines" in capsys.readouterr().err


def test_following_goes_on_in_the_next_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs_command, "POLL_SECONDS", 0.01)
    path = tmp_path / LOG_NAME
    path.write_text("old\n")
    seen: list[str] = []

    def follow() -> None:
        for line in logs_command.follow(path):
            seen.append(line)
            if line == "last":
                return

    following = threading.Thread(target=follow, daemon=True)
    following.start()
    time.sleep(0.1)
    with path.open("a") as stream:
        stream.write("one\ntw")
        stream.flush()
        time.sleep(0.05)
        stream.write("o\n")
    os.replace(path, tmp_path / f"{LOG_NAME}.1")
    path.write_text("three\nlast\n")
    following.join(10)
    assert seen == ["one", "two", "three", "last"]


def test_parser_is_declared() -> None:
    parser = argparse.ArgumentParser()
    logs_command.add_parser(parser.add_subparsers())
    assert parser.parse_args(["logs", "-f"]).follow
