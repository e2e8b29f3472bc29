"""Runs a test's script in Krita's own event loop, as soon as there is a window.

The script is the file `$PROBE_SCRIPT`, of which the generators in `$PROBE_SCENARIOS` run one after the
other. What they yield is waited for: a number of seconds, or a function until it returns something true. What
they return is written to `$PROBE_ANSWERS` as JSON, by their names: {"value": ...} or {"error": traceback}.
"""

import inspect
import json
import os
import runpy
import sys
import time
import traceback

from krita import Extension, Krita

if "PyQt6.QtCore" in sys.modules:
    from PyQt6.QtCore import QTimer
else:
    from PyQt5.QtCore import QTimer

PATIENCE_SECONDS = 60.0


class Probe(Extension):
    def setup(self):
        if "PROBE_SCRIPT" in os.environ:
            notifier = Krita.instance().notifier()
            notifier.setActive(True)
            notifier.windowCreated.connect(lambda: QTimer.singleShot(500, self.begin))

    def createActions(self, window):
        pass

    def begin(self):
        self.answers = {}
        self.script = runpy.run_path(os.environ["PROBE_SCRIPT"])
        self.names = os.environ["PROBE_SCENARIOS"].split(",")
        self.next_scenario()

    def next_scenario(self):
        with open(os.environ["PROBE_ANSWERS"], "w", encoding="utf-8") as file:
            json.dump(self.answers, file)
        if not self.names:
            for document in Krita.instance().documents():
                document.setModified(False)
                document.close()
            Krita.instance().action("file_quit").trigger()
            return
        self.name = self.names.pop(0)
        self.wanted, self.until = None, 0.0
        self.scenario = self.script[self.name]()
        QTimer.singleShot(0, self.step)

    def step(self):
        try:
            if self.wanted is not None and not self.wanted():
                if time.monotonic() > self.until:
                    raise TimeoutError(inspect.getsource(self.wanted))
                QTimer.singleShot(10, self.step)
                return
            self.wanted, wait = None, 0.0
            found = next(self.scenario)
            if callable(found):
                self.wanted, self.until = found, time.monotonic() + PATIENCE_SECONDS
            else:
                wait = found
            QTimer.singleShot(round(wait * 1000), self.step)
        except StopIteration as end:
            self.finish({"value": end.value})
        except Exception:  # noqa: BLE001 - the test shows it
            self.finish({"error": traceback.format_exc()})

    def finish(self, answer):
        self.answers[self.name] = answer
        QTimer.singleShot(0, self.next_scenario)


Krita.instance().addExtension(Probe(Krita.instance()))
