"""The compiled library and its C interface (`src/api.h`), by ctypes alone.

Importing this needs neither torch nor numpy. Addresses are plain integers: whoever calls keeps alive what
they point to, in the shapes that `src/api.h` asks for. Calls release the GIL.
"""

from __future__ import annotations

import ctypes
import enum
import os
from pathlib import Path

__all__ = [
    "CUT_SCRATCH",
    "EXPAND_SCRATCH",
    "MAX_MAPS",
    "MAX_SIDE",
    "NEAREST_PANEL",
    "CutJob",
    "ExpandJob",
    "FourierJob",
    "Isa",
    "Job",
    "Map",
    "NearestJob",
    "Output",
    "PackJob",
    "Type",
    "VoteJob",
    "best_isa",
    "library",
    "supported",
    "supports_direct",
]

MAX_MAPS = 4
MAX_SIDE = 16384
NEAREST_PANEL = 64
CUT_SCRATCH = 20
EXPAND_SCRATCH = 72
_ABI = 6


class Type(enum.IntEnum):
    """The type of a map's values, or what the products are computed in."""

    FP32 = 0
    BF16 = 1


class Isa(enum.IntEnum):
    """Instruction sets, the slowest first."""

    PORTABLE = 0
    AVX2 = 1
    AVX512 = 2
    AVX512_BF16 = 3
    AMX = 4


