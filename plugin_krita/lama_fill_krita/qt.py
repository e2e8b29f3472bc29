"""All of the plug-in that is Qt: the docker's content, timers, and the way from a thread to the main one.

PyQt5 or PyQt6 is whichever Krita has loaded; trying to import the wrong one would load a second Qt into it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

if "PyQt6.QtCore" in sys.modules:
    from PyQt6.QtCore import QLocale, QObject, QSize, Qt, QTimer, pyqtSignal
    from PyQt6.QtGui import QImage, QPixmap
    from PyQt6.QtWidgets import (
        QCheckBox,
        QComboBox,
        QDialog,
        QDialogButtonBox,
        QFormLayout,
        QHBoxLayout,
        QLabel,
        QLineEdit,
        QMenu,
        QProgressBar,
        QPushButton,
        QScrollArea,
        QSizePolicy,
        QSpinBox,
        QStackedWidget,
        QToolButton,
        QVBoxLayout,
        QWidget,
    )
else:
    from PyQt5.QtCore import QLocale, QObject, QSize, Qt, QTimer, pyqtSignal
    from PyQt5.QtGui import QImage, QPixmap
    from PyQt5.QtWidgets import (
        QCheckBox,
        QComboBox,
        QDialog,
        QDialogButtonBox,
        QFormLayout,
        QHBoxLayout,
        QLabel,
        QLineEdit,
        QMenu,
        QProgressBar,
        QPushButton,
        QScrollArea,
        QSizePolicy,
        QSpinBox,
        QStackedWidget,
        QToolButton,
        QVBoxLayout,
        QWidget,
    )

if TYPE_CHECKING:
    from PyQt5.QtGui import QHideEvent, QResizeEvent, QShowEvent
    from PyQt5.QtWidgets import QAction

from lama_core.client.plugin.choices import AUTOMATIC, CONTEXTS, INPUTS, OUTPUTS, QUALITIES, Choice
from lama_core.client.plugin.texts import _
from lama_core.client.protocol.messages import Preview
from lama_fill_krita.controller import LOOK_SECONDS, Controller, View
from lama_fill_krita.options import MAX_PIXELS, Options

STATE_COLORS = {"ready": "#43a047", "idle": "#43a047", "loading": "#fb8c00", "degraded": "#e53935"}
"""The dot before the server's state, readable on dark and on light."""
OTHER_COLOR = "#8a8a8a"

MARGIN = 6


def languages() -> Sequence[str]:
    """The languages of the interface, best first, as Qt names them."""
    return list(QLocale().uiLanguages())


def later(seconds: float, call: Callable[[], None]) -> None:
    """Call on the main thread after some seconds, and not before Qt has handled the events that wait."""
    # Qt keeps only a weak reference to a method's object, but a strong one to a function.
    QTimer.singleShot(max(1, round(seconds * 1000)), _plain(call))


class MainThreadInvoker(QObject):
    """Calls functions of other threads on the main one. Made on the main thread."""

    _arrived = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self._arrived.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def invoke(self, call: Callable[[], None]) -> None:
        """Call on the main thread, as soon as it is free."""
        self._arrived.emit(call)

    def _call(self, call: Callable[[], None]) -> None:
        call()


