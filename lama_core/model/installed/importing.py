"""Installing a model from any form of weights, and checking an installed one."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from lama_core.client.files import hash_file, make_own_folder
from lama_core.client.text import one_line
from lama_core.model.checkpoint import read_generator, write_safetensors
from lama_core.model.checkpoint.detect import weights_file
from lama_core.model.installed.registry import (
    InstalledModel,
    ModelNameError,
    StoreError,
    check_name,
    describe,
    find_model,
    installed_path,
    name_for,
)


def import_model(
    path: Path,
    *,
    name: str | None = None,
    origin: str | None = None,
    replace: bool = False,
) -> InstalledModel:
    """Install a model: read it in whatever form it has, and keep it as safetensors.

    All of it happens, or nothing.

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
    name = name_for(path) if name is None else name
    check_name(name)
    target = installed_path(name)
    if target.exists() and not replace:
        raise ModelNameError(
            f"a model {name} is installed already; remove it first, or choose another with --name"
        )
    weights = weights_file(path)
    generator = read_generator(weights)
    metadata = {
        "name": name,
        "origin": origin or one_line(path.absolute().name),
        "sha256_source": hash_file(weights),
        "imported": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    try:
        make_own_folder(target.parent)
    except OSError as error:
        raise StoreError(f"the folder {target.parent} cannot be made: {error.strerror or error}") from error
    write_safetensors(generator, target, metadata=metadata)
    return describe(target, built_in=False)


def verify_model(name: str) -> InstalledModel:
    """Read a model as a whole and compare it with what was recorded when it was imported.

    Raises:
        UnknownModelError: there is none of this name.
        CheckpointError: it cannot be loaded, holds a NaN, or its values have changed.
    """
    model = find_model(name)
    read_generator(model.path)
    return model
