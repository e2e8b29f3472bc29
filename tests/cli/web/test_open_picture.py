"""A picture of the command line: filled at full depth, kept, and saved beside the original."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray

from lama_cli.pictures import PictureError, read_picture
from lama_cli.web.open_picture import LostFillsError, OpenPicture, Patch
from lama_core.client.connection import Client, FillCancelledError
from lama_core.client.geometry import Rect
from lama_core.client.options import FillOptions
from tests.server.harness import ServerProcess

AT = Rect(20, 10, 30, 20)


@pytest.fixture
def server(start: Callable[..., ServerProcess]) -> Iterator[Client]:
    with start("echo").ready().connect() as client:
        yield client


def picture_file(path: Path, depth: int = 16, profile: str = "srgb") -> NDArray[np.generic]:
    """A file of smooth colours with a profile; returns its pixels."""
    rows, columns = np.mgrid[0:60, 0:80]
    most = 2**depth - 1
    planes = [(columns / 80), (rows / 60), (rows + columns) / 140]
    pixels = (np.stack(planes, axis=2) * most).astype(np.uint16 if depth == 16 else np.uint8)
    image = pyvips.Image.new_from_array(pixels).copy(interpretation="rgb16" if depth == 16 else "srgb")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", pyvips.Image.profile_load(profile))
    image.write_to_file(str(path))
    return pixels


def fill(picture: OpenPicture, server: Client, base: list[str], at: Rect = AT) -> list[Patch]:
    return picture.fill(
        base,
        np.full((at.height, at.width), 255, np.uint8),
        at,
        FillOptions(grow=0, feather=0),
        server=server,
        model="",
        progress=lambda stage, fraction: None,
        cancelled=lambda: False,
    )


@pytest.mark.parametrize("name", ["photo.png", "photo.tif"])
def test_16_bits_stay_16_bits(tmp_path: Path, server: Client, name: str) -> None:
    pixels = picture_file(tmp_path / name)
    picture = OpenPicture(tmp_path / name)
    assert picture.describe()["depth"] == 16
    [patch] = fill(picture, server, [])
    saved = picture.save([patch.name])
    assert saved.name == f"photo-filled{saved.suffix}"
    wanted = pixels.copy()
    hole = wanted[AT.y : AT.bottom, AT.x : AT.right]
    hole[:] = 65535 - hole
    written = read_picture(saved)
    assert (written.pixels == wanted).all()
    fields = {name for _kind, name, _value in written.metadata.fields}
    assert "icc-profile-data" in fields
    assert (read_picture(tmp_path / name).pixels == pixels).all(), "the original stays"


def test_a_fill_on_a_fill(tmp_path: Path, server: Client) -> None:
    pixels = picture_file(tmp_path / "photo.png")
    picture = OpenPicture(tmp_path / "photo.png")
    [one] = fill(picture, server, [])
    [two] = fill(picture, server, [one.name])
    # Inverted twice is as it was; what only the second one is made on is not.
    assert (read_picture(picture.save([one.name, two.name])).pixels == pixels).all()
    assert (read_picture(picture.save([])).pixels == pixels).all()
    first = read_picture(picture.save([one.name])).pixels
    assert (first != pixels).any()
    with pytest.raises(LostFillsError):
        picture.save([one.name, "another"])


def test_saving_replaces_what_it_saved_and_nothing_else(tmp_path: Path, server: Client) -> None:
    picture_file(tmp_path / "photo.png")
    (tmp_path / "photo-filled.png").write_bytes(b"somebody's own")
    picture = OpenPicture(tmp_path / "photo.png")
    [patch] = fill(picture, server, [])
    saved = picture.save([patch.name])
    assert saved == tmp_path / "photo-filled-2.png"
    assert picture.save([]) == saved
    assert (tmp_path / "photo-filled.png").read_bytes() == b"somebody's own"


def test_fills_come_back_to_a_new_command(tmp_path: Path, server: Client) -> None:
    picture_file(tmp_path / "photo.png")
    first = OpenPicture(tmp_path / "photo.png")
    [patch] = fill(first, server, [])
    wanted = read_picture(first.save([patch.name])).pixels
    second = OpenPicture(tmp_path / "photo.png")
    assert second.key == first.key
    with pytest.raises(LostFillsError) as lost:
        fill(second, server, [patch.name])
    assert lost.value.names == [patch.name]
    second.restore({patch.name: patch.full})
    assert (read_picture(second.save([patch.name])).pixels == wanted).all()
    with pytest.raises(PictureError, match="damaged"):
        second.restore({patch.name: patch.full + b"x"})
    other = tmp_path / "other.png"
    pyvips.Image.black(5, 5, bands=3).copy(interpretation="srgb").write_to_file(str(other))
    with pytest.raises(PictureError, match="another picture"):
        OpenPicture(other).restore({patch.name: patch.full})


def test_it_is_shown_in_srgb(tmp_path: Path, server: Client) -> None:
    pixels = picture_file(tmp_path / "photo.png")
    picture = OpenPicture(tmp_path / "photo.png")
    shown = pyvips.Image.new_from_buffer(picture.preview(), "").numpy()
    assert shown.dtype == np.uint8
    assert np.abs(shown.astype(int) - pixels // 257).max() <= 2
    [patch] = fill(picture, server, [])
    part = np.frombuffer(patch.shown, np.uint8).reshape(patch.rect.height, patch.rect.width, 3)
    inside = Rect(AT.x - patch.rect.x, AT.y - patch.rect.y, AT.width, AT.height)
    got = part[inside.y : inside.bottom, inside.x : inside.right].astype(int)
    assert np.abs(got - (255 - pixels[AT.y : AT.bottom, AT.x : AT.right] // 257)).max() <= 2


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["uchar", "ushort", "float"])
def test_every_form_is_shown(tmp_path: Path, channels: int, kind: str) -> None:
    white = {"uchar": 255, "ushort": 65535, "float": 1}[kind]
    interpretation = {
        "uchar": ("b-w", "srgb"),
        "ushort": ("grey16", "rgb16"),
        "float": ("b-w", "scrgb"),
    }[kind][channels >= 3]
    image = pyvips.Image.black(8, 6, bands=channels).linear(1, white).cast(kind)
    image.copy(interpretation=interpretation).write_to_file(str(tmp_path / "white.tif"))
    shown = pyvips.Image.new_from_buffer(OpenPicture(tmp_path / "white.tif").preview(), "").numpy()
    assert shown.shape == (6, 8, 4 if channels in (2, 4) else 3)
    assert (shown == 255).all()


def test_what_cannot_be_done_is_one_line(tmp_path: Path, server: Client) -> None:
    with pytest.raises(PictureError, match="cannot be read"):
        OpenPicture(tmp_path / "nothing.png")
    (tmp_path / "bad.png").write_bytes(b"no picture at all")
    with pytest.raises(PictureError):
        OpenPicture(tmp_path / "bad.png").describe()
    picture_file(tmp_path / "photo.png")
    picture = OpenPicture(tmp_path / "photo.png")
    with pytest.raises(PictureError, match="larger than the picture"):
        fill(picture, server, [], Rect(70, 50, 30, 30))
    with pytest.raises(FillCancelledError):
        picture.fill(
            [],
            np.full((20, 30), 255, np.uint8),
            AT,
            FillOptions(),
            server=server,
            model="",
            progress=lambda stage, fraction: None,
            cancelled=lambda: True,
        )
