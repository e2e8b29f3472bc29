"""The names of installed models: listing, finding, choosing and removing them, without torch.

The server's parent process lists models with this.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lama_core.client.errors import LamaFillError
from lama_core.client.files import OWN_FILE, make_own_folder, write_atomically
from lama_core.client.places import data_folder
from lama_core.model.safetensors_header import read_header

BUILT_IN = "compact"
"""The name of the model that ships with the package."""
PREFERRED = "big-lama"
"""The default model where it is installed and none was chosen."""

_CHOICE = "default"
"""The file, beside the models, with the name of the chosen default model."""
_SUFFIX = ".safetensors"
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
    return data_folder() / "models"


def built_in_path() -> Path:
    """The file of the model that ships."""
    return Path(__file__).parent.parent / "weights" / f"{BUILT_IN}{_SUFFIX}"


def list_models() -> tuple[InstalledModel, ...]:
    """All models by name, the built-in one first. A damaged one is listed with its problem."""
    folder = models_folder()
    found = [describe(built_in_path(), built_in=True)] if built_in_path().is_file() else []
    if folder.is_dir():
        # A file that starts with a dot is one that is being written.
        paths = sorted(p for p in folder.glob(f"*{_SUFFIX}") if p.is_file() and not p.name.startswith("."))
        found += [describe(path, built_in=False) for path in paths]
    return tuple(found)


def default_model() -> str:
    """The model to use when none is named.

    The chosen one, else big-lama, each if it is installed; else the one that ships.
    """
    chosen = _chosen()
    if chosen == BUILT_IN or (_is_name(chosen) and installed_path(chosen).is_file()):
        return chosen
    return PREFERRED if installed_path(PREFERRED).is_file() else BUILT_IN


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
    try:
        make_own_folder(path.parent)
        write_atomically(path, f"{name}\n".encode(), mode=OWN_FILE)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error
    return model


def _chosen() -> str:
    """The name that was chosen; "" when none was, or when the choice cannot be read."""
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
        return describe(built_in_path(), built_in=True)
    if _is_name(name) and installed_path(name).is_file():
        return describe(installed_path(name), built_in=False)
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
    path = Path(path_or_name)
    with contextlib.suppress(RuntimeError):  # there is no such user, or no home folder
        path = path.expanduser()
    has_folder = path.name != path_or_name
    if not has_folder and _is_name(path_or_name):
        if path_or_name == BUILT_IN and built_in_path().is_file():
            return built_in_path()
        if installed_path(path_or_name).is_file():
            return installed_path(path_or_name)
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
    check_name(name)
    return name


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


def installed_path(name: str) -> Path:
    """Where a model of this name is kept, whether there is one or not."""
    return models_folder() / f"{name}{_SUFFIX}"


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and _DEVICES.fullmatch(name) is None


def check_name(name: str) -> None:
    """Check that a model may be imported under this name.

    Raises:
        ModelNameError: it is not one that a model can have, or that of the model that ships.
    """
    if not _is_name(name):
        raise ModelNameError(
            f"{name!r} cannot be a model's name: use up to 64 lower-case letters, digits, dots, dashes and "
            "underscores (--name)"
        )
    if name == BUILT_IN:
        raise ModelNameError(
            f"{name} is the model that ships with lama-fill: choose another name with --name"
        )


def describe(path: Path, *, built_in: bool) -> InstalledModel:
    """What a model's file says of it; a damaged file is described with its problem."""
    metadata: dict[str, str] = {}
    config: Mapping[str, object] = {}
    parameters = 0
    size = 0
    problem = ""
    try:
        size = path.stat().st_size
        header = read_header(path)
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
