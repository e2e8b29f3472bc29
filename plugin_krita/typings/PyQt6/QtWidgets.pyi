# What the plug-in uses of it is the same in Qt 5 and Qt 6.
from PyQt5.QtWidgets import *
