"""Runs in Krita's window: a photograph before and after a fill, with the docker, for the documentation."""

import os
import sys

from krita import Krita, Selection

if "PyQt6.QtCore" in sys.modules:
    from PyQt6.QtCore import Qt
    from PyQt6.QtWidgets import QApplication, QDockWidget, QProgressBar, QPushButton, QSpinBox
else:
    from PyQt5.QtCore import Qt
    from PyQt5.QtWidgets import QApplication, QDockWidget, QProgressBar, QPushButton, QSpinBox

FOLDER = os.environ["PROBE_PICTURES"]
THEME = os.environ["PROBE_THEME"]


def picture_of(window, name):
    """What the screen shows: a widget's own picture of itself leaves out the selection's outline."""
    area = window.geometry()
    picture = QApplication.primaryScreen().grabWindow(0, area.x(), area.y(), area.width(), area.height())
    picture.save(os.path.join(FOLDER, f"{THEME}-{name}.png"))


def show():
    krita = Krita.instance()
    window = krita.activeWindow().qwindow()
    window.showNormal()
    window.resize(1180, 760)
    document = krita.openDocument(os.path.join(FOLDER, "photo.png"))
    document.setBatchmode(True)
    krita.activeWindow().addView(document)
    yield lambda: document.activeNode() is not None
    for found in window.findChildren(QDockWidget):
        found.setVisible(found.objectName() in ("ToolBox", "KisLayerBox", "lamaFillDocker"))
    docker = window.findChild(QDockWidget, "lamaFillDocker")
    layers = window.findChild(QDockWidget, "KisLayerBox")
    for found in (layers, docker):
        found.setFloating(False)
        window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, found)
        found.setVisible(True)
        found.raise_()
    yield 0.5
    window.resizeDocks([layers, docker], [260, 420], Qt.Orientation.Vertical)
    window.resizeDocks([docker], [260], Qt.Orientation.Horizontal)
    yield 1.0
    krita.action("zoom_to_fit" if krita.action("zoom_to_fit") else "zoom_to_100pct").trigger()
    with open(os.path.join(FOLDER, "hole.gray"), "rb") as file:
        hole = file.read()
    selection = Selection()
    selection.setPixelData(hole, 0, 0, document.width(), document.height())
    document.setSelection(selection)
    # A selection that a script has made is drawn when Krita itself has worked on it.
    for _time in range(2):
        krita.action("invert_selection").trigger()
        yield 0.5
    # Instead of the brush, whose outline would be in the picture.
    krita.action("KisToolSelectOutline").trigger()
    document.setModified(False)
    yield 3.0
    picture_of(window, "before")
    docker.findChild(QPushButton, "lamaFillButton").click()
    bar = docker.findChild(QProgressBar, "lamaFillProgress")
    yield lambda: not bar.isVisible()
    krita.action("deselect").trigger()
    yield 6.0
    picture_of(window, "after")
    docker.setFloating(True)
    docker.resize(docker.minimumSizeHint().width(), 520)
    yield 0.5
    docker.grab().save(os.path.join(FOLDER, f"{THEME}-narrow.png"))
    return [docker.width(), docker.findChild(QSpinBox, "lamaFillGrow").width()]
