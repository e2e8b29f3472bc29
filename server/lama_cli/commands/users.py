"""`lama-fill users`: who may use the shared server of this machine."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lama_cli.saying import say
from lama_core.client.errors import LamaFillError

if TYPE_CHECKING:
    from lama_server.shared.users import User

_LOCK_SECONDS = 5.0


class UsersCommandError(LamaFillError):
    """The command line asks for something that cannot be done."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "users",
        help="say who may use the shared server",
        description="Say who may use the shared server of this machine, see docs/shared-server.md. A server "
        "that runs takes every change within two seconds.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="let somebody in; prints the address to hand out, with the token")
    add.add_argument("name", metavar="NAME", help="letters, digits and . _ @ -")
    add.add_argument(
        "--certificate",
        action="store_true",
        help="let in whoever shows a client certificate of this common name, and make no token",
    )
    for flag, about in (
        ("running", "fills that are worked on at once; 0: as many as there are devices"),
        ("waiting", "fills that may wait"),
        ("memory-mib", "memory for the pixels of those"),
    ):
        add.add_argument(f"--{flag}", metavar="N", type=int, help=f"{about} (default: as in the settings)")
    add.add_argument("--json", action="store_true", help="as one JSON object")
    add.set_defaults(run=_add)
    rotate = actions.add_parser("rotate", help="make a new token; the old one is void")
    rotate.add_argument("name", metavar="NAME")
    rotate.add_argument("--json", action="store_true", help="as one JSON object")
    rotate.set_defaults(run=_rotate)
    remove = actions.add_parser("remove", help="let somebody in no longer; ends what runs for them")
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(run=_remove)
    listing = actions.add_parser("list", help="show who may come in")
    listing.add_argument("--json", action="store_true", help="as one JSON object")
    listing.set_defaults(run=_list)


def _add(args: argparse.Namespace) -> int:
    from lama_core.client.protocol import auth, user_proof
    from lama_server.shared.users import MAX_USERS, new_user

    name: str = args.name
    if not user_proof.is_user(name):
        raise UsersCommandError(f"{name} cannot be a name: use up to 64 letters, digits and . _ @ -")
    limits = {
        key: value
        for key in ("running", "waiting", "memory_mib")
        if (value := getattr(args, key)) is not None
    }
    if any(value < (key != "running") or value > 1 << 20 for key, value in limits.items()):
        raise UsersCommandError("a limit is a whole number from 1 to 1048576; --running may be 0")
    token = "" if args.certificate else auth.new_token()
    verifier = user_proof.verifier(token, name) if token else None
    with _changed_users() as users:
        if name in users:
            raise UsersCommandError(
                f"{name} is there already: `lama-fill users rotate {name}` makes a new token"
            )
        if len(users) >= MAX_USERS:
            raise UsersCommandError(f"there are {MAX_USERS} users, which is as many as may be")
        users[name] = new_user(name, verifier, certificate=args.certificate, limits=limits)
    _hand_out(name, token, as_json=args.json)
    return 0


def _rotate(args: argparse.Namespace) -> int:
    from lama_core.client.protocol import auth, user_proof

    token = auth.new_token()
    with _changed_users() as users:
        user = _existing(users, args.name)
        users[user.name] = replace(user, verifier=user_proof.verifier(token, user.name), created=time.time())
    _hand_out(args.name, token, as_json=args.json)
    return 0


def _remove(args: argparse.Namespace) -> int:
    with _changed_users() as users:
        del users[_existing(users, args.name).name]
    say(f"{args.name} is let in no longer")
    return 0


def _list(args: argparse.Namespace) -> int:
    from lama_server.shared.users import read_users

    users = read_users(_path())
    facts = [
        {
            "name": user.name,
            "token": user.verifier is not None,
            "certificate": user.certificate,
            "created": time.strftime("%Y-%m-%d", time.gmtime(user.created)),
            "limits": dict(user.limits),
        }
        for user in sorted(users.values(), key=lambda user: user.name)
    ]
    if args.json:
        print(json.dumps({"users": facts}))
        return 0
    if not facts:
        say("there are no users: `lama-fill users add NAME` makes one")
    for user in sorted(users.values(), key=lambda user: user.name):
        ways = [word for word, has in (("token", user.verifier), ("certificate", user.certificate)) if has]
        limits = ", ".join(f"{key} {value}" for key, value in user.limits.items())
        since = time.strftime("%Y-%m-%d", time.gmtime(user.created))
        say(f"{user.name:<24} {' and '.join(ways)} of {since}{'; ' + limits if limits else ''}")
    return 0


def _hand_out(name: str, token: str, *, as_json: bool) -> None:
    """Print what the user is to get, once."""
    from lama_cli.invitation import server_address

    address = replace(server_address(), user=name if token else "", token=token)
    if as_json:
        print(json.dumps({"name": name, "token": token, "address": address.whole}))
        return
    if not token:
        say(f"{name} is let in with a client certificate of that common name, at {address.whole}")
        return
    say(f"{name} gets this line, which holds the token and is shown once:")
    say(address.whole)
    say("at the desk: paste it into the plug-in as its server, or give it to `lama-fill login`, in quotes")


def _existing(users: dict[str, User], name: str) -> User:
    if name not in users:
        raise UsersCommandError(f"there is no user {name}: `lama-fill users list` shows those that are there")
    return users[name]


def _path() -> Path:
    from lama_core.client.places import state_folder
    from lama_server.shared.users import USERS_FILE

    return state_folder() / USERS_FILE


@contextlib.contextmanager
def _changed_users() -> Iterator[dict[str, User]]:
    """The users, written back if all goes well; one command at a time."""
    from lama_core.client.files import make_own_folder
    from lama_server.lock import Lock
    from lama_server.shared.users import read_users, write_users

    path = _path()
    lock = Lock(path.with_suffix(".lock"))
    until = time.monotonic() + _LOCK_SECONDS
    try:
        make_own_folder(path.parent)
        while not lock.acquire():
            if time.monotonic() > until:
                raise UsersCommandError("another `lama-fill users` is at work: wait for its end")
            time.sleep(0.02)
    except OSError as error:
        raise UsersCommandError(
            f"{path.parent}: cannot be used ({error.strerror or error}); set LAMA_FILL_RUNTIME_DIR to a "
            "folder of your own"
        ) from error
    try:
        users = read_users(path)
        yield users
        write_users(path, users)
    finally:
        lock.release()
