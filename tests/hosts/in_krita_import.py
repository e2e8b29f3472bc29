"""Runs in Krita's window: Tools > Scripts > Import Python Plugin from File, and one fill afterwards."""

import os
import sys

from krita import Krita, Selection

if "PyQt6.QtCore" in sys.modules:
    from PyQt6.QtCore import QTimer
    from PyQt6.QtWidgets import (
        QApplication,
        QDialogButtonBox,
        QDockWidget,
        QFileDialog,
        QLabel,
        QLineEdit,
        QMessageBox,
        QProgressBar,
        QPushButton,
    )
else:
    from PyQt5.QtCore import QTimer
    from PyQt5.QtWidgets import (
        QApplication,
        QDialogButtonBox,
        QDockWidget,
        QFileDialog,
        QLabel,
        QLineEdit,
        QMessageBox,
        QProgressBar,
        QPushButton,
    )

WIDTH, HEIGHT = 200, 160
HOLE = (80, 60, 40, 30)


def dialog(kind):
    return next(
        (found for found in QApplication.topLevelWidgets() if isinstance(found, kind) and found.isVisible()),
        None,
    )


def import_archive():
    krita = Krita.instance()
    # The dialogs have loops of their own, in which this scenario goes on.
    QTimer.singleShot(0, krita.action("plugin_importer_file").trigger)
    yield lambda: dialog(QFileDialog) is not None
    files = dialog(QFileDialog)
    files.findChild(QLineEdit, "fileNameEdit").setText(os.environ["PROBE_ARCHIVE"])
    yield 0.3
    files.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Open).click()
    yield lambda: dialog(QMessageBox) is not None
    question = dialog(QMessageBox)
    asked = "LaMa" in question.text()
    question.button(QMessageBox.StandardButton.Yes).click()
    yield 0.5
    place = krita.getAppDataLocation()
    return {
        "asked": asked,
        "desktop": os.path.exists(os.path.join(place, "pykrita", "lama_fill_krita.desktop")),
        "module": os.path.exists(os.path.join(place, "pykrita", "lama_fill_krita", "private", "lama_core")),
        "action": os.path.exists(os.path.join(place, "actions", "lama_fill_krita.action")),
    }


def use_it():
    krita = Krita.instance()
    document = krita.createDocument(WIDTH, HEIGHT, "picture", "RGBA", "U8", "", 72.0)
    layer = document.topLevelNodes()[0]
    data = b"".join(
        bytes((x * 255 // WIDTH, y * 255 // HEIGHT, 90, 255)) for y in range(HEIGHT) for x in range(WIDTH)
    )
    layer.setPixelData(data, 0, 0, WIDTH, HEIGHT)
    document.refreshProjection()
    krita.activeWindow().addView(document)
    yield lambda: document.activeNode() is not None
    selection = Selection()
    selection.select(*HOLE, 255)
    document.setSelection(selection)
    document.waitForDone()
    before = bytes(document.pixelData(0, 0, WIDTH, HEIGHT))
    docker = krita.activeWindow().qwindow().findChild(QDockWidget, "lamaFillDocker")
    docker.setVisible(True)
    docker.setFloating(True)
    docker.resize(260, 460)
    yield 0.5
    docker.findChild(QPushButton, "lamaFillButton").click()
    bar = docker.findChild(QProgressBar, "lamaFillProgress")
    yield lambda: not bar.isVisible()
    document.waitForDone()
    after = bytes(document.pixelData(0, 0, WIDTH, HEIGHT))
    fill = document.nodeByName("LaMa Fill")
    shown = bytes(fill.pixelData(0, 0, WIDTH, HEIGHT))[3::4]
    differs = [before[at : at + 4] != after[at : at + 4] for at in range(0, len(before), 4)]
    return {
        "docker": docker.windowTitle(),
        "menu": [krita.action(name).text().replace("&", "") for name in ("lama_fill", "lama_fill_again")],
        "said": docker.findChild(QLabel, "lamaFillMessage").text(),
        "outside": sum(changed and not share for changed, share in zip(differs, shown, strict=True)),
        "inside": sum(differs),
    }
