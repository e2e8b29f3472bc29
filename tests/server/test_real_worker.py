"""The whole of it: `lama-fill serve`, its real worker, and a model."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from lama_core.client.connection import Client, ConnectionLostError, FillFailedError
from lama_core.client.protocol.messages import Fill, Preview, Result
from lama_core.fill import FillOptions, composite, fill_region
from lama_core.model.installed.load import load_generator
from tests.server.harness import ServerProcess, wait_until

Start = Callable[..., ServerProcess]


def _picture(height: int = 200, width: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], -1)
    hole = np.zeros((height, width), np.uint8)
    hole[80:110, 120:170] = 255
    return picture.astype(np.uint8), hole


def _send(
    client: Client, picture: np.ndarray, hole: np.ndarray, model: str = "", **options: object
) -> Result:
    return client.fill(
        Fill(
            width=picture.shape[1],
            height=picture.shape[0],
            format="rgb",
            depth="u8",
            pixels=picture.tobytes(),
            hole=hole.tobytes(),
            options=FillOptions(**options),  # type: ignore[arg-type]
            model=model,
        )
    )


def test_fill_through_the_server_is_the_fill(start: Start) -> None:
    picture, hole = _picture()
    server = start("real").ready()
    with server.connect() as client:
        names = [model.name for model in client.welcome.models]
        assert "tiny" in names
        assert client.welcome.default_model == "tiny"
        result = _send(client, picture, hole)
        status = client.status()
    assert (result.model, result.device) == ("tiny", status.workers[0].device)
    assert status.devices[0].name
    region = fill_region(picture, hole.astype(np.float32) / 255, load_generator("tiny"), FillOptions())
    assert (result.x, result.y, result.width, result.height) == (
        region.rect.x,
        region.rect.y,
        region.rect.width,
        region.rect.height,
    )
    pixels = np.frombuffer(result.pixels, np.uint8).reshape(region.pixels.shape)
    # The threads differ, and with them the order of sums.
    assert np.abs(pixels.astype(int) - region.pixels).max() <= 1
    assert bytes(result.blend) == np.rint(region.blend * 255).astype(np.uint8).tobytes()
    filled = composite(picture, region)
    assert (filled[:60] == picture[:60]).all()


def test_what_may_be_copied_goes_to_the_worker(start: Start) -> None:
    picture, hole = _picture()
    source = np.zeros_like(hole)
    source[:, :110] = 1
    server = start("real").ready()
    with server.connect() as client:
        sent = Fill(
            width=picture.shape[1],
            height=picture.shape[0],
            format="rgb",
            depth="u8",
            pixels=picture.tobytes(),
            hole=hole.tobytes(),
            source=source.tobytes(),
        )
        result = client.fill(sent)
        with pytest.raises(FillFailedError, match="what may be copied is in the hole"):
            client.fill(replace(sent, source=(hole > 0).astype(np.uint8).tobytes()))
    region = fill_region(picture, hole, load_generator("tiny"), FillOptions(), source=source)
    pixels = np.frombuffer(result.pixels, np.uint8).reshape(region.pixels.shape)
    assert np.abs(pixels.astype(int) - region.pixels).max() <= 1


def test_models_by_name(start: Start) -> None:
    picture, hole = _picture()
    server = start("real", "--preload", "no").up()
    with server.connect() as client:
        assert _send(client, picture, hole, model="tiny").model == "tiny"
        assert _send(client, picture, hole, model="compact").model == "compact"
        for name in ("huge", "../tiny", "\u00fc" * 100):
            with pytest.raises(FillFailedError) as refused:
                _send(client, picture, hole, model=name)
            assert refused.value.code == "unknown_model"
        assert _send(client, picture, hole).model == "tiny"


def test_model_file_that_is_damaged(start: Start, data_folder: Path, tmp_path: Path) -> None:
    """What the list of models shows as good may still fail when it is loaded."""
    good = (data_folder / "models" / "tiny.safetensors").read_bytes()
    path = data_folder / "models" / "bad.safetensors"
    header = int.from_bytes(good[:8], "little")
    path.write_bytes(good[: 8 + header].replace(b'"blocks.0.', b'"blacks.0.') + good[8 + header :])
    try:
        picture, hole = _picture()
        server = start("real").ready()
        with server.connect() as client:
            with pytest.raises(FillFailedError) as refused:
                _send(client, picture, hole, model="bad")
            assert refused.value.code == "model_failed"
            assert _send(client, picture, hole).model == "tiny"
    finally:
        path.unlink()


def test_worker_killed_in_the_middle_of_the_network(start: Start) -> None:
    picture, hole = np.zeros((2000, 2000, 3), np.uint8), np.zeros((2000, 2000), np.uint8)
    hole[900:1100, 900:1100] = 255
    server = start("real").ready()
    (worker,) = server.workers()
    with server.connect() as client:
        failed: list[tuple[str, float]] = []

        def fill() -> None:
            try:
                _send(client, picture, hole, context="whole")
            except FillFailedError as error:
                failed.append((error.code, time.monotonic()))

        filling = threading.Thread(target=fill)
        filling.start()
        wait_until(lambda: server.metric("lama_fill_running") == 1)
        time.sleep(0.3)
        os.kill(worker, signal.SIGKILL)
        killed = time.monotonic()
        filling.join(20)
        ((code, told),) = failed
        assert code == "device_lost"
        assert told - killed <= 1.0
        assert _send(client, *_picture()).model == "tiny"


def test_server_killed_in_the_middle_of_the_network(start: Start) -> None:
    picture, hole = np.zeros((2000, 2000, 3), np.uint8), np.zeros((2000, 2000), np.uint8)
    hole[900:1100, 900:1100] = 255
    server = start("real").ready()
    (worker,) = server.workers()
    with server.connect() as client:

        def fill() -> None:
            with pytest.raises(ConnectionLostError):
                _send(client, picture, hole, context="whole")

        filling = threading.Thread(target=fill)
        filling.start()
        wait_until(lambda: server.metric("lama_fill_running") == 1)
        server.end(signal.SIGKILL)
        wait_until(lambda: not psutil.pid_exists(worker), seconds=2, what="the worker's end")
        filling.join(20)
    again = start("real").ready()
    with again.connect() as client:
        assert _send(client, *_picture()).model == "tiny"


def test_server_killed_while_its_worker_starts(start: Start) -> None:
    server = start("real").up()
    (worker,) = wait_until(server.workers)
    server.end(signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(worker), seconds=2, what="the worker's end")


def test_server_ended_while_its_worker_starts(start: Start) -> None:
    server = start("real").up()
    (worker,) = wait_until(server.workers)
    begun = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() - begun <= 5
    assert not psutil.pid_exists(worker)


def test_device_that_is_not_there(start: Start) -> None:
    server = start("real", "--device", "cuda:77").up()
    with server.connect() as client:
        with pytest.raises(FillFailedError, match="set device to auto or cpu") as refused:
            _send(client, *_picture())
        assert refused.value.code == "model_failed"
        assert client.status().state == "degraded"


def test_preview_comes_before_the_result_and_changes_nothing(start: Start) -> None:
    picture, hole = _picture(400, 500)
    sent = Fill(
        width=500,
        height=400,
        format="rgb",
        depth="u8",
        pixels=picture.tobytes(),
        hole=hole.tobytes(),
        model="compact",
    )
    told: list[Preview] = []
    stages: list[tuple[str, int]] = []
    server = start("real").ready()
    with server.connect() as client:
        plain = client.fill(sent)
        result = client.fill(
            sent,
            on_preview=told.append,
            on_progress=lambda stage, fraction, position: stages.append((stage, len(told))),
        )
    assert (result.pixels, result.blend) == (plain.pixels, plain.blend)
    (preview,) = told
    assert ("filling", 1) in stages, "the fill went on after the preview"
    pixels = np.frombuffer(preview.pixels, np.uint8).reshape(preview.height, preview.width, 4)
    filled = np.frombuffer(result.pixels, np.uint8).reshape(result.height, result.width, 3)
    middle = filled[15 + 80 - result.y, 25 + 120 - result.x].astype(int)
    coarse = pixels[(15 + 80 - preview.y) // preview.scale, (25 + 120 - preview.x) // preview.scale]
    assert coarse[3] == 255
    # Red and green are slopes; blue has an edge in the hole.
    assert np.abs(coarse[:2] - middle[:2]).max() < 40


@pytest.mark.skipif(sys.platform != "linux", reason="the order in which Linux ends programs")
def test_worker_goes_first_when_memory_runs_out(start: Start) -> None:
    server = start("real").ready()
    (worker,) = server.workers()
    scores = [int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in (server.process.pid, worker)]
    assert scores[0] < scores[1] == 500
