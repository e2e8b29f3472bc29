"""What happens when something is clicked: one fill at a time, the options, the state of the server.

Every docker shows the same `View`; there is one docker in each of Krita's windows, and one controller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from lama_core.client.connection import FillCancelledError, ServerNotFoundError
from lama_core.client.errors import LamaFillError
from lama_core.client.options import MAX_SEED
from lama_core.client.plugin.messages import error_message
from lama_core.client.plugin.shared_server import take_address
from lama_core.client.plugin.texts import N_, _
from lama_core.client.protocol import messages
from lama_fill_krita import filling
from lama_fill_krita.document import Document
from lama_fill_krita.filling import Outcome
from lama_fill_krita.hole_plan import HolePlan, plan_hole
from lama_fill_krita.nodes import RefusalError
from lama_fill_krita.options import Options, from_text
from lama_fill_krita.server_thread import ServerThread
from lama_fill_krita.tasks import Future, Task

LOOK_SECONDS = 4.0
"""How often a visible docker asks how the server is."""


class Editor(Protocol):
    """The editor, as far as it is not a document."""

    def document(self) -> Document | None: ...
    def tell(self, text: str) -> None:
        """A short notice over the picture."""

    def remembered(self) -> str: ...
    def remember(self, text: str) -> None: ...
    def later(self, seconds: float, call: Callable[[], None]) -> None: ...
    def paint_strokes(self, document: Document, kind: str, name: str) -> None:
        """Make a layer for strokes of a kind of `STROKES`, or choose it, and take the brush."""

    def failed(self, error: BaseException) -> None:
        """Write an unexpected error to where a developer finds it."""


@dataclass(frozen=True)
class View:
    """All that a docker shows.

    Attributes:
        options: that are chosen.
        is_running: whether a fill runs.
        fraction: of the fill that is done.
        text: what the last fill did, or does.
        preview: a first look at the fill that runs.
        server: "unknown", "absent" or the state that the server says.
        server_text: the same in words.
        models: that are installed.
    """

    options: Options
    is_running: bool = False
    fraction: float = 0.0
    text: str = ""
    preview: messages.Preview | None = None
    server: str = "unknown"
    server_text: str = ""
    models: tuple[messages.Model, ...] = ()


@dataclass(frozen=True)
class Last:
    """The last fill.

    Attributes:
        plan: what was filled, and how.
        next_seed: asks for a fill that was not seen yet.
    """

    plan: HolePlan
    next_seed: int = 0


class Controller:
    """Does what is clicked, and tells every docker what to show."""

    def __init__(self, editor: Editor, server: ServerThread) -> None:
        """Remember what was chosen the last time.

        Args:
            editor: the editor.
            server: talks to the server.
        """
        self._editor = editor
        self._server = server
        self._task: Task[Outcome] | None = None
        self._last: Last | None = None
        self._looking = False
        self._shows: list[Callable[[View], None]] = []
        self.view = View(options=from_text(editor.remembered()), server_text=_("Server: not asked yet"))
        server.use_command(self.view.options.command)
        server.use_server(self.view.options.server)

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
        try:
            # Its token is kept elsewhere: these options are remembered as text.
            options = replace(options, server=take_address(options.server))
        except LamaFillError as error:
            self._tell_error(error)
            return
        if options.server != self.view.options.server:
            self._server.use_server(options.server)
        if options.command != self.view.options.command:
            self._server.use_command(options.command)
        self._editor.remember(options.to_text())
        self._show(options=options)

    def fill(self) -> None:
        """Fill what is selected, or painted on the marker."""
        self._start(self.view.options, plan_hole)

    def fill_again(self) -> None:
        """Fill with the options of the last fill: what is selected, or else the last hole again.

        What was filled just now is filled in another way.
        """
        last = self._last
        if last is None:
            self.fill()
            return

        def plan(document: Document, options: Options) -> HolePlan:
            try:
                return plan_hole(document, options)
            except RefusalError:
                if document != last.plan.document or document.size() != last.plan.size:
                    raise
                return last.plan.without_marker()

        self._start(last.plan.options, plan, again=last)

    def fill_every_frame(self) -> None:
        """Fill what is selected in every frame of the range that is played."""
        self._start(self.view.options, plan_hole, every_frame=True)

    def paint_strokes(self, kind: str) -> None:
        """Make the layer that strokes of a kind of `STROKES` are painted on, or choose it."""
        document = self._document()
        if document is not None:
            name, told = STROKES[kind]
            self._editor.paint_strokes(document, kind, _(name))
            self._editor.tell(_(told))

    def cancel(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            self._show_end(_("Cancelled."))

    # The server.

    def look(self) -> None:
        """Ask how the server is, unless it is busy telling."""
        if self._looking or self._task is not None:
            return
        self._looking = True
        status = self._server.status()
        status.then(lambda: self._looked(status))

    def start_server(self) -> None:
        self._looking = True
        self._show(server="loading", server_text=_("Server: starting…"))
        status = self._server.start()
        status.then(lambda: self._looked(status, tell=True))

    def stop_server(self) -> None:
        self.cancel()
        stopped = self._server.stop()
        stopped.then(lambda: self._stopped(stopped.error))

    def _stopped(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, ServerNotFoundError):
            self._tell_error(error)
        self.look()

    def _looked(self, asked: Future[messages.ServerStatus], tell: bool = False) -> None:
        self._looking = False
        status, error = asked.value, asked.error
        if status is None:
            if tell and error is not None:
                self._tell_error(error)
            absent = isinstance(error, ServerNotFoundError)
            text = _("Server: not running") if absent or error is None else _server_line(str(error))
            self._show(server="absent", server_text=text)
            return
        self._show(server=status.state, server_text=server_text(status), models=status.models)

    # A fill.

    def _document(self) -> Document | None:
        if self._task is not None:
            self._editor.tell(_("A fill is running already: wait for it, or cancel it."))
            return None
        document = self._editor.document()
        if document is None:
            self._editor.tell(_("No document is open: open the picture first."))
        return document

    def _start(
        self,
        options: Options,
        plan: Callable[[Document, Options], HolePlan],
        *,
        again: Last | None = None,
        every_frame: bool = False,
    ) -> None:
        document = self._document()
        if document is None:
            return
        try:
            planned = plan(document, options)
        except LamaFillError as refusal:
            self._refuse(str(refusal))
            return
        seed = again.next_seed if again is not None and planned.is_same_hole(again.plan) else 0
        self._last = Last(planned, seed)
        planned = replace(planned, fill=replace(planned.fill, seed=seed))
        fill = filling.fill(
            planned,
            self._server,
            self._report,
            on_preview=lambda preview: self._show(preview=preview),
            every_frame=every_frame,
        )
        self._task = Task(fill, self._editor.later, self._finished)
        self._show(is_running=True, fraction=0.0, text=_("Reading the picture…"))

    def _report(self, fraction: float, text: str) -> None:
        self._show(fraction=fraction, text=text)

    def _finished(self, outcome: Outcome | None, error: BaseException | None) -> None:
        self._task = None
        if outcome is not None:
            if self._last is not None:
                self._last = replace(self._last, next_seed=(self._last.next_seed + 1) & MAX_SEED)
            self._show_end(outcome_text(outcome))
        elif isinstance(error, FillCancelledError):
            self._show_end(_("Cancelled."))
        elif error is not None:
            self._tell_error(error)
        self.look()

    def _tell_error(self, error: BaseException) -> None:
        if not isinstance(error, LamaFillError):
            self._editor.failed(error)
        self._refuse(error_text(error))

    def _refuse(self, text: str) -> None:
        self._editor.tell(text)
        if self._task is None:
            self._show_end(text)
        else:
            self._show(fraction=0.0, text=text)

    def _show_end(self, text: str) -> None:
        self._show(is_running=False, fraction=0.0, text=text, preview=None)

    def _show(self, **changes: Any) -> None:
        self.view = replace(self.view, **changes)
        for show in list(self._shows):
            show(self.view)


STROKES = {
    "erase": (
        N_("LaMa Fill: paint over what is to be gone"),
        N_("Paint over what is to be gone, then click “Fill”."),
    ),
    "copy": (
        N_("LaMa Fill: copy from here"),
        N_("Paint over what fills may be copied from. Hide the layer to copy from everywhere again."),
    ),
    "never": (
        N_("LaMa Fill: never copy from here"),
        N_("Paint over what must not be copied into fills. Hide the layer to allow it again."),
    ),
}
"""For each kind of strokes: how their layer is called, and what to do with it."""

STATES = {
    "loading": N_("loading a model"),
    "ready": N_("ready"),
    "idle": N_("ready, sleeping"),
    "degraded": N_("in trouble"),
    "stopping": N_("ending"),
}


def _server_line(text: str) -> str:
    name = _("Server")
    return f"{name}: {text}"


def server_text(status: messages.ServerStatus) -> str:
    """The server in one line."""
    parts = [_(STATES[status.state])]
    models = [worker.model for worker in status.workers if worker.model] or [status.default_model]
    devices = [worker.device for worker in status.workers] or [device.id for device in status.devices]
    parts += [name for name in (models[0], devices[0] if devices else "") if name]
    waiting = status.queued + status.running
    if waiting:
        parts.append(_("{count} in work").format(count=waiting))
    return _server_line(", ".join(parts))


def outcome_text(outcome: Outcome) -> str:
    """What was filled, in one line."""
    text = _("Filled in {seconds:.1f} s by {model}.").format(seconds=outcome.seconds, model=outcome.model)
    if outcome.frames > 1:
        text = _("{count} frames. {text}").format(count=outcome.frames, text=text)
    return text


def error_text(error: BaseException) -> str:
    """One line for the artist: what is wrong and what to do."""
    if isinstance(error, ServerNotFoundError):
        # Only Krita has this menu.
        return _("The LaMa Fill server is not running: start it in the menu beside its state.")
    return str(error_message(error, editor="Krita"))
