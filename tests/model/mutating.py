"""Files of weights in every form, changed, and what loading makes of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import safetensors.torch

from lama_core.model.checkpoint import CheckpointError
from lama_core.model.installed.load import load_generator
from tests.model import files
from tests.model.reference_official import FFCResNetGenerator, random_official

FORMS: dict[str, Callable[[Path, FFCResNetGenerator], object]] = {
    "zip": files.save_lightning,
    "legacy": lambda path, official: files.save_lightning(path, official, legacy=True),
    "torchscript": files.save_torchscript,
    "safetensors": lambda path, official: safetensors.torch.save_file(official.state_dict(), path),
    "official zip": lambda path, official: files.zip_folder(
        files.save_folder(path.parent / "lama", official), path
    ),
}


def small_samples(folder: Path) -> dict[str, bytes]:
    """A small model in each form."""
    official = random_official(ngf=4, n_blocks=1)
    found = {}
    for form, write in FORMS.items():
        place = folder / form
        place.mkdir()
        write(place / "x.weights", official)
        found[form] = (place / "x.weights").read_bytes()
    return found


def survives(path: Path, data: bytes) -> bool:
    """Load what may be anything; whether it loaded."""
    path.write_bytes(data)
    try:
        load_generator(path)
    except CheckpointError as error:
        message = str(error)
    else:
        return True
    assert message.isprintable(), repr(message)
    return False


def mutate(data: bytes, chance: random.Random) -> bytes:
    """One to eight changes, most of them where the structure is: at both ends, and around names."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        place = chance.choice(("anywhere", "start", "end", "name"))
        at = chance.randrange(len(changed))
        if place == "start":
            at = chance.randrange(min(4000, len(changed)))
        elif place == "end":
            at = len(changed) - 1 - chance.randrange(min(8000, len(changed)))
        elif place == "name":
            at = max(0, changed.find(chance.choice((b"model", b"torch", b"PK", b"storage", b"data")), at))
        match chance.choice(("flip", "byte", "extreme", "cut", "drop", "repeat")):
            case "flip":
                changed[at] ^= 1 << chance.randrange(8)
            case "byte":
                changed[at] = chance.randrange(256)
            case "extreme":
                changed[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f"))
            case "cut":
                del changed[at + 1 :]
            case "drop":
                del changed[at : at + chance.randrange(1, 40)]
            case "repeat":
                changed[at:at] = changed[at : at + chance.randrange(1, 200)]
        if not changed:
            return b""
    return bytes(changed)
