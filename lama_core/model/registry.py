"""The models that are at hand by name: those in the user's data folder, and the one that ships.

Importing this costs no torch: the server's parent process lists models with it. Only what reads or writes
weights imports it, and does so when called.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import platformdirs

from lama_core.client.errors import LamaFillError

BUILT_IN = "compact"
"""The name of the model that ships with the package."""
PREFERRED = "big-lama"
"""The default model where it is installed and none was chosen."""
DATA_DIR_VARIABLE = "LAMA_FILL_DATA_DIR"

_CHOICE = "default"
"""The file, beside the models, with the name of the chosen default model."""
_SUFFIX = ".safetensors"
_MAX_HEADER = 100_000_000  # bytes; the format's own limit
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", re.ASCII)
# Windows takes these for devices, whatever the suffix.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.ASCII)
_PATH_SUFFIXES = (".ckpt", ".pt", ".pth", ".safetensors", ".zip")


class StoreError(LamaFillError):
    """A model cannot be installed, removed or used under this name."""


class UnknownModelError(StoreError):
    """No model of this name is installed."""


class ModelNameError(StoreError):
    """The name is not one that a model can have, or it is taken."""


class DamagedModelError(StoreError):
    """An installed model is not as it was when it was imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    """What is known of a model without reading its weights."""

    name: str
    path: Path
    built_in: bool
    """Whether it ships with the package; such a one cannot be removed."""
    size: int
    """Bytes of the file."""
    parameters: int
    """Trained numbers; BatchNorm's statistics are not among them."""
    config: Mapping[str, object]
    """The values of its `GeneratorConfig`."""
    origin: str
    """Where it came from: the name of the imported file, or an address."""
    source_sha256: str
    """Of the file that was imported; empty for the built-in one."""
    imported: str
    """When, in UTC, as ISO 8601; empty for the built-in one."""
    tensors_sha256: str
    """Of the tensors as they were written (see `hash_weights`); empty when not recorded."""
    problem: str
    """Why it cannot be used; empty when nothing is known to be wrong."""


def models_folder() -> Path:
    """Where installed models are kept: `LAMA_FILL_DATA_DIR`/models, else in the user's data folder."""
    folder = os.environ.get(DATA_DIR_VARIABLE)
    base = Path(folder) if folder else Path(platformdirs.user_data_dir("lama-fill", appauthor=False))
    return base / "models"


def built_in_path() -> Path:
    """The file of the model that ships."""
    return Path(__file__).parent / "weights" / f"{BUILT_IN}{_SUFFIX}"


def list_models() -> tuple[InstalledModel, ...]:
    """All models by name, the built-in one first. A damaged one is listed with its problem."""
    folder = models_folder()
    found = [_describe(built_in_path(), built_in=True)] if built_in_path().is_file() else []
    if folder.is_dir():
        # A file that starts with a dot is one that is being written.
        paths = sorted(p for p in folder.glob(f"*{_SUFFIX}") if p.is_file() and not p.name.startswith("."))
        found += [_describe(path, built_in=False) for path in paths]
    return tuple(found)


def default_model() -> str:
    """The model to use when none is named: the chosen one, else big-lama, each if it is installed; else the
    one that ships.
    """
    chosen = _chosen()
    if chosen == BUILT_IN or (_is_name(chosen) and _installed_path(chosen).is_file()):
        return chosen
    return PREFERRED if _installed_path(PREFERRED).is_file() else BUILT_IN


