"""Runs in the chroot, on its desktop: looks at windows through accessibility, and uses them."""

import json
import os
import subprocess
import sys
import time
import traceback

import pyatspi


def serve(folder):
    """Call what is asked for, line by line, until the one who asks is gone."""
    helpers = [subprocess.Popen(["/usr/libexec/at-spi-bus-launcher", "--launch-immediately"])]
    try:
        start_window_manager(helpers)
        with open(f"{folder}/requests") as requests:
            for line in requests:
                request = json.loads(line)
                try:
                    said = {"result": globals()[request["function"]](**request["arguments"])}
                except Exception:  # noqa: BLE001 - whatever it is, the test is told
                    said = {"error": traceback.format_exc()}
                with open(f"{folder}/answer.part", "w") as file:
                    json.dump(said, file)
                os.rename(f"{folder}/answer.part", f"{folder}/answer.json")
    finally:
        for helper in helpers:
            helper.kill()


def start_window_manager(helpers, seconds=60):
    """Start it until it stays: on a busy machine it may come before the display takes connections."""
    deadline = time.monotonic() + seconds
    helpers.append(subprocess.Popen(["openbox"]))
    check = ["xprop", "-root", "_NET_ACTIVE_WINDOW", "_NET_SUPPORTING_WM_CHECK"]
    while "window id" not in subprocess.run(check, capture_output=True, text=True, check=False).stdout:
        if time.monotonic() > deadline:
            raise AssertionError("no window manager came up")
        if helpers[-1].poll() is not None:
            helpers[-1] = subprocess.Popen(["openbox"])
        time.sleep(0.1)


def environment():
    """What a program needs in order to be on this desktop."""
    return {name: os.environ[name] for name in ("DISPLAY", "DBUS_SESSION_BUS_ADDRESS")}


def click(role, name, seconds=60):
    """Wait until there is such a thing that can be used, and use it."""
    thing = found(role, name, seconds)
    thing.queryAction().doAction(0)


def wait(role, name, seconds=60):
    """Wait until there is such a thing; its whole name."""
    return found(role, name, seconds).name


def key(combination):
    """Press a key, as xdotool names it, in the window that has the focus."""
    subprocess.run(["xdotool", "key", "--clearmodifiers", combination], check=True)


def focus(title):
    """Bring the window whose title has this in it to the front, as large as the desktop."""
    window = ["xdotool", "search", "--onlyvisible", "--name", title]
    subprocess.run([*window, "windowactivate", "--sync", "windowmove", "0", "0"], check=True)
    subprocess.run([*window, "windowsize", "1276", "832"], check=True)
    # Out of the way: no tool tip, no brush over the picture.
    subprocess.run(["xdotool", "mousemove", "1278", "858"], check=True)
    time.sleep(0.5)


def move(title, x, y):
    """Move the window whose title is this."""
    window = ["xdotool", "search", "--onlyvisible", "--name", f"^{title}$"]
    subprocess.run([*window, "windowmove", str(x), str(y)], check=True)
    time.sleep(0.5)


def texts():
    """Every text in every dialog: names and roles."""
    return [
        [node.getRoleName(), node.name]
        for application in desktop()
        for window in children(application)
        if window.getRoleName() in ("dialog", "alert")
        for node in walk(window)
        if node.name
    ]


def found(role, name, seconds):
    deadline = time.monotonic() + seconds
    while True:
        thing = search(role, name)
        if thing is not None:
            return thing
        if time.monotonic() > deadline:
            raise AssertionError(f"there is no {role} “{name}”; there is {texts()}")
        time.sleep(0.1)


def search(role, name):
    for application in desktop():
        for node in walk(application):
            if matches(node, role, name):
                return node
    return None


def matches(node, role, name):
    try:
        if node.getRoleName() != role or name not in node.name:
            return False
        # Entries of closed menus are used without opening them; a button has to be there.
        return role != "button" or node.getState().contains(pyatspi.STATE_SHOWING)
    except Exception:  # noqa: BLE001 - windows come and go while they are looked at
        return False


def desktop():
    return children(pyatspi.Registry.getDesktop(0))


def children(node):
    try:
        return [child for child in node if child is not None]
    except Exception:  # noqa: BLE001 - windows come and go while they are looked at
        return []


def walk(node):
    yield node
    for child in children(node):
        yield from walk(child)


if __name__ == "__main__":
    serve(sys.argv[1])
