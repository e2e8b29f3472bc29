"""TIFF: tags are kept value for value, and channels mean what the file says."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lama_cli.pictures import PictureError, check_output, read_picture, write_picture
from lama_cli.pictures.samples import join
from lama_cli.pictures.tiff import read_extra_samples, read_tags
from lama_cli.pictures.tiff_tags import Entry
from lama_cli.pictures.tiff_writing import insert_tags

JPEG = b"\xff\xd8\xff\xe0" + b"secret thumbnail" + b"\xff\xd9"
LETTERS = {1: "B", 2: "s", 3: "H", 4: "I", 5: "I", 7: "s", 12: "d", 13: "I", 16: "Q"}

#: Tag, type and values; a list is a directory.
Tags = list[tuple[int, int, object]]


def made(pixels: np.ndarray, tags: Tags, *, order: str = "<", big: bool = False) -> bytes:
    """A TIFF file of one strip without compression."""
    height, width, channels = pixels.shape
    data = pixels.astype(f"{order}{pixels.dtype.str[1:]}").tobytes()
    head = 16 if big else 8
    structure: Tags = [
        (256, 3, [width]),
        (257, 3, [height]),
        (258, 3, [8 * pixels.itemsize] * channels),
        (259, 3, [1]),
        (262, 3, [2 if channels > 2 else 1]),
        (273, 4, [head]),
        (277, 3, [channels]),
        (278, 3, [height]),
        (279, 4, [len(data)]),
        (339, 3, [3 if pixels.dtype.kind == "f" else 1] * channels),
    ]
    mine = {tag for tag, _, _ in tags}
    everything = sorted((*tags, *(one for one in structure if one[0] not in mine)), key=lambda one: one[0])
    body = data + bytes(len(data) % 2)
    magic = b"II" if order == "<" else b"MM"
    start = head + len(body)
    if big:
        magic += struct.pack(f"{order}HHHQ", 43, 8, 0, start)
    else:
        magic += struct.pack(f"{order}HI", 42, start)
    return magic + body + directory(everything, start, order, big=big)


def directory(tags: Tags, start: int, order: str, *, big: bool) -> bytes:
    count, pointer, inline, size = ("Q", "Q", 8, 20) if big else ("H", "I", 4, 12)
    behind = b""
    table = struct.pack(f"{order}{count}", len(tags))
    end = start + len(table) + size * len(tags) + inline
    for tag, kind, values in tags:
        place = end + len(behind)
        if isinstance(values, list) and values and isinstance(values[0], tuple):
            behind += directory(values, place, order, big=big)
            number, value = 1, struct.pack(f"{order}I", place)
        elif isinstance(values, bytes):
            number, value = len(values), values
        else:
            assert isinstance(values, list)
            number = len(values) // (2 if kind == 5 else 1)
            value = struct.pack(f"{order}{len(values)}{LETTERS[kind]}", *values)
        if len(value) > inline:
            behind += value
            value = struct.pack(f"{order}{pointer}", place)
        table += struct.pack(f"{order}HH{pointer}", tag, kind, number) + value.ljust(inline, b"\0")
    return table + struct.pack(f"{order}{pointer}", 0) + behind


def values(dtype: str, channels: int) -> np.ndarray:
    random = np.random.default_rng(0)
    if dtype == "float32":
        return random.random((20, 30, channels), np.float32)
    return random.integers(0, np.iinfo(dtype).max, (20, 30, channels), dtype, endpoint=True)


KEPT: Tags = [
    (270, 2, "Großmutter, 1952".encode() + b"\0"),
    (271, 2, b"Nikon\0"),
    (272, 2, b"D850\0"),
    (282, 5, [600, 1]),
    (283, 5, [300, 1]),
    (296, 3, [2]),
    (305, 2, b"VueScan\0"),
    (306, 2, b"2020:01:02 03:04:05\0"),
    (315, 2, b"Anna\0"),
    (33432, 2, b"(c) Anna\0"),
    (33550, 12, [10.0, 10.0, 0.0]),
    (33723, 7, b"\x1c\x02\x05\0\x03abc"),
    (33922, 12, [0.0, 0.0, 0.0, 500000.0, 6000000.0, 0.0]),
    (34665, 4, [(33434, 5, [1, 125]), (36867, 2, b"2020:01:02 03:04:05\0"), (40965, 4, [(1, 2, b"R98\0")])]),
    (34735, 3, [1, 1, 0, 1, 1024, 0, 1, 1]),
    (34736, 12, [0.5]),
    (34737, 2, b"WGS 84|\0"),
    (34853, 4, [(0, 1, [2, 3, 0, 0]), (2, 5, [52, 1, 30, 1, 0, 1])]),
    (42112, 2, b"<GDALMetadata/>\0"),
    (42113, 2, b"-9999\0"),
    (65000, 4, [2**31, 3]),
    (65001, 7, b"private"),
]


def as_entries(tags: Tags) -> dict[int, Entry]:
    """What `read_tags` is to find: little endian."""
    entries = {}
    for tag, kind, value in tags:
        if isinstance(value, list) and isinstance(value[0], tuple):
            inner = tuple(as_entries(value).values())
            entries[tag] = Entry(tag=tag, kind=4, directory=inner)
        elif isinstance(value, bytes):
            entries[tag] = Entry(tag=tag, kind=kind, value=value)
        else:
            assert isinstance(value, list)
            packed = struct.pack(f"<{len(value)}{LETTERS[kind]}", *value)
            entries[tag] = Entry(tag=tag, kind=kind, value=packed)
    return entries


def tags_of(path: Path) -> dict[int, Entry]:
    return {entry.tag: entry for entry in read_tags(path, turned=False)[0]}


def through(path: Path) -> Path:
    target = path.with_name("written.tif")
    write_picture(read_picture(path), target)
    return target


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_every_tag_that_does_not_describe_pixels_is_kept(tmp_path: Path, order: str, *, big: bool) -> None:
    path = tmp_path / "a.tif"
    pixels = values("uint16", 3)
    path.write_bytes(made(pixels, KEPT, order=order, big=big))
    written = through(path)
    assert tags_of(written) == as_entries(KEPT)
    np.testing.assert_array_equal(read_picture(written).pixels, pixels)


def test_another_reader_finds_the_same_tags(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pixels = values("uint8", 3)
    path.write_bytes(made(pixels, KEPT, order=">"))
    with Image.open(through(path)) as image:
        assert image.tag_v2[315] == "Anna"
        assert image.tag_v2[33922] == (0.0, 0.0, 0.0, 500000.0, 6000000.0, 0.0)
        assert image.tag_v2[282] == 600
        exif = image.getexif()
        assert exif.get_ifd(34665)[36867] == "2020:01:02 03:04:05"
        assert exif.get_ifd(34853)[2] == (52.0, 30.0, 0.0)
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_tags_go_into_a_big_file_too(tmp_path: Path) -> None:
    entries = tuple(as_entries(KEPT).values())
    (tmp_path / "a.tif").write_bytes(insert_tags(made(values("uint8", 3), [], big=True), entries))
    assert tags_of(tmp_path / "a.tif") == as_entries(KEPT)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, values("uint8", 3))


def test_numbers_of_64_bits_stay_in_a_big_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(made(values("uint8", 3), [(65000, 16, [2**40, 3])], order=">", big=True))
    written = through(path)
    assert written.read_bytes()[2] == 43
    assert tags_of(written)[65000] == Entry(tag=65000, kind=16, value=struct.pack("<2Q", 2**40, 3))


def test_no_tag_is_invented(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(made(values("uint8", 3), []))
    assert tags_of(through(tmp_path / "a.tif")) == {}


def test_a_turned_picture_is_upright_and_its_resolutions_change_places(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(made(values("uint8", 3), [(274, 3, [6]), (282, 5, [600, 1]), (283, 5, [300, 1])]))
    written = through(path)
    back = read_picture(written)
    assert (back.orientation, back.pixels.shape) == (1, (30, 20, 3))
    found = tags_of(written)
    assert struct.unpack("<II", found[282].value) == (300, 1)
    assert struct.unpack("<II", found[283].value) == (600, 1)


RESOURCE = b"8BIM" + struct.pack(">HHI", 1036, 0, len(JPEG)) + JPEG + bytes(len(JPEG) % 2)
OTHER = b"8BIM" + struct.pack(">HHI", 1005, 0, 4) + b"kept"
SHOWN: Tags = [
    (330, 4, [(256, 3, [1]), (257, 3, [1]), (273, 7, JPEG)]),
    (700, 1, list(b"<x><xmp:Thumbnails>secret thumbnail</xmp:Thumbnails></x>")),
    (34377, 7, OTHER + RESOURCE),
    (34665, 4, [(37500, 7, b"Maker" + JPEG + b"Note")]),
    (37724, 7, b"Adobe Photoshop Document Data Block\0secret thumbnail"),
    (65001, 7, b"own" + JPEG),
]


@pytest.mark.parametrize("shown", SHOWN, ids=[str(tag) for tag, _, _ in SHOWN])
def test_no_picture_of_what_was_removed_stays(tmp_path: Path, shown: tuple[int, int, object]) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(made(values("uint8", 3), [(315, 2, b"Anna\0"), shown]))
    assert b"secret" in path.read_bytes()
    assert "its preview was left out" in read_picture(path).note
    written = through(path)
    assert b"secret" not in written.read_bytes()
    assert tags_of(written)[315].value == b"Anna\0"


def test_what_is_beside_a_picture_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(made(values("uint8", 3), SHOWN))
    found = tags_of(through(path))
    assert found[34377].value == OTHER
    assert found[700].value == b"<x></x>"
    assert found[34665].directory[0].value == b"Maker" + bytes(len(JPEG)) + b"Note"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("channels", "extra", "shown"),
    [
        (2, [0], 1),
        (4, [0], 3),
        (6, [0, 0, 0], 3),
        (5, [0, 2], 4),
        (5, [2, 0], 4),
        (4, [1], 4),
        (6, [0, 1, 0], 4),
    ],
)
def test_channels_stay_what_the_file_calls_them(
    tmp_path: Path, order: str, dtype: str, channels: int, extra: list[int], shown: int
) -> None:
    path = tmp_path / "a.tif"
    stored = values(dtype, channels)
    if 1 in extra:
        stored[:10, :, -len(extra) + extra.index(1)] = 0
    path.write_bytes(made(stored, [(338, 3, extra)], order=order))
    read = read_picture(path)
    assert read.pixels.shape == (20, 30, shown)
    read.pixels[4:7, 4:9] = 1
    written = tmp_path / "written.tif"
    write_picture(read, written)
    assert read_extra_samples(written) == tuple(extra)
    back = read_picture(written)
    assert back.samples is not None
    outside = np.ones((20, 30), bool)
    outside[4:7, 4:9] = False
    assert back.samples.stored[outside].tobytes() == stored[outside].tobytes()
    if read.has_alpha or shown == channels:
        assert (back.samples.stored[~outside] != stored[~outside]).any()
    plain = [channels - len(extra) + n for n, kind in enumerate(extra) if kind == 0]
    np.testing.assert_array_equal(back.samples.stored[:, :, plain], stored[:, :, plain])
    if 1 not in extra:
        np.testing.assert_array_equal(back.pixels, read.pixels)


@pytest.mark.parametrize("channels", [2, 4])
def test_gray_with_extra_channels_stays_gray(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "a.tif"
    stored = values("uint16", channels)
    path.write_bytes(made(stored, [(262, 3, [1]), (338, 3, [0] * (channels - 1))]))
    assert read_picture(path).pixels.shape == (20, 30, 1)
    back = read_picture(through(path))
    assert back.pixels.shape == (20, 30, 1)
    assert back.samples is not None
    np.testing.assert_array_equal(back.samples.stored, stored)


def test_colours_are_divided_by_associated_alpha(tmp_path: Path) -> None:
    stored = np.full((4, 4, 4), (50, 20, 0, 100), np.uint8)
    (tmp_path / "a.tif").write_bytes(made(stored, [(338, 3, [1])]))
    read = read_picture(tmp_path / "a.tif")
    assert tuple(read.pixels[0, 0]) == (128, 51, 0, 100)
    read.pixels[1, 1] = (100, 200, 255, 51)
    assert read.samples is not None
    assert tuple(join(read.pixels, read.samples)[1, 1]) == (20, 40, 51, 51)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_a_kind_without_a_place_for_a_channel_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.tif").write_bytes(made(values("uint8", 4), [(338, 3, [0])]))
    read = read_picture(tmp_path / "a.tif")
    assert "neither colour nor transparency (1): they stay" in read.note
    with pytest.raises(PictureError, match="no place for a channel that is neither") as caught:
        check_output(tmp_path / name, read.pixels, changed=[], extra_channels=read.extra_channels)
    assert "\n" not in str(caught.value)
    with pytest.raises(PictureError, match="no place for"):
        write_picture(read, tmp_path / name)
    check_output(tmp_path / "b.tif", read.pixels, changed=[], extra_channels=read.extra_channels)


def test_a_private_tag_full_of_beginnings_of_pictures_comes_to_an_end(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    value = JPEG[:4] * 1_000_000
    path.write_bytes(made(values("uint8", 3), [(65001, 7, value)]))
    assert tags_of(path)[65001].value == value


def test_a_directory_that_holds_itself_comes_to_an_end(tmp_path: Path) -> None:
    pixels = values("uint8", 3)
    start = 8 + pixels.size
    (tmp_path / "a.tif").write_bytes(made(pixels, [(34665, 4, [start]), (34853, 4, [start])]))
    assert set(tags_of(through(tmp_path / "a.tif"))) <= {34665, 34853}


WHOLE = made(values("uint8", 3), [*KEPT, *(one for one in SHOWN if one[0] not in (34665, 65001))])


@settings(deadline=None, max_examples=150)
@given(
    changes=st.lists(
        st.tuples(st.integers(1800, len(WHOLE) - 1) | st.integers(0, 8), st.integers(0, 255)), max_size=12
    ),
    length=st.integers(0, len(WHOLE)) | st.just(len(WHOLE)),
)
def test_a_damaged_directory_is_read_as_far_as_it_goes(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(WHOLE)
    for at, value in changes:
        data[at] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tif"
        path.write_bytes(data[:length])
        entries, _ = read_tags(path, turned=False)
        read_extra_samples(path)
        path.write_bytes(insert_tags(made(values("uint8", 3), []), entries))
        assert {entry.tag: entry for entry in entries} == tags_of(path)


@settings(deadline=None, max_examples=100)
@given(
    data=st.binary(max_size=400),
    head=st.sampled_from([b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0", b""]),
)
def test_any_bytes_have_bounded_tags(data: bytes, head: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tif"
        path.write_bytes(head + data)
        entries, _ = read_tags(path, turned=True)
        assert sum(len(entry.value) for entry in entries) <= len(head + data)
