"""Metadata: kept byte for byte, but for what still shows the picture as it was."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lama_cli.pictures import PictureError, read_picture, write_picture
from lama_cli.pictures.jpeg import insert_segments, read_segments
from lama_cli.pictures.png import insert_chunks, read_chunks

PIXELS = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
THUMBNAIL = b"\xff\xd8\xff\xe0" + b"secret thumbnail" + b"\xff\xd9"


def encoded(kind: str) -> bytes:
    stream = BytesIO()
    Image.fromarray(PIXELS).save(stream, kind)
    return stream.getvalue()


def through(path: Path) -> Path:
    """The file read and written again, as the same kind."""
    target = path.with_name(f"written{path.suffix}")
    write_picture(read_picture(path), target)
    return target


def exif_with_thumbnail(order: str = "<") -> bytes:
    """An orientation of 6 and a description, then a second directory with a JPEG."""
    text = b"a maker\0"
    first, second, texts = 8, 8 + 2 + 24 + 4, 8 + 2 + 24 + 4 + 2 + 24 + 4
    tiff = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, first)
    tiff += struct.pack(f"{order}H", 2)
    tiff += struct.pack(f"{order}HHII", 0x010F, 2, len(text), texts)
    tiff += struct.pack(f"{order}HHIHH", 0x0112, 3, 1, 6, 0)
    tiff += struct.pack(f"{order}I", second)
    tiff += struct.pack(f"{order}H", 2)
    tiff += struct.pack(f"{order}HHII", 0x0201, 4, 1, texts + len(text))
    tiff += struct.pack(f"{order}HHII", 0x0202, 4, 1, len(THUMBNAIL))
    return tiff + bytes(4) + text + THUMBNAIL


CHUNKS = [
    (b"gAMA", struct.pack(">I", 45_455)),
    (b"cHRM", struct.pack(">8I", *range(30_000, 30_008))),
    (b"pHYs", struct.pack(">IIB", 3780, 3781, 1)),
    (b"tIME", struct.pack(">HBBBBB", 2024, 2, 3, 4, 5, 6)),
    (b"tEXt", b"Caf\xe9\0Latin-1 \xfc stays"),
    (b"tEXt", b"Same\0one"),
    (b"tEXt", b"Same\0two"),
    (b"zTXt", b"Long\0\0" + zlib.compress(b"text " * 300_000)),
    (b"iTXt", b"Title\0\0\0de\0Titel\0" + "\u732b".encode()),
    (b"prVt", b"a private chunk"),
]


@pytest.mark.parametrize("chunk", CHUNKS, ids=lambda chunk: chunk[0].decode())
def test_a_chunk_of_a_png_is_kept_byte_for_byte(tmp_path: Path, chunk: tuple[bytes, bytes]) -> None:
    path = tmp_path / "a.png"
    plain = encoded("PNG")
    header = ((b"IHDR", plain[16:29], True),)
    path.write_bytes(insert_chunks(plain, [*header, (*chunk, True)]))
    chunks, _ = read_chunks(through(path), turned=False)
    assert [(kind, content) for kind, content, _ in chunks if kind != b"IHDR"] == [chunk]
    np.testing.assert_array_equal(read_picture(through(path)).pixels, PIXELS)


def test_all_chunks_stay_in_their_order_and_on_their_side_of_the_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    plain = encoded("PNG")
    placed = [(*chunk, number < 7) for number, chunk in enumerate(CHUNKS)]
    path.write_bytes(insert_chunks(plain, [(b"IHDR", plain[16:29], True), *placed]))
    before, _ = read_chunks(path, turned=False)
    after, _ = read_chunks(through(path), turned=False)
    assert [one for one in after if one[0] != b"IHDR"] == [one for one in before if one[0] != b"IHDR"]
    assert read_picture(path).transfer == "perceptual"


def test_no_chunk_is_invented(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded("PNG"))
    chunks, _ = read_chunks(through(path), turned=False)
    assert [kind for kind, _, _ in chunks] == [b"IHDR"]


def test_a_gamma_of_one_is_linear_light(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    plain = encoded("PNG")
    linear = [(b"IHDR", plain[16:29], True), (b"gAMA", struct.pack(">I", 100_000), True)]
    path.write_bytes(insert_chunks(plain, linear))
    assert read_picture(path).transfer == "linear"
    path.write_bytes(insert_chunks(plain, [*linear, (b"sRGB", b"\0", True)]))
    assert read_picture(path).transfer == "perceptual"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_thumbnail_in_exif_goes_and_all_else_stays(tmp_path: Path, kind: str, order: str) -> None:
    exif = exif_with_thumbnail(order)
    path = tmp_path / f"a.{kind.lower()}"
    Image.fromarray(PIXELS).save(path, exif=b"Exif\0\0" + exif)
    assert b"secret thumbnail" in path.read_bytes()
    read = read_picture(path)
    assert "its preview was left out" in read.note
    assert read.pixels.shape == (32, 24, 3)
    written = through(path)
    assert b"secret thumbnail" not in written.read_bytes()
    with Image.open(written) as image:
        assert image.getexif()[0x010F] == "a maker"
        assert image.getexif().get(0x0112) == (6 if kind == "JPEG" else 1)
        assert image.getexif().get_ifd(1) == {}


def test_a_raw_profile_of_imagemagick_has_no_thumbnail_either(tmp_path: Path) -> None:
    exif = b"Exif\0\0" + exif_with_thumbnail()
    text = b"\nexif\n" + b"%8d\n" % len(exif) + exif.hex().encode() + b"\n"
    chunk = (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text), True)
    path = tmp_path / "a.png"
    plain = encoded("PNG")
    path.write_bytes(insert_chunks(plain, [(b"IHDR", plain[16:29], True), chunk]))
    chunks, _ = read_chunks(through(path), turned=False)
    kept = zlib.decompress(chunks[-1][1].partition(b"\0\0")[2])
    assert b"secret thumbnail".hex().encode() in text
    assert b"secret thumbnail".hex().encode() not in kept.replace(b"\n", b"")


def jpeg_with(path: Path, *segments: tuple[bytes, bytes], after: bytes = b"") -> Path:
    path.write_bytes(insert_segments(encoded("JPEG"), [(*segment, True) for segment in segments]) + after)
    return path


def test_segments_of_a_jpeg_are_kept_byte_for_byte(tmp_path: Path) -> None:
    segments = [
        (b"\xff\xe0", b"JFIF\0\1\1\1\0\x48\0\x48\0\0"),
        (b"\xff\xe1", b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>caf\xc3\xa9</x:xmpmeta>"),
        (b"\xff\xe2", b"ICC_PROFILE\0\1\1" + bytes(200)),
        (b"\xff\xed", b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\4iptc"),
        (b"\xff\xec", b"Ducky\0\1"),
        (b"\xff\xfe", b"a comment \xe9"),
    ]
    path = jpeg_with(tmp_path / "a.jpg", *segments)
    kept, found = read_segments(through(path).read_bytes())
    assert [(marker, content) for marker, content, _ in kept] == segments
    assert not found
    assert read_picture(path).note == ""


@pytest.mark.parametrize(
    ("marker", "content"),
    [
        (b"\xff\xe0", b"JFIF\0\1\1\1\0\x48\0\x48\2\2secret 12345"),
        (b"\xff\xe0", b"JFXX\0\x10secret"),
        (b"\xff\xe2", b"MPF\0secret"),
        (b"\xff\xe2", b"urn:iso:std:iso:ts:21496:-1\0secret"),
        (b"\xff\xe1", b"http://ns.adobe.com/xmp/extension/\0secret"),
        (b"\xff\xe1", b"http://ns.adobe.com/xap/1.0/\0<a><xmp:Thumbnails>secret</xmp:Thumbnails></a>"),
        (b"\xff\xe1", b'http://ns.adobe.com/xap/1.0/\0<a GDepth:Data="secret" b="c"/>'),
        (b"\xff\xed", b"Photoshop 3.0\x008BIM\x04\x0c\0\0\0\0\0\6secret"),
    ],
)
def test_what_shows_the_picture_as_it_was_is_left_out(tmp_path: Path, marker: bytes, content: bytes) -> None:
    path = jpeg_with(tmp_path / "a.jpg", (marker, content))
    assert b"secret" in path.read_bytes()
    assert "its preview was left out" in read_picture(path).note
    assert b"secret" not in through(path).read_bytes()


def test_a_second_picture_behind_the_first_is_left_out(tmp_path: Path) -> None:
    path = jpeg_with(tmp_path / "a.jpg", after=encoded("JPEG"))
    assert path.read_bytes().count(b"\xff\xd8\xff") == 2
    assert "its preview was left out" in read_picture(path).note
    assert through(path).read_bytes().count(b"\xff\xd8\xff") == 1


def test_a_jpeg_without_its_end_is_read_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded("JPEG")[:-2])
    read = read_picture(path)
    assert "lacks its end" in read.note
    with Image.open(BytesIO(encoded("JPEG"))) as image:
        np.testing.assert_allclose(read.pixels, np.asarray(image), atol=2)
    path.write_bytes(encoded("JPEG")[:-200])
    with pytest.raises(PictureError, match="damaged"):
        read_picture(path)


def test_an_animation_says_that_one_picture_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    frames = [Image.fromarray(np.full((8, 9, 3), level, np.uint8)) for level in (10, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert "is an animation, only its first picture was taken" in read_picture(path).note
    chunks, _ = read_chunks(through(path), turned=False)
    assert {kind for kind, _, _ in chunks} == {b"IHDR"}
