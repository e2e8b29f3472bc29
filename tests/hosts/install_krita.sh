#!/bin/sh
# Have the distribution's Krita, its Python bindings, and a display without a screen. Does nothing when it is there.
set -eu
if command -v krita >/dev/null && command -v kritarunner >/dev/null && command -v xvfb-run >/dev/null &&
    command -v openbox >/dev/null && /usr/bin/python3 -c "import PyQt5.QtCore" 2>/dev/null; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "install krita, its Python bindings for PyQt5, xvfb and openbox" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 krita python3-pyqt5 xvfb xauth openbox fonts-dejavu-core