def choose_model(name: str) -> InstalledModel:
    """Make an installed model the default one, from now on.

    Raises:
        UnknownModelError: there is none of this name.
        StoreError: it is damaged, or the choice cannot be written down.
    """
    model = find_model(name)
    if model.problem:
        raise StoreError(f"{name} cannot be used: {model.problem}")
    path = models_folder() / _CHOICE
    draft = path.with_name(f".{_CHOICE}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(f"{name}\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error
    return model


def _chosen() -> str:
    """The name that was chosen; "" when none was, or when nobody can read it."""
    try:
        with (models_folder() / _CHOICE).open("rb") as stream:
            return stream.read(100).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def find_model(name: str) -> InstalledModel:
    """A model by its name.

    Raises:
        UnknownModelError: names those that are installed.
    """
    if name == BUILT_IN and built_in_path().is_file():
        return _describe(built_in_path(), built_in=True)
    if _is_name(name) and _installed_path(name).is_file():
        return _describe(_installed_path(name), built_in=False)
    names = ", ".join(model.name for model in list_models()) or "none"
    raise UnknownModelError(
        f"no model {name!r} is installed (installed: {names}); add one with: lama-fill models import FILE"
    )


def resolve(path_or_name: str | Path) -> Path:
    """The file or folder that a name or a path stands for.

    An installed name wins over a file of the same name in the current folder; `./NAME` is always the file.

    Raises:
        UnknownModelError: it looks like a name, and there is neither such a model nor such a file.
    """
    if isinstance(path_or_name, Path):
        return path_or_name
    path = Path(path_or_name).expanduser()
    has_folder = path.name != path_or_name
    if not has_folder and _is_name(path_or_name):
        if path_or_name == BUILT_IN and built_in_path().is_file():
            return built_in_path()
        if _installed_path(path_or_name).is_file():
            return _installed_path(path_or_name)
    if has_folder or path.suffix.lower() in _PATH_SUFFIXES or path.exists():
        return path
    return find_model(path_or_name).path


def name_for(path: Path) -> str:
    """The name that a file or folder would be imported under: its own, or the folder's for models/best.ckpt.

    Raises:
        ModelNameError: nothing fit for a name is in it.
    """
    path = path.absolute()
    if path.suffix == ".ckpt" and path.parent.name == "models":
        path = path.parent.parent
    stem = path.stem if path.suffix.lower() in _PATH_SUFFIXES else path.name
    name = re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")
    _check_name(name)
    return name


def import_model(
    path: Path,
    *,
    name: str | None = None,
    origin: str | None = None,
    replace: bool = False,
) -> InstalledModel:
    """Install a model: read it in whatever form it has, and keep it as safetensors. All of it happens, or
    nothing.

    Args:
        path: any form that `load_generator` reads.
        name: lower-case letters, digits, dots, dashes and underscores; made of the file's name when not
            given.
        origin: where it is from; the file's name when not given.
        replace: whether a model of this name may be replaced.

    Raises:
        ModelNameError: the name is not allowed, or taken.
        CheckpointError: the file cannot be read, or the model not written.
        StoreError: the data folder cannot be made.
    """
    from lama_core.model.checkpoint import read_generator, write_safetensors
    from lama_core.model.checkpoint.detect import weights_file

    name = name_for(path) if name is None else name
    _check_name(name)
    target = _installed_path(name)
    if target.exists() and not replace:
        raise ModelNameError(
            f"a model {name} is installed already; remove it first, or choose another with --name"
        )
    generator = read_generator(path)
    metadata = {
        "name": name,
        "origin": origin or path.absolute().name,
        "sha256_source": _hash_file(weights_file(path)),
        "imported": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the folder {target.parent} cannot be made: {error.strerror or error}") from error
    write_safetensors(generator, target, metadata=metadata)
    return _describe(target, built_in=False)


def remove_model(name: str) -> None:
    """Delete an installed model.

    Raises:
        UnknownModelError: there is none of this name.
        StoreError: it is the one that ships, or it cannot be deleted.
    """
    model = find_model(name)
    if model.built_in:
        raise StoreError(f"{name} ships with lama-fill and cannot be removed")
    try:
        model.path.unlink()
    except OSError as error:
        raise StoreError(f"{model.path} cannot be removed: {error.strerror or error}") from error


def verify_model(name: str) -> InstalledModel:
    """Read a model as a whole and compare it with what was recorded when it was imported.

    Raises:
        UnknownModelError: there is none of this name.
        CheckpointError: it cannot be loaded, or holds a NaN.
        DamagedModelError: its values have changed.
    """
    from lama_core.model.checkpoint import hash_weights, read_generator

    model = find_model(name)
    generator = read_generator(model.path)
    if model.tensors_sha256 and hash_weights(generator.state_dict()) != model.tensors_sha256:
        raise DamagedModelError(
            f"model {name} has changed since it was imported: remove it and import it again"
        )
    return model


def _installed_path(name: str) -> Path:
    return models_folder() / f"{name}{_SUFFIX}"


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and _DEVICES.fullmatch(name) is None


def _check_name(name: str) -> None:
    if not _is_name(name):
        raise ModelNameError(
            f"{name!r} cannot be a model's name: use up to 64 lower-case letters, digits, dots, dashes and "
            "underscores (--name)"
        )
    if name == BUILT_IN:
        raise ModelNameError(
            f"{name} is the model that ships with lama-fill: choose another name with --name"
        )


def _describe(path: Path, *, built_in: bool) -> InstalledModel:
    metadata: dict[str, str] = {}
    config: Mapping[str, object] = {}
    parameters = 0
    size = 0
    problem = ""
    try:
        size = path.stat().st_size
        header = _read_header(path)
        metadata = {str(key): str(value) for key, value in header.pop("__metadata__", {}).items()}
        trained = [tensor for name, tensor in header.items() if ".running_" not in name]
        parameters = sum(math.prod(tensor["shape"]) for tensor in trained)
        config = json.loads(metadata["config"])
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RecursionError):
        problem = "damaged: remove it and import it again"
    if not isinstance(config, dict):
        config, problem = {}, "damaged: remove it and import it again"
    return InstalledModel(
        name=path.name.removesuffix(_SUFFIX),
        path=path,
        built_in=built_in,
        size=size,
        parameters=parameters,
        config=config,
        origin=metadata.get("origin", ""),
        source_sha256=metadata.get("sha256_source", ""),
        imported=metadata.get("imported", ""),
        tensors_sha256=metadata.get("sha256_tensors", ""),
        problem=problem,
    )


def _read_header(path: Path) -> dict[str, Any]:
    """What a safetensors file says of its tensors: eight bytes of length, then JSON.

    Read plainly, because the library would import numpy, which the server's parent process goes without.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a safetensors file, or not all of one.
    """
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= _MAX_HEADER:
            raise ValueError("not a safetensors file")
        header = json.loads(stream.read(length))
    if not isinstance(header, dict):
        raise ValueError("not a safetensors file")
    end = max((t["data_offsets"][1] for name, t in header.items() if name != "__metadata__"), default=0)
    if 8 + length + end != path.stat().st_size:
        raise ValueError("cut short, or longer than it says")
    return header


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
