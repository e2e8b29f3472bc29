"""`lama-fill batch` on a Ray cluster, and with folders that are elsewhere."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from lama_cli import main
from tests.server.cluster.cluster import ThreeNodes

pytest.importorskip("ray", reason="needs ray: pip install 'lama-fill[ray]'")

COUNT = 24


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeNodes]:
    with ThreeNodes(tmp_path_factory.mktemp("nodes"), count=2) as nodes:
        yield nodes


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (60, 80, 3), np.uint8)


def hole() -> np.ndarray:
    mask = np.zeros((60, 80), np.uint8)
    mask[20:32, 30:45] = 255
    return mask


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for seed in range(COUNT):
        Image.fromarray(pixels(seed)).save(folder / f"{seed:03}.png")
        Image.fromarray(hole()).save(folder / f"{seed:03}_mask.png")
    return folder


def on_cluster(cluster: ThreeNodes, folder: str, output: str, weights: Path) -> list[str]:
    where = ["--engine", "ray", "--address", cluster.address, "--worker-cpus", "1", "--model", str(weights)]
    return ["batch", folder, "-o", output, "--quality", "fast", *where]


def start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lama_cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def manifest(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / ".lama-fill-batch.jsonl").read_text().splitlines()[1:]]


def actors() -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any("BatchActor" in part for part in process.info["cmdline"] or ())
    ]


def wait_for_some(folder: Path, process: subprocess.Popen[str], count: int) -> None:
    until = time.monotonic() + 90
    while len(list(folder.glob("*.png"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_batch_that_is_killed_goes_on_where_it_was_and_a_worker_that_dies_costs_nothing(
    cluster: ThreeNodes, pictures: Path, tmp_path: Path, weights: Path
) -> None:
    (pictures / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (pictures / "bad_mask.png").write_bytes((pictures / "000_mask.png").read_bytes())
    output = tmp_path / "out"
    arguments = on_cluster(cluster, str(pictures), str(output), weights)
    first = start(arguments)
    wait_for_some(output, first, 3)
    first.kill()
    first.communicate()
    before = {path.name: path.stat().st_mtime_ns for path in output.glob("*.png")}
    assert 3 <= len(before) < COUNT
    assert all(Image.open(output / name).size == (80, 60) for name in before), "no half of a file"

    second = start(arguments)
    wait_for_some(output, second, len(before) + 1)
    for process in actors()[:1]:
        process.send_signal(signal.SIGKILL)
    out, err = second.communicate(timeout=120)
    assert second.returncode == 1, err
    assert f"{len(before)} there already" in out
    assert f"{COUNT - len(before)} filled" in out
    assert "a minute" in out
    assert "1 failed" in out
    assert "not filled" in err, "the table"
    assert "bad.png" in err
    after = {path.name: path.stat().st_mtime_ns for path in output.glob("*.png")}
    assert len(after) == COUNT
    assert before.items() <= after.items(), "what was there was not made again"
    done = [entry["output"] for entry in manifest(output) if not entry["error"]]
    assert len(done) == len(set(done)) >= COUNT - 3
    assert {entry["picture"] for entry in manifest(output) if entry["error"]} == {str(pictures / "bad.png")}

    # The same as here, bit for bit; one thread, one precision.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    here = tmp_path / "here"
    for name in ("bad.png", "bad_mask.png"):
        (pictures / name).unlink()
    local = [
        "batch",
        str(pictures),
        "-o",
        str(here),
        "--quality",
        "fast",
        "--no-server",
        "--model",
        str(weights),
    ]
    subprocess.run(
        [sys.executable, "-m", "lama_cli", *local], env=environment, check=True, capture_output=True
    )
    for path in here.iterdir():
        assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(output / path.name))), (
            path.name
        )


def test_frames_on_a_cluster_are_those_of_this_machine(
    cluster: ThreeNodes, tmp_path: Path, weights: Path
) -> None:
    """Each by its own number, whichever worker fills it: the grain moves as it does here, bit for bit."""
    folder = tmp_path / "in"
    folder.mkdir()
    smooth = np.linspace(60, 190, 80)[None, :, None]
    frame = (smooth + np.random.default_rng(3).normal(0, 12, (60, 80, 3))).clip(0, 255).astype(np.uint8)
    for number in (8, 9, 10, 11):
        Image.fromarray(frame).save(folder / f"shot_{number}.png")
    Image.fromarray(hole()).save(tmp_path / "mask.png")
    how = ["--mask", str(tmp_path / "mask.png"), "--frames", "--seed", "5"]
    output = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "lama_cli", *on_cluster(cluster, str(folder), str(output), weights), *how],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "4 filled" in done.stdout
    here = ["batch", str(folder), "-o", str(tmp_path / "here"), "--quality", "fast", "--no-server"]
    subprocess.run(
        [sys.executable, "-m", "lama_cli", *here, "--model", str(weights), *how],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    frames = [np.asarray(Image.open(output / f"shot_{number}.png")) for number in (8, 9, 10, 11)]
    for number, pixels_there in zip((8, 9, 10, 11), frames, strict=True):
        assert np.array_equal(pixels_there, np.asarray(Image.open(tmp_path / "here" / f"shot_{number}.png")))
    inside = hole() > 0
    assert all((one != frames[0])[inside].mean() > 0.5 for one in frames[1:])
    assert all((one == frames[0])[:10].all() for one in frames)


def test_a_batch_with_other_options_does_not_go_on_with_the_first_ones(
    cluster: ThreeNodes, pictures: Path, tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    head = {"lama_fill_batch": 1, "options": {"quality": "best"}}
    (output / ".lama-fill-batch.jsonl").write_text(json.dumps(head) + "\n")
    assert main(on_cluster(cluster, str(pictures), str(output), weights)) == 2
    assert "that of a batch with other options" in capsys.readouterr().err


def test_a_cluster_whose_nodes_are_too_small_is_said_so(
    cluster: ThreeNodes, pictures: Path, tmp_path: Path, weights: Path
) -> None:
    """Ray itself waits for a larger one, without a word."""
    arguments = on_cluster(cluster, str(pictures), str(tmp_path / "out"), weights)
    arguments[arguments.index("--worker-cpus") + 1] = "2"
    process = start(arguments)
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
    finally:
        process.kill()
        process.communicate()
    assert "no node of the Ray cluster has 2 CPUs for a worker" in said
    assert "or give --worker-cpus 1" in said


def test_without_a_cluster_at_the_address_one_line_says_so(
    pictures: Path, tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        where = ["--engine", "ray", "--address", f"127.0.0.1:{port}", "--model", str(weights)]
        assert main(["batch", str(pictures), "-o", str(tmp_path / "out"), *where]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no Ray cluster answers at 127.0.0.1" in said


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of an S3 that is on this machine."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("s3fs")
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir("pictures")
    yield "s3://pictures"
    server.stop()


@pytest.mark.parametrize("kind", ["memory", "s3"])
def test_folders_that_are_elsewhere(
    kind: str,
    tmp_path: Path,
    weights: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fsspec = pytest.importorskip("fsspec")
    root = request.getfixturevalue("bucket") if kind == "s3" else "memory://pictures"
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "run"))
    here = tmp_path / "here"
    here.mkdir()
    files = fsspec.filesystem(kind)
    for seed in range(3):
        for name, image in ((f"{seed}.png", pixels(seed)), (f"{seed}_mask.png", hole())):
            Image.fromarray(image).save(here / name)
            files.put_file(str(here / name), f"{root}/in/{name}")
    options = ["--quality", "fast", "--no-server", "--model", str(weights)]
    assert main(["batch", f"{root}/in", *options]) == 0
    assert f"{root}/in-filled: 3 filled" in capsys.readouterr().out
    assert main(["batch", str(here), "-o", str(tmp_path / "local"), *options]) == 0
    for seed in range(3):
        there = tmp_path / f"there-{seed}.png"
        files.get_file(f"{root}/in-filled/{seed}.png", str(there))
        assert there.read_bytes() == (tmp_path / "local" / f"{seed}.png").read_bytes()
    assert main(["batch", f"{root}/in", *options]) == 0
    assert "3 there already" in capsys.readouterr().out
    files.rm(f"{root}/in-filled/1.png")
    assert main(["batch", f"{root}/in", *options]) == 0
    assert "1 filled" in capsys.readouterr().out


def test_an_address_that_nothing_knows_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", "nonsense://here/in"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
