"""`lama-fill models`: what is installed, and installing more."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lama_cli.saying import say
from lama_core.client.errors import LamaFillError

if TYPE_CHECKING:
    from lama_core.model.installed.registry import InstalledModel

_FAILED = 2


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its own sub-commands."""
    parser = commands.add_parser("models", help="list, import, remove and verify models")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    listing = actions.add_parser("list", help="what is installed")
    listing.add_argument("--json", action="store_true", help="print it for a program to read")
    listing.set_defaults(run=_list)

    adding = actions.add_parser("import", help="install a model from a file or folder of weights")
    adding.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="LaMa's official folder, zip or .ckpt, a TorchScript .pt, or a .safetensors",
    )
    adding.add_argument("--name", help="what to call it (default: the file's name)")
    adding.add_argument(
        "--replace", action="store_true", help="replace the model of this name, if there is one"
    )
    adding.set_defaults(run=_import)

    fetching = actions.add_parser("download", help="fetch a known model from the internet and install it")
    fetching.add_argument("name", metavar="NAME", nargs="?", help="without one: say which are known")
    fetching.add_argument("--show", action="store_true", help="only say what it is, and from where")
    fetching.add_argument("--yes", action="store_true", help="do not ask")
    fetching.add_argument("--file", type=Path, help="this file was fetched already: check it and install it")
    fetching.add_argument(
        "--folder",
        type=Path,
        help="download into this folder, and leave the file there (default: a temporary one)",
    )
    fetching.add_argument(
        "--replace", action="store_true", help="replace the model of this name, if there is one"
    )
    fetching.set_defaults(run=_download)

    using = actions.add_parser("use", help="choose the model that is used when none is named")
    using.add_argument("name", metavar="NAME")
    using.set_defaults(run=_use)

    removing = actions.add_parser("remove", help="delete an installed model")
    removing.add_argument("name", metavar="NAME")
    removing.set_defaults(run=_remove)

    verifying = actions.add_parser("verify", help="check that installed models are whole and unchanged")
    verifying.add_argument("name", metavar="NAME", nargs="?", help="default: all of them")
    verifying.set_defaults(run=_verify)


def _list(args: argparse.Namespace) -> int:
    from lama_core.model.installed.registry import default_model, list_models

    models = list_models()
    default = default_model()
    if args.json:
        rows = [
            {**asdict(model), "path": str(model.path), "default": model.name == default} for model in models
        ]
        print(json.dumps(rows, indent=2))
        return 0
    if not models:
        say("no models are installed; add one with: lama-fill models import FILE")
        return 0
    for model in models:
        mark = "*" if model.name == default else " "
        say(f"{mark} {model.name:<24} {_describe(model)}")
    say()
    say("* used when no model is named")
    return 0


def _describe(model: InstalledModel) -> str:
    if model.problem:
        return model.problem
    words = [
        f"{model.parameters / 1e6:.1f} M parameters",
        f"{model.size / 1e6:.0f} MB",
        f"{model.config.get('blocks')} blocks",
    ]
    if model.built_in:
        words.append("ships with lama-fill")
    else:
        words.append(f"from {model.origin}, {model.imported[:10]}")
    return ", ".join(words)


def _import(args: argparse.Namespace) -> int:
    from lama_core.model.installed.importing import import_model

    model = import_model(args.file, name=args.name, replace=args.replace)
    say(f"imported {model.name}: {_describe(model)}")
    say(f"kept as {model.path}")
    return 0


def _download(args: argparse.Namespace) -> int:
    from lama_cli.commands.downloading import offer, print_known, show

    if args.name is None:
        print_known()
        return 0
    if args.show:
        show(args.name)
        return 0
    model = offer(args.name, file=args.file, folder=args.folder, replace=args.replace, agreed=args.yes)
    if model is None:
        say("nothing was downloaded")
        return _FAILED
    say(f"installed {model.name}: {_describe(model)}")
    return 0


def _use(args: argparse.Namespace) -> int:
    from lama_core.model.installed.registry import choose_model
    from lama_server.settings import load_settings

    choose_model(args.name)
    say(f"{args.name} is used from now on when no model is named")
    setting = load_settings().model
    if setting and setting != args.name:
        say(f"but the server's setting `model` says {setting}, and wins there; see docs/settings.md")
    return 0


def _remove(args: argparse.Namespace) -> int:
    from lama_core.model.installed.registry import remove_model

    remove_model(args.name)
    say(f"removed {args.name}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from lama_core.model.installed.registry import list_models

    names = [args.name] if args.name is not None else [model.name for model in list_models()]
    # The first bad one must not hide the others.
    return max((_verify_one(name) for name in names), default=0)


def _verify_one(name: str) -> int:
    from lama_core.model.installed.importing import verify_model

    try:
        model = verify_model(name)
    except LamaFillError as error:
        say(str(error), error=True)
        return _FAILED
    say(f"{name}: {'whole and unchanged' if model.tensors_sha256 else 'whole; no hash was recorded'}")
    return 0
