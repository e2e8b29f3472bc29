from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import NoReturn

import pytest

from lama_cli.web.opening import opened_in_browser


def test_an_interrupt_while_the_browser_is_opened_leaves_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(address: str) -> NoReturn:
        assert list(tmp_path.iterdir()), "the file is there by now"
        raise KeyboardInterrupt

    monkeypatch.setattr(webbrowser, "open", interrupted)
    with pytest.raises(KeyboardInterrupt), opened_in_browser("http://127.0.0.1:1/#secret", tmp_path):
        pass
    assert not list(tmp_path.iterdir())