class Line(QLabel):
    """One line of text that may be cut, so that it never makes the docker wider."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._dot = ""
        self._whole = ""

    def say(self, text: str, colour: str) -> None:
        self._dot, self._whole = f'<font color="{colour}">●</font> ', text
        self.setToolTip(text)
        self.setAccessibleName(text)
        self._cut()

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(0, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._cut()

    def _cut(self) -> None:
        metrics = self.fontMetrics()
        room = max(0, self.width() - metrics.horizontalAdvance("●  "))
        cut = metrics.elidedText(self._whole, Qt.TextElideMode.ElideRight, room)
        self.setText(self._dot + cut.replace("&", "&amp;").replace("<", "&lt;"))


class PreviewLabel(QLabel):
    """A first look at the fill that runs, as wide as there is room, in the docker alone."""

    MAX_LINES = 9
    """Its height, in lines of text."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("lamaFillPreview")
        self.setAccessibleName(_("Preview"))
        self.setToolTip(_("Preview"))
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        # Its own least width would be that of the whole docker.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._preview: Preview | None = None
        self.hide()

    def show_preview(self, preview: Preview | None) -> None:
        """Show it with what is around the hole; None: nothing."""
        if preview is self._preview:
            return
        self._preview = preview
        if preview is not None:
            width, height = preview.width, preview.height
            # Without alpha: where that is 0 the colours are those of the picture.
            pixels = bytes(preview.pixels)
            image = QImage(pixels, width, height, 4 * width, QImage.Format.Format_RGBX8888)
            lines = self.MAX_LINES * self.fontMetrics().height()
            room = QSize(max(1, self.parentWidget().width() - 2 * MARGIN), lines)
            self.setPixmap(
                QPixmap.fromImage(image).scaled(
                    room,
                    Qt.AspectRatioMode.KeepAspectRatio,
                    Qt.TransformationMode.SmoothTransformation,
                )
            )
        self.setVisible(preview is not None)


