"""Which device to use, what it is called, and whether an error of torch's means that it is full or gone."""

from __future__ import annotations

import errno
import os
import platform
import re

import torch

from lama_core.client.errors import LamaFillError
from lama_core.client.protocol.messages import Device

_FULL = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|not enough memory|bad.alloc"
    r"|failed to map segment"  # a library that is loaded at its first use
    r"|could not create a primitive",  # oneDNN
    re.IGNORECASE,
)
MEMORY_ERRORS = (RuntimeError, MemoryError, OSError, ImportError)
"""What is raised for want of memory, beside for other reasons; see `is_out_of_memory`."""
_GONE = re.compile(
    r"(?:CUDA|HIP|XPU|MPS|cuDNN|CUBLAS|CUFFT|hipFFT|Level.?Zero)\w* error|_STATUS_", re.IGNORECASE
)


class DeviceError(LamaFillError):
    """The device that was asked for is not there."""


def choose_device(name: str) -> torch.device:
    """The device of a name in the settings; `auto` is the fastest kind that this machine has.

    Raises:
        DeviceError: this machine, or this torch, has none such.
    """
    if name == "auto":
        return next(torch.device(kind) for kind in ("cuda", "xpu", "mps", "cpu") if _count(kind))
    device = torch.device(name)
    if (device.index or 0) >= _count(device.type):
        raise DeviceError(
            f"device {name}: not on this machine, or this torch is not made for it; set device to auto or cpu"
        )
    return device


def describe_device(device: torch.device) -> Device:
    """The device as clients are told of it."""
    if device.type == "cuda":
        index = device.index or 0
        cuda = torch.cuda.get_device_properties(index)
        return Device(id=f"cuda:{index}", name=cuda.name, memory_bytes=cuda.total_memory)
    if device.type == "xpu":
        index = device.index or 0
        xpu = torch.xpu.get_device_properties(index)
        return Device(id=f"xpu:{index}", name=xpu.name, memory_bytes=xpu.total_memory)
    if device.type == "mps":
        return Device(id="mps", name=f"Apple {platform.machine()}")
    return Device(id="cpu", name=platform.processor() or platform.machine() or "CPU", memory_bytes=_ram())


def memory_in_use(device: torch.device) -> int:
    """Bytes of the device's memory that this process holds; 0 when unknown."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    if device.type == "xpu":
        return torch.xpu.memory_reserved(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    return 0


def give_back_memory(device: torch.device) -> None:
    """Give what torch keeps for later back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "xpu":
        torch.xpu.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was not enough memory; torch and the system say so in several ways."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MEMORY_ERRORS) and _FULL.search(str(error)) is not None


def is_device_gone(error: BaseException, device: torch.device) -> bool:
    """Whether the device failed in a way after which this process cannot use it any more."""
    return device.type != "cpu" and isinstance(error, RuntimeError) and _GONE.search(str(error)) is not None


def _count(kind: str) -> int:
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "xpu":
        return torch.xpu.device_count() if torch.xpu.is_available() else 0
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    return 1


def _ram() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # on Windows there is no such thing
        return 0
