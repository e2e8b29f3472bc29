"""What a user may set, and where it is taken from.

One table says everything: the fields of `Settings`. The configuration file, the environment, the flags of
`lama-fill serve` and docs/settings.md are all made from it, in rising precedence:
`config.toml` < `LAMA_FILL_NAME` < `--name`.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import importlib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lama_core.client.errors import LamaFillError
from lama_core.client.places import CONFIG_VARIABLE
from lama_core.client.protocol import limits
from lama_server import sizes

Value = int | float | bool | str

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


class SettingsError(LamaFillError):
    """A setting that cannot be used; the message names where it comes from and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What a setting means and what it may be.

    `low` and `high` bound numbers, both inclusive; `choices` are the only words allowed; `pattern` is a
    regular expression that the whole text matches, `wording` says it in words.
    """

    about: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    wording: str = ""


def _setting(
    default: Value,
    about: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    pattern: str | None = None,
    wording: str = "",
) -> Any:  # a dataclass field stands where its type does
    allowed = Allowed(about=about, low=low, high=high, choices=choices, pattern=pattern, wording=wording)
    return dataclasses.field(default=default, metadata={"allowed": allowed})


_DEVICE = r"auto|(?:cpu|mps|(?:cuda|xpu)(?::\d{1,2})?)(?:,(?:cpu|mps|(?:cuda|xpu)(?::\d{1,2})?))*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of the server, checked. Times are in seconds, sizes in the unit that the name says."""

    port: int = _setting(0, "TCP port on 127.0.0.1; 0 takes any free one", low=0, high=65535)
    device: str = _setting(
        "auto",
        "where the model runs; several, separated by commas, get one worker each",
        pattern=_DEVICE,
        wording="auto, cpu, cuda, cuda:N, mps, xpu or xpu:N, several separated by commas",
    )
    model: str = _setting(
        "",
        "model to fill with when a client names none; empty: big-lama when installed, else compact",
        pattern=r"[A-Za-z0-9._-]{0,64}",
        wording="a model's name, as `lama-fill models list` shows it",
    )
    threads: int = _setting(0, "threads that the model uses on a CPU; 0 lets torch choose", low=0, high=1024)
    precision: str = _setting(
        "auto",
        "what the model computes in; auto takes half precision where that is faster and hardly shows",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    memory: str = _setting(
        "",
        "memory that a fill may take beside the picture and the model; empty: what there is",
        pattern=f"(?i:{sizes.PATTERN})",
        wording=sizes.WORDING,
    )
    engine: str = _setting(
        "local",
        "what fills: worker processes of this machine, or workers on the nodes of a Ray cluster, which needs "
        "the extra `lama-fill[ray]`",
        choices=("local", "ray"),
    )
    address: str = _setting(
        "",
        "the Ray cluster's head; empty: what RAY_ADDRESS says, else a cluster of this machine alone",
        pattern=r"(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}|auto|local|",
        wording="HOST:PORT, `auto` for the cluster that this machine is in, or `local`",
    )
    min_workers: int = _setting(1, "workers that a Ray cluster always has", low=0, high=4096)
    max_workers: int = _setting(
        4,
        "workers that a Ray cluster has at most; more than the least start by queue length",
        low=1,
        high=4096,
    )
    worker_cpus: int = _setting(
        4, "CPUs of its node that a Ray worker without a GPU takes, and its threads", low=1, high=1024
    )
    worker_idle: float = _setting(
        60.0, "idle time after which a Ray worker beyond the least is ended", low=0.1, high=1e6
    )
    preload: bool = _setting(True, "load the model when the server starts, not at the first fill")
    unload_after: float = _setting(
        600.0, "idle time after which the model and all its memory are given back; 0: never", low=0, high=1e6
    )
    exit_after: float = _setting(
        1800.0,
        "idle time after which a server that a plug-in started ends; 0: never",
        low=0,
        high=1e7,
    )
    queue: int = _setting(256, "fills that may wait, of all clients together", low=1, high=10000)
    queue_per_client: int = _setting(
        limits.Limits.max_jobs, "fills that one connection may have unanswered", low=1, high=1000
    )
    queue_memory_mib: int = _setting(
        2048,
        "memory for the pixels of all waiting fills",
        low=16,
        high=1 << 20,
    )
    message_mib: int = _setting(
        limits.Limits.max_frame_bytes // limits.MIB,
        "largest message that a client may send",
        low=1,
        high=2047,
    )
    metrics: bool = _setting(
        False, "answer `/metrics` for Prometheus; it tells every user of the machine how much is filled"
    )
    connections: int = _setting(256, "clients connected at once", low=1, high=10000)
    handshake_timeout: float = _setting(
        limits.AUTHENTICATE_SECONDS,
        "time in which a connection must have made its request and proved the token",
        low=0.1,
        high=600,
    )
    ping_interval: float = _setting(
        20.0, "how often a connected client is asked whether it is still there", low=0.1, high=3600
    )
    ping_timeout: float = _setting(
        20.0, "time without an answer to that after which the client counts as gone", low=0.1, high=3600
    )
    write_timeout: float = _setting(
        limits.SEND_SECONDS,
        "time in which a client must have read something of what it was sent",
        low=0.1,
        high=3600,
    )
    stall_timeout: float = _setting(
        300.0, "time without any sign of progress after which a fill is given up", low=0.5, high=86400
    )
    cancel_grace: float = _setting(
        2.0, "time that a cancelled fill has to end by itself before its worker is ended", low=0, high=600
    )
    listen: str = _setting(
        "",
        "address at which other machines' users are served too, see docs/shared-server.md; empty: none",
        pattern=r"|(?:\[[0-9A-Fa-f:.%a-z]+\]|[^\s:\[\]/]+):\d{1,5}",
        wording="HOST:PORT, such as 0.0.0.0:8443 or [::]:8443",
    )
    tls_cert: str = _setting(
        "", "certificate for `listen`, with those between it and its authority, PEM", wording="a file's path"
    )
    tls_key: str = _setting(
        "", "private key of that certificate, PEM, without a password", wording="a file's path"
    )
    tls_client_ca: str = _setting(
        "",
        "certificates of those who sign client certificates, PEM; empty: users have tokens alone",
        wording="a file's path",
    )
    path_prefix: str = _setting(
        "",
        "path under which a reverse proxy passes `listen` on, when it does not take it off",
        pattern=r"|(?:/[A-Za-z0-9._~-]+)+",
        wording="a path such as /lama-fill",
    )
    public_address: str = _setting(
        "",
        "address of the shared server as clients know it; `lama-fill users add` gives it out",
        pattern=r"|wss?://[^\s/@#?]+(?:/[A-Za-z0-9._~-]+)*/?",
        wording="wss://HOST:PORT or wss://HOST:PORT/PREFIX",
    )
    user_running: int = _setting(
        0, "fills of one user that are worked on at once; 0: as many as there are devices", low=0, high=1000
    )
    user_waiting: int = _setting(32, "fills that one user may have waiting", low=1, high=10000)
    user_memory_mib: int = _setting(
        1024, "memory for the pixels of one user's waiting fills, and of one message", low=16, high=1 << 20
    )
    user_connections: int = _setting(8, "connections that one user may have at once", low=1, high=1000)
    audit_files: int = _setting(
        20, "files of `audit.log`, with a line for each fill of a user, that are kept", low=1, high=1000
    )
    log_level: str = _setting(
        "info", "the least important messages that are logged", choices=("debug", "info", "warning", "error")
    )
    log_kib: int = _setting(
        1024, "size at which a log file is set aside and a new one begun", low=16, high=1 << 20
    )
    log_files: int = _setting(3, "log files that were set aside and are kept", low=0, high=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the table of settings."""

    name: str
    kind: type
    default: Value
    allowed: Allowed

    @property
    def variable(self) -> str:
        """The environment variable of this setting."""
        return f"LAMA_FILL_{self.name.upper()}"

    @property
    def flag(self) -> str:
        """The flag of `lama-fill serve` for this setting."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def wording(self) -> str:
        """What is allowed, in words."""
        allowed = self.allowed
        if self.kind is bool:
            return "true or false"
        if allowed.choices:
            return ", ".join(allowed.choices[:-1]) + " or " + allowed.choices[-1]
        if allowed.wording:
            return allowed.wording
        kind = "a whole number" if self.kind is int else "a number"
        return f"{kind} from {allowed.low:.10g} to {allowed.high:.10g}"

    def check(self, value: object, source: str) -> Value:
        """`value` as this setting's type.

        Text is read as the environment and flags give it; other types are those of a configuration file.

        Raises:
            SettingsError: with one line that names `source` and what is allowed.
        """
        result = self._read(value)
        if result is None:
            shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
            raise SettingsError(f"{source}: {self.name} cannot be {shown}; allowed: {self.wording}")
        return result

    def _read(self, value: object) -> Value | None:
        if self.kind is bool:
            if isinstance(value, str):
                word = value.strip().lower()
                return True if word in _TRUE else False if word in _FALSE else None
            return value if isinstance(value, bool) else None
        if isinstance(value, bool):
            return None
        if self.kind is str:
            return value if isinstance(value, str) and self._is_word(value) else None
        return self._number(value)

    def _is_word(self, text: str) -> bool:
        if self.allowed.choices:
            return text in self.allowed.choices
        return self.allowed.pattern is None or re.fullmatch(self.allowed.pattern, text) is not None

    def _number(self, value: object) -> int | float | None:
        if not isinstance(value, (str, int, float)):
            return None
        try:
            if self.kind is int:
                number: int | float = int(value) if isinstance(value, (int, str)) else _whole(value)
            else:
                number = float(value)
        except (ValueError, OverflowError):
            return None
        low, high = self.allowed.low, self.allowed.high
        # The comparison is false for NaN, which no setting may be.
        inside = (low is None or number >= low) and (high is None or number <= high)
        return number if inside else None


def _whole(value: float) -> int:
    if not value.is_integer():
        raise ValueError("not a whole number")
    return int(value)


_DEFAULTS = Settings()
_KINDS: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


def table() -> tuple[Entry, ...]:
    """Every setting, in the order of the documentation."""
    return tuple(
        Entry(
            name=field.name,
            kind=_KINDS[str(field.type)],
            default=getattr(_DEFAULTS, field.name),
            allowed=field.metadata["allowed"],
        )
        for field in dataclasses.fields(Settings)
    )


def load_settings(
    *, environ: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
) -> Settings:
    """The settings of this user: the configuration file, then the environment, then `flags`.

    `flags` maps names of settings to values; those that are None were not given.

    Raises:
        SettingsError: for a value that is not allowed, a name that is no setting, a file that cannot be read.
    """
    environ = os.environ if environ is None else environ
    entries = {entry.name: entry for entry in table()}
    values: dict[str, Any] = {}
    path, named = config_path(environ)
    for name, value in _read_config(path, named=named).items():
        if name not in entries:
            near = difflib.get_close_matches(name, entries, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; docs/settings.md lists them"
            raise SettingsError(f"{path}: {name!r} is not a setting{hint}")
        values[name] = entries[name].check(value, str(path))
    for entry in entries.values():
        if entry.variable in environ:
            values[entry.name] = entry.check(
                environ[entry.variable], f"environment variable {entry.variable}"
            )
    for name, value in (flags or {}).items():
        if value is not None:
            values[name] = entries[name].check(value, entries[name].flag)
    return Settings(**values)


def config_path(environ: Mapping[str, str]) -> tuple[Path, bool]:
    """Where the configuration file is, and whether the user named it (then it must be there)."""
    named = environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named), True
    import platformdirs  # costs as much as the rest of this module

    try:
        folder = platformdirs.user_config_path("lama-fill", appauthor=False)
    except RuntimeError:  # there is no home folder; older versions give "~/.config" then
        folder = Path("~")
    return (folder / "config.toml" if folder.is_absolute() else Path(os.devnull)), False


def _read_config(path: Path, *, named: bool) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if named:
            raise SettingsError(f"{path}: no such file; {CONFIG_VARIABLE} names it") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        values: dict[str, Any] = toml.loads(text)
    except toml.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from error
    return values


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Give `parser` one flag for each setting. A flag that is not given is None in the parsed arguments."""
    group = parser.add_argument_group("settings", "see docs/settings.md; each may be in config.toml instead")
    for entry in table():
        group.add_argument(
            entry.flag,
            dest=f"setting_{entry.name}",
            metavar="{" + ",".join(entry.allowed.choices) + "}" if entry.allowed.choices else "VALUE",
            help=f"{entry.allowed.about} (now {entry.default})".replace("%", "%%"),
        )


def flags_given(args: argparse.Namespace) -> dict[str, object]:
    """The settings among the parsed arguments, by name."""
    return {entry.name: getattr(args, f"setting_{entry.name}") for entry in table()}
