"""A node's copies of models."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from pathlib import Path

import pytest

from lama_core.model.installed.registry import built_in_path
from lama_server.cluster.node_models import ModelCopy, ModelCopyError, model_on_node

DATA = b"weights" * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def _node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMA_FILL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LAMA_FILL_DATA_DIR", str(tmp_path / "data"))


def test_workers_of_a_node_fetch_a_model_once() -> None:
    calls: list[int] = []
    got: list[tuple[Path, bool]] = []

    def fetch() -> bytes:
        calls.append(1)
        time.sleep(0.1)
        return DATA

    def work() -> None:
        got.append(model_on_node("mine", ModelCopy(sha256=SHA256, fetch=fetch)))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert sorted(fetched for _, fetched in got) == [False] * 5 + [True]
    assert {path.read_bytes() for path, _ in got} == {DATA}


def test_what_arrives_damaged_is_not_kept_and_what_was_damaged_later_is_fetched_again() -> None:
    with pytest.raises(ModelCopyError, match="damaged"):
        model_on_node("mine", ModelCopy(sha256=SHA256, fetch=lambda: DATA[:-1]))
    copy = ModelCopy(sha256=SHA256, fetch=lambda: DATA)
    path, fetched = model_on_node("mine", copy)
    assert fetched
    path.write_bytes(DATA[1:])
    assert model_on_node("mine", copy) == (path, True)
    assert path.read_bytes() == DATA


def test_a_model_that_the_node_has_itself_is_not_fetched(tmp_path: Path) -> None:
    def fetch() -> bytes:
        raise AssertionError("not needed")

    sha256 = hashlib.sha256(built_in_path().read_bytes()).hexdigest()
    assert model_on_node("compact", ModelCopy(sha256=sha256, fetch=fetch)) == (built_in_path(), False)
    # One of the same name that is another file is not taken for it.
    (tmp_path / "data/models").mkdir(parents=True)
    shutil.copy(built_in_path(), tmp_path / "data/models/mine.safetensors")
    path, fetched = model_on_node("mine", ModelCopy(sha256=SHA256, fetch=lambda: DATA))
    assert fetched
    assert path.read_bytes() == DATA


def test_a_disk_that_takes_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(ModelCopyError, match="make room there"):
        model_on_node("mine", ModelCopy(sha256=SHA256, fetch=lambda: DATA))
