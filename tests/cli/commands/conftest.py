"""What the tests of commands share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lama_cli import main
from tests.cli.commands.batches import Run


@pytest.fixture
def batch(tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs `lama-fill batch` in the test's folder, in this process, with the model of random weights."""

    def command(*arguments: str) -> tuple[int, str, str]:
        status = main(["batch", *arguments, "--model", str(weights)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setenv("LAMA_FILL_DATA_DIR", str(tmp_path / "data"))
        patch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "runtime"))
        yield command
