"""The models that `lama-fill models download` knows: where they are, and what exactly is there.

Only files whose SHA-256 is known are listed: nothing else tells a file from one that was tampered with.
Others can be fetched with a browser and installed with `lama-fill models import FILE`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lama_core.client.errors import LamaFillError

_LICENCE = (
    "LaMa's code is Apache-2.0; its authors have not said whether the released weights are under it too "
    "(github.com/advimman/lama, issue 366)"
)


class NotKnownError(LamaFillError):
    """No model of this name can be downloaded; the message lists those that can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A file of weights on the internet."""

    name: str
    """What it is installed as."""
    about: str
    origin: str
    """Who made it, and who keeps the file."""
    licence: str
    file: str
    """Its name, also where it is kept while it is being downloaded."""
    size: int
    """Bytes."""
    sha256: str
    mirrors: tuple[str, ...]
    """Addresses of the same file, in the order in which they are tried."""


KNOWN = (
    KnownModel(
        name="big-lama",
        about="the LaMa paper's large model, for photographs",
        origin="trained by the authors of LaMa (Suvorov et al., 2021); traced and kept by IOPaint's author",
        licence=_LICENCE,
        file="big-lama.pt",
        size=205_669_692,
        sha256="344c77bbcb158f17dd143070d1e789f38a66c04202311ae3a258ef66667a9ea9",
        mirrors=(
            "https://github.com/Sanster/models/releases/download/add_big_lama/big-lama.pt",
            "https://huggingface.co/gaspardbruno/BigLama/resolve/main/big-lama.pt",
        ),
    ),
    KnownModel(
        name="anime-manga-big-lama",
        about="big-lama trained on with anime and manga, for drawings",
        origin="trained by a third party from the LaMa authors' big-lama; kept by IOPaint's author",
        licence=_LICENCE,
        file="anime-manga-big-lama.pt",
        size=205_717_870,
        sha256="479d3afdcb7ed2fd944ed4ebcc39ca45b33491f0f2e43eb1000bd623cfb41823",
        mirrors=(
            "https://github.com/Sanster/models/releases/download/AnimeMangaInpainting/anime-manga-big-lama.pt",
        ),
    ),
)


def find_known(name: str) -> KnownModel:
    """The model of this name.

    Raises:
        NotKnownError: there is none; names those that there are.
    """
    for model in KNOWN:
        if model.name == name:
            return model
    names = ", ".join(model.name for model in KNOWN)
    raise NotKnownError(
        f"{name!r} cannot be downloaded by name (known: {names}); fetch its file with a browser and run "
        "`lama-fill models import FILE`"
    )