class Panel(QScrollArea):
    """What is in the docker."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._options = controller.view.options
        self._models: list[tuple[str, str]] = []
        self.setWidgetResizable(True)
        self.setFrameShape(self.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.addWidget(self._make_top())
        self._preview = PreviewLabel()
        column.addWidget(self._preview)
        self._message = QLabel()
        self._message.setObjectName("lamaFillMessage")
        self._message.setWordWrap(True)
        self._message.setTextFormat(Qt.TextFormat.PlainText)
        column.addWidget(self._message)
        column.addLayout(self._make_form())
        column.addStretch(1)
        column.addLayout(self._make_server())
        self.setWidget(content)
        self._timer = QTimer(self)
        self._timer.setInterval(round(LOOK_SECONDS * 1000))
        self._timer.timeout.connect(controller.look)
        controller.watch(self.show_view)
        self.destroyed.connect(lambda: controller.unwatch(self.show_view))

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(14 * self.fontMetrics().height(), 26 * self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        # Never so narrow that something is cut: there is no scrolling sideways.
        parts = [self._top, *(field for _label, field in self._rows)]
        width = max(part.minimumSizeHint().width() for part in parts) + self._beside()
        return QSize(width, 8 * self.fontMetrics().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        # Labels go above their fields where there is no room beside them.
        needed = max(label.sizeHint().width() for label, _field in self._rows)
        needed += max(field.minimumSizeHint().width() for _label, field in self._rows)
        fits = self.width() >= needed + self._form.horizontalSpacing() + self._beside()
        policies = QFormLayout.RowWrapPolicy
        policy = policies.DontWrapRows if fits else policies.WrapAllRows
        if self._form.rowWrapPolicy() != policy:
            self._form.setRowWrapPolicy(policy)

    def _beside(self) -> int:
        """What is left and right of the fields: margins and the scroll bar."""
        return 2 * MARGIN + self.verticalScrollBar().sizeHint().width()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        super().showEvent(event)
        self._timer.start()
        later(0, self._controller.look)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        super().hideEvent(event)
        self._timer.stop()

    # The parts.

    def _make_top(self) -> QWidget:
        """The large button, and in its place while a fill runs its progress."""
        height = round(2.4 * self.fontMetrics().height())
        self._fill = QPushButton(_("Fill"))
        self._fill.setObjectName("lamaFillButton")
        self._fill.setAccessibleName(_("Fill"))
        self._fill.setToolTip(_("Fill what is selected with what belongs there"))
        self._fill.setMinimumHeight(height)
        self._fill.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        font = self._fill.font()
        font.setBold(True)
        self._fill.setFont(font)
        self._fill.clicked.connect(_plain(self._controller.fill))
        menu = QMenu(self)
        for name, text, call in (
            ("lamaFillAgain", _("Fill again"), self._controller.fill_again),
            ("lamaFillFrames", _("Fill every frame"), self._controller.fill_every_frame),
            ("lamaFillStrokes", _("Erase strokes"), partial(self._controller.paint_strokes, "erase")),
            ("lamaFillCopy", _("Copy from here"), partial(self._controller.paint_strokes, "copy")),
            ("lamaFillNever", _("Never copy from here"), partial(self._controller.paint_strokes, "never")),
        ):
            _add(menu, name, text, call)
        more = _menu_button("lamaFillMore", "⋮", _("Other ways to fill"), menu)
        more.setMinimumHeight(height)
        self._progress = QProgressBar()
        self._progress.setObjectName("lamaFillProgress")
        self._progress.setAccessibleName(_("Progress"))
        self._progress.setRange(0, 1000)
        self._progress.setMinimumHeight(height)
        # Its own least width would be that of the whole docker.
        self._progress.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._progress.setMinimumWidth(height)
        cancel = QPushButton(_("Cancel"))
        cancel.setObjectName("lamaFillCancel")
        cancel.setAccessibleName(_("Cancel"))
        cancel.setMinimumHeight(height)
        cancel.clicked.connect(_plain(self._controller.cancel))
        self._top = QStackedWidget()
        self._top.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._top.addWidget(_row(self._fill, more))
        self._top.addWidget(_row(self._progress, cancel))
        return self._top

    def _make_form(self) -> QFormLayout:
        self._form = form = QFormLayout()
        self._rows = []
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self._input = self._choice("lamaFillInput", INPUTS, "input")
        self._output = self._choice("lamaFillOutput", OUTPUTS, "output")
        self._quality = self._choice("lamaFillQuality", QUALITIES, "quality")
        self._model = _combo("lamaFillModel")
        self._model.activated.connect(self._model_chosen)
        self._grow = self._pixels("lamaFillGrow", MAX_PIXELS, "grow")
        self._feather = self._pixels("lamaFillFeather", MAX_PIXELS, "feather")
        self._context = self._choice("lamaFillContext", CONTEXTS, "context")
        for text, tip, field in (
            (_("Input:"), _("What the fill is made from"), self._input),
            (_("Output:"), _("What the fill becomes"), self._output),
            (_("Quality:"), _("The better, the longer it takes"), self._quality),
            (_("Model:"), _("The network that fills"), self._model),
            (_("Grow:"), _("How far the fill reaches beyond the selection"), self._grow),
            (_("Feather:"), _("How softly the fill ends"), self._feather),
            (_("Context:"), _("How much around the selection the network sees"), self._context),
        ):
            label = QLabel(text)
            label.setBuddy(field)
            label.setToolTip(tip)
            field.setToolTip(tip)
            field.setAccessibleName(text.rstrip(":"))
            form.addRow(label, field)
            self._rows.append((label, field))
        return form

    def _make_server(self) -> QHBoxLayout:
        self._server = Line("lamaFillStatus")
        menu = QMenu(self)
        self._start = _add(menu, "lamaFillStart", _("Start the server"), self._controller.start_server)
        self._stop = _add(menu, "lamaFillStop", _("Stop the server"), self._controller.stop_server)
        menu.addSeparator()
        _add(menu, "lamaFillSettings", _("Settings…"), self._settings)
        row = QHBoxLayout()
        row.addWidget(self._server, 1)
        row.addWidget(_menu_button("lamaFillServer", "☰", _("The server"), menu))
        return row

    def _choice(self, name: str, choices: Sequence[Choice], field: str) -> QComboBox:
        box = _combo(name)
        for choice in choices:
            box.addItem(_(choice.label), choice.name)
        box.activated.connect(
            lambda index: self._controller.choose(replace(self._options, **{field: box.itemData(index)}))
        )
        return box

    def _pixels(self, name: str, most: int, field: str) -> QSpinBox:
        box = QSpinBox()
        box.setObjectName(name)
        box.setRange(AUTOMATIC, most)
        box.setSpecialValueText(_("Automatic"))
        box.setSuffix(_(" px"))
        box.setKeyboardTracking(False)
        box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        box.valueChanged.connect(
            lambda value: self._controller.choose(replace(self._options, **{field: value}))
        )
        return box

    def _model_chosen(self, index: int) -> None:
        self._controller.choose(replace(self._options, model=self._model.itemData(index)))

    def _settings(self) -> None:
        chosen = ask_settings(self, self._options)
        if chosen is not None:
            self._controller.choose(chosen)

    # Showing.

    def show_view(self, view: View) -> None:
        self._options = view.options
        self._top.setCurrentIndex(1 if view.is_running else 0)
        self._fill.setEnabled(not view.is_running)
        self._progress.setValue(round(1000 * view.fraction))
        self._preview.show_preview(view.preview)
        self._message.setText(view.text)
        self._message.setVisible(bool(view.text))
        self._server.say(view.server_text, STATE_COLORS.get(view.server, OTHER_COLOR))
        runs = view.server not in ("absent", "unknown")
        self._start.setEnabled(not runs)
        self._stop.setEnabled(runs)
        self._show_models(view)
        for box, value in (
            (self._input, view.options.input),
            (self._output, view.options.output),
            (self._quality, view.options.quality),
            (self._context, view.options.context),
            (self._model, view.options.model),
        ):
            box.setCurrentIndex(max(0, box.findData(value)))
        for field, pixels in ((self._grow, view.options.grow), (self._feather, view.options.feather)):
            field.blockSignals(True)
            field.setValue(pixels)
            field.blockSignals(False)

    def _show_models(self, view: View) -> None:
        models = [("", _("The server's default")), *((m.name, m.title or m.name) for m in view.models)]
        if view.options.model not in [name for name, _title in models]:
            models.append((view.options.model, view.options.model))
        # Filled again only when it changed: it may be open.
        if models != self._models:
            self._models = models
            self._model.clear()
            for name, title in models:
                self._model.addItem(title, name)


def ask_settings(parent: QWidget, options: Options) -> Options | None:
    """The options with what was chosen in the dialog; None when it was cancelled."""
    dialog = QDialog(parent)
    dialog.setObjectName("lamaFillSettingsDialog")
    dialog.setWindowTitle(_("LaMa Fill: Settings"))
    start = QCheckBox(_("Start the server when it is needed"))
    start.setChecked(options.start_server)
    command = QLineEdit(options.command)
    command.setPlaceholderText("lama-fill")
    command.setToolTip(_("Empty: LaMa Fill looks for it where it is usually installed"))
    form = QFormLayout()
    form.addRow(_("Command of the server:"), command)
    server = QLineEdit(options.server)
    server.setObjectName("lamaFillSharedServer")
    server.setPlaceholderText("wss://")
    server.setToolTip(
        _("The address of a shared server that your administrator gave you; empty for this machine's own")
    )
    form.addRow(_("Shared server:"), server)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    column = QVBoxLayout(dialog)
    column.addWidget(start)
    column.addLayout(form)
    column.addWidget(buttons)
    if dialog.exec() != int(QDialog.DialogCode.Accepted):
        return None
    return replace(
        options, start_server=start.isChecked(), command=command.text().strip(), server=server.text()
    )


def _row(wide: QWidget, narrow: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(wide, 1)
    layout.addWidget(narrow)
    return row


def _combo(name: str) -> QComboBox:
    box = QComboBox()
    box.setObjectName(name)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(4)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box


def _menu_button(name: str, text: str, tip: str, menu: QMenu) -> QToolButton:
    button = QToolButton()
    button.setObjectName(name)
    button.setText(text)
    button.setToolTip(tip)
    button.setAccessibleName(tip)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    button.setMenu(menu)
    # The menu's own arrow would take a narrow docker's room.
    button.setStyleSheet("QToolButton::menu-indicator { image: none; }")
    return button


def _add(menu: QMenu, name: str, text: str, call: Callable[[], None]) -> QAction:
    action = menu.addAction(text)
    action.setObjectName(name)
    action.triggered.connect(_plain(call))
    return action


def _plain(call: Callable[[], None]) -> Callable[[], None]:
    """Without Qt's argument, which says whether the button is checked."""
    return lambda: call()  # noqa: PLW0108