class Map(ctypes.Structure):
    """`lfk_map`: a (batch, height, width, channels) map; strides in elements, channels contiguous."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("batch_stride", ctypes.c_int64),
        ("row_stride", ctypes.c_int64),
        ("pixel_stride", ctypes.c_int64),
        ("type", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    )


class Output(ctypes.Structure):
    """`lfk_output`: what is made of an output's sum, and where it goes."""

    _fields_ = (
        ("out", Map),
        ("add", Map),
        ("residual", Map),
        ("bias", ctypes.c_void_p),
        ("relu", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    )


class Job(ctypes.Structure):
    """`lfk_job`: one use of a plan."""

    _fields_ = (
        ("plan", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("batch", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("block_tiles", ctypes.c_int32),
        ("parts", ctypes.c_int32),
        ("next_block", ctypes.c_int32),
        ("inputs", Map * MAX_MAPS),
        ("outputs", Output * MAX_MAPS),
    )


class PackJob(ctypes.Structure):
    """`lfk_pack_job`: the weights of one connection of a plan."""

    _fields_ = (
        ("plan", ctypes.c_void_p),
        ("output", ctypes.c_int32),
        ("input", ctypes.c_int32),
        ("weights", ctypes.c_void_p),
        ("packed", ctypes.c_void_p),
        ("next", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    )


class FourierJob(ctypes.Structure):
    """`lfk_fourier_job`: one use of a plan of Fourier transforms."""

    _fields_ = (
        ("plan", ctypes.c_void_p),
        ("batch", ctypes.c_int32),
        ("channels", ctypes.c_int32),
        ("inverse", ctypes.c_int32),
        ("next_block", ctypes.c_int32),
        ("space", Map),
        ("spectrum", Map),
        ("add", Map),
    )


class VoteJob(ctypes.Structure):
    """`lfk_vote_job`: pixels from the patches that lie over them."""

    _fields_ = (
        ("height", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("reach", ctypes.c_int64),
        ("colours", ctypes.c_void_p),
        ("slots", ctypes.c_void_p),
        ("field", ctypes.c_void_p),
        ("loudness", ctypes.c_void_p),
        ("pixels", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("said", ctypes.c_void_p),
        ("next", ctypes.c_int64),
    )


class NearestJob(ctypes.Structure):
    """`lfk_nearest_job`: the nearest of some vectors to each of some others."""

    _fields_ = (
        ("isa", ctypes.c_int64),
        ("sources", ctypes.c_int64),
        ("depth", ctypes.c_int64),
        ("described", ctypes.c_void_p),
        ("lengths", ctypes.c_void_p),
        ("wanted", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("costs", ctypes.c_void_p),
        ("places", ctypes.c_void_p),
        ("next", ctypes.c_int64),
    )


class CutJob(ctypes.Structure):
    """`lfk_cut_job`: the minimum cut of a graph in which each node has four neighbours at most."""

    _fields_ = (
        ("count", ctypes.c_int64),
        ("beside", ctypes.c_void_p),
        ("capacity", ctypes.c_void_p),
        ("excess", ctypes.c_void_p),
        ("reached", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
    )


class ExpandJob(ctypes.Structure):
    """`lfk_expand_job`: one move of alpha expansion among labels that are shifted pictures."""

    _fields_ = (
        ("height", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("features", ctypes.c_void_p),
        ("costs", ctypes.c_void_p),
        ("labels", ctypes.c_void_p),
        ("chosen", ctypes.c_void_p),
        ("guide", ctypes.c_void_p),
        ("pixels", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("label", ctypes.c_int32),
        ("reach", ctypes.c_int32),
        ("index", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
        ("gain", ctypes.c_int64),
    )


def _load() -> ctypes.CDLL:
    native = ctypes.CDLL(str(Path(__file__).with_name("_native.so")))
    pointer, i32, i64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    for name, result, arguments in (
        ("lfk_abi", i32, []),
        ("lfk_supported", i32, [i32, i32]),
        ("lfk_supports_direct", i32, [i32, i32]),
        ("lfk_plan_new", pointer, [i32, i32, i32, i32, pointer, i32, pointer, pointer]),
        ("lfk_plan_free", None, [pointer]),
        ("lfk_weight_bytes", i64, [pointer]),
        ("lfk_pack", None, [pointer, pointer]),
        ("lfk_share", None, [pointer, i32]),
        ("lfk_scratch_bytes", i64, [pointer, i32]),
        ("lfk_run", None, [pointer, pointer]),
        ("lfk_fourier_new", pointer, [i32, i32, i32]),
        ("lfk_fourier_free", None, [pointer]),
        ("lfk_fourier_scratch_bytes", i64, [pointer]),
        ("lfk_fourier_run", None, [pointer, pointer]),
        ("lfk_vote", None, [pointer, pointer]),
        ("lfk_nearest", None, [pointer, pointer]),
        ("lfk_cut", None, [pointer]),
        ("lfk_expand", None, [pointer]),
        ("lfk_on_team", None, [pointer, i32, pointer, pointer, pointer, i64]),
    ):
        function = getattr(native, name)
        function.restype, function.argtypes = result, arguments
    if native.lfk_abi() != _ABI:
        raise ImportError("the compiled library is not of this version: install lama-fill-kernels again")
    return native


try:
    library = _load()
except (OSError, AttributeError) as reason:
    raise ImportError(f"the compiled library cannot be loaded: {reason}") from reason


def supported(isa: Isa, precision: Type) -> bool:
    """Whether this CPU runs `isa`, and the code for it computes in `precision`."""
    return bool(library.lfk_supported(isa, precision))


def supports_direct(isa: Isa, precision: Type) -> bool:
    """Whether this CPU computes convolutions directly, tile 1, with `isa`: a matrix unit in bf16."""
    return bool(library.lfk_supports_direct(isa, precision))


def best_isa(precision: Type) -> Isa | None:
    """The fastest that this CPU has; None: none computes in `precision`.

    The environment variable LAMA_FILL_ISA (none, portable, avx2, avx512, avx512_bf16, amx) lowers the choice,
    for measurements and for finding out which code is at fault.
    """
    limit = os.environ.get("LAMA_FILL_ISA", "").upper()
    if limit == "NONE":
        return None
    most = Isa[limit] if limit in Isa.__members__ else max(Isa)
    return next((isa for isa in sorted(Isa, reverse=True) if isa <= most and supported(isa, precision)), None)
