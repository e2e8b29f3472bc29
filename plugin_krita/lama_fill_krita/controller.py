"""What happens when something is clicked: one fill at a time, the options, the state of the server.

Every docker shows the same `View`; there is one docker in each of Krita's windows, and one controller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Optional, Protocol

from lama_core.client.connection import (
    ClientError,
    FillCancelledError,
    FillFailedError,
    SandboxError,
    ServerNotFoundError,
    ServerStartError,
)
from lama_core.client.errors import LamaFillError
from lama_core.client.options import MAX_SEED
from lama_core.client.protocol import messages
from lama_fill_krita import filling
from lama_fill_krita.document import Document, Hole
from lama_fill_krita.filling import Outcome
from lama_fill_krita.nodes import RefusalError
from lama_fill_krita.options import Options, from_text
from lama_fill_krita.server_thread import Link
from lama_fill_krita.tasks import Run
from lama_fill_krita.texts import N_, _

#: How often a docker that can be seen asks how the server is.
LOOK_SECONDS = 4.0


class Editor(Protocol):
    """The editor, as far as it is not a document."""

    def document(self) -> Document | None: ...
    def tell(self, text: str) -> None:
        """A short notice over the picture."""

    def remembered(self) -> str: ...
    def remember(self, text: str) -> None: ...
    def later(self, seconds: float, call: Callable[[], None]) -> None: ...
    def make_marker(self, document: Document, name: str) -> None: ...
    def failed(self, error: BaseException) -> None:
        """Write an error that nobody thought of to where a developer finds it."""


@dataclass(frozen=True)
class View:
    """All that a docker shows. `server`: "unknown", "absent" or the state that the server says."""

    options: Options
    is_running: bool = False
    fraction: float = 0.0
    text: str = ""
    server: str = "unknown"
    server_text: str = ""
    models: tuple[messages.Model, ...] = ()


@dataclass(frozen=True)
class Last:
    """The last fill: `hole` with all of its mask in memory. `next_seed`: asks for one not seen yet."""

    document: Document
    hole: Hole
    options: Options
    next_seed: int = 0

    def is_of(self, document: Document, hole: Hole) -> bool:
        """Whether it filled just this."""
        return (
            document == self.document
            and hole.bounds == self.hole.bounds
            and hole.read(hole.bounds) == self.hole.read(hole.bounds)
        )


class Controller:
    def __init__(self, editor: Editor, link: Link) -> None:
        self._editor = editor
        self._link = link
        self._run: Optional[Run] = None  # noqa: UP045 - Python 3.9
        self._last: Optional[Last] = None  # noqa: UP045
        self._looking = False
        self._shows: list[Callable[[View], None]] = []
        self.view = View(options=from_text(editor.remembered()), server_text=_("Server: not asked yet"))
        link.use_command(self.view.options.command)

    # What dockers do.

    def watch(self, show: Callable[[View], None]) -> None:
        """Show what is, now and whenever it changes."""
        self._shows.append(show)
        show(self.view)

    def unwatch(self, show: Callable[[View], None]) -> None:
        self._shows.remove(show)

    def choose(self, options: Options) -> None:
        """The artist has changed the options."""
        if options == self.view.options:
            return
        if options.command != self.view.options.command:
            self._link.use_command(options.command)
        self._editor.remember(options.to_text())
        self._show(options=options)

    def fill(self) -> None:
        """Fill what is selected, or painted on the marker."""
        self._start(self.view.options, filling.find_hole)

    def fill_again(self) -> None:
        """Fill with the options of the last fill: what is selected, or the last hole again.

        What was filled just now is filled in another way.
        """
        last = self._last
        if last is None:
            self.fill()
            return

        def hole(document: Document) -> Hole:
            try:
                return filling.find_hole(document)
            except RefusalError:
                if document != last.document:
                    raise
                return replace(last.hole, marker=None)

        self._start(last.options, hole, again=last)

    def fill_every_frame(self) -> None:
        """Fill what is selected in every frame of the range that is played."""
        self._start(self.view.options, filling.find_hole, every_frame=True)

    def erase_strokes(self) -> None:
        """Make the layer that strokes are painted on, or choose it."""
        document = self._document()
        if document is not None:
            self._editor.make_marker(document, _("LaMa Fill: paint over what is to be gone"))
            self._editor.tell(_("Paint over what is to be gone, then click “Fill”."))

    def cancel(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.cancel()
            self._show(is_running=False, fraction=0.0, text=_("Cancelled."))

    # The server.

    def look(self) -> None:
        """Ask how the server is, unless it is busy telling."""
        if self._looking or self._run is not None:
            return
        self._looking = True
        reply = self._link.status()
        reply.then(lambda: self._looked(reply.value, reply.error))

    def start_server(self) -> None:
        self._looking = True
        self._show(server="loading", server_text=_("Server: starting…"))
        reply = self._link.start()
        reply.then(lambda: self._looked(reply.value, reply.error, tell=True))

    def stop_server(self) -> None:
        self.cancel()
        reply = self._link.stop()
        reply.then(lambda: self._stopped(reply.error))

    def _stopped(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, ServerNotFoundError):
            self._tell_error(error)
        self.look()

    def _looked(
        self, status: messages.ServerStatus | None, error: BaseException | None, tell: bool = False
    ) -> None:
        self._looking = False
        if status is None:
            if tell and error is not None:
                self._tell_error(error)
            absent = isinstance(error, ServerNotFoundError)
            text = _("Server: not running") if absent or error is None else f"{_('Server')}: {error}"
            self._show(server="absent", server_text=text)
            return
        self._show(server=status.state, server_text=server_text(status), models=status.models)

    # A fill.

    def _document(self) -> Document | None:
        if self._run is not None:
            self._editor.tell(_("A fill is running already: wait for it, or cancel it."))
            return None
        document = self._editor.document()
        if document is None:
            self._editor.tell(_("No document is open: open the picture first."))
        return document

    def _start(
        self,
        options: Options,
        find: Callable[[Document], Hole],
        *,
        again: Last | None = None,
        every_frame: bool = False,
    ) -> None:
        document = self._document()
        if document is None:
            return
        try:
            hole = _kept(find(document))
        except LamaFillError as refusal:
            self._refuse(str(refusal))
            return
        seed = again.next_seed if again is not None and again.is_of(document, hole) else 0
        self._last = Last(document=document, hole=hole, options=options, next_seed=seed)
        work = filling.fill(
            document, hole, options, self._link, self._report, seed=seed, every_frame=every_frame
        )
        self._run = Run(work, self._editor.later, self._finished)
        self._show(is_running=True, fraction=0.0, text=_("Reading the picture…"))

    def _report(self, fraction: float, text: str) -> None:
        self._show(fraction=fraction, text=text)

    def _finished(self, outcome: Outcome | None, error: BaseException | None) -> None:
        self._run = None
        if outcome is not None:
            if self._last is not None:
                self._last = replace(self._last, next_seed=(self._last.next_seed + 1) & MAX_SEED)
            self._show(is_running=False, fraction=0.0, text=outcome_text(outcome))
        elif isinstance(error, FillCancelledError):
            self._show(is_running=False, fraction=0.0, text=_("Cancelled."))
        else:
            self._tell_error(error)
        self.look()

    def _tell_error(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, LamaFillError):
            self._editor.failed(error)
        self._refuse(error_text(error))

    def _refuse(self, text: str) -> None:
        self._editor.tell(text)
        self._show(is_running=self._run is not None, fraction=0.0, text=text)

    def _show(self, **changes: Any) -> None:
        self.view = replace(self.view, **changes)
        for show in list(self._shows):
            show(self.view)


def _kept(hole: Hole) -> Hole:
    """The hole with its mask in memory, so that it stays what it was."""
    bounds, mask = hole.bounds, hole.read(hole.bounds)

    def read(rect):
        inside = rect.intersect(bounds)
        if inside.is_empty:
            return bytes(rect.area)
        left, right = bytes(inside.x - rect.x), bytes(rect.right - inside.right)
        above, below = (
            bytes((inside.y - rect.y) * rect.width),
            bytes((rect.bottom - inside.bottom) * rect.width),
        )
        begins = range(
            (inside.y - bounds.y) * bounds.width + inside.x - bounds.x,
            (inside.bottom - bounds.y) * bounds.width,
            bounds.width,
        )
        rows = b"".join(left + mask[begin : begin + inside.width] + right for begin in begins)
        return above + rows + below

    return replace(hole, read=read)


STATES = {
    "loading": N_("loading a model"),
    "ready": N_("ready"),
    "idle": N_("ready, sleeping"),
    "degraded": N_("in trouble"),
    "stopping": N_("ending"),
}


def server_text(status: messages.ServerStatus) -> str:
    """The server in one line."""
    parts = [_(STATES[status.state])]
    models = [worker.model for worker in status.workers if worker.model] or [status.default_model]
    devices = [worker.device for worker in status.workers] or [device.id for device in status.devices]
    parts += [name for name in (models[0], devices[0] if devices else "") if name]
    waiting = status.queued + status.running
    if waiting:
        parts.append(_("{count} in work").format(count=waiting))
    return f"{_('Server')}: {', '.join(parts)}"


def outcome_text(outcome: Outcome) -> str:
    text = _("Filled in {seconds:.1f} s by {model}.").format(seconds=outcome.seconds, model=outcome.model)
    if outcome.frames > 1:
        text = _("{count} frames. {text}").format(count=outcome.frames, text=text)
    return text


#: What went wrong at the server, and what to do.
FAILURES = {
    "busy": N_("The server has too much to do: try again in a moment."),
    "out_of_memory": N_("There is not enough memory for this: select less, or choose less context."),
    "device_lost": N_("The graphics card was lost: try again."),
    "model_failed": N_("The model could not be used: choose another one."),
    "unknown_model": N_("This model is not installed: choose another one."),
    "too_large": N_("This is more than the server takes at once: select less, or choose less context."),
    "timeout": N_("The server took too long: try again."),
    "shutting_down": N_("The server is ending: try again in a moment."),
}


def error_text(error: BaseException | None) -> str:
    """One line for the artist: what is wrong and what to do."""
    if isinstance(error, FillFailedError) and error.code in FAILURES:
        return _(FAILURES[error.code])
    if isinstance(error, SandboxError):
        return _(
            "Krita is in a sandbox and may not start the server: run “lama-fill serve”, then fill again."
        )
    if isinstance(error, ServerNotFoundError):
        return _("The LaMa Fill server is not running: start it in the menu beside its state.")
    if isinstance(error, ServerStartError):
        return _("The LaMa Fill server could not be started: {reason}").format(reason=error)
    if isinstance(error, ClientError) and error.retryable:
        return _(
            "The LaMa Fill server was lost: fill again, and look at “lama-fill logs” if that does not help."
        )
    if isinstance(error, LamaFillError):
        return str(error)
    return _("Something went wrong in the plug-in ({reason}): Krita's log says more.").format(
        reason=repr(error)
    )
